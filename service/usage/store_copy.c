#include "usage/store_copy.h"

#include "base/failpoint.h"
#include "usage/render.h"

enum { CHUNK = 65536, COLUMNS = 15 };

static const char copy_sql[] =
    "COPY usage_row (id, usage_date, usage_type, status, description, specification_id, party_id, "
    "other_party_ids,"
    " rated_product_usage, revision, created_at, updated_at, content, rated, document)"
    " FROM STDIN (FORMAT binary)";

static void add_bytes(struct buf *b, const void *bytes, size_t n)
{
    buf_be32(b, (uint32_t)n);
    buf_add(b, bytes, n);
}

static void add_null(struct buf *b)
{
    buf_be32(b, UINT32_MAX);
}

static void add_text(struct buf *b, struct text t)
{
    if (t.p)
        add_bytes(b, t.p, t.n);
    else
        add_null(b);
}

static void add_int8(struct buf *b, int64_t v)
{
    buf_be32(b, 8);
    buf_be64(b, (uint64_t)v);
}

static void add_time(struct buf *b, int64_t ms)
{
    add_int8(b, (ms - INT64_C(946684800000)) * 1000);
}

/* A length that is filled in once the bytes behind it are there. */
static size_t begin(struct buf *b)
{
    buf_be32(b, 0);
    return b->len;
}

static void end(struct buf *b, size_t mark)
{
    uint32_t n = __builtin_bswap32((uint32_t)(b->len - mark));
    memcpy(b->data + mark - 4, &n, sizeof n);
}

/* The ids of all parties but the subscriber: null for the usual usage with one party. */
static void add_other_parties(struct buf *b, const struct usage *u)
{
    const struct related_party *first = usage_subscriber(u), *parties = u->parties.items;
    if (u->parties.count < 2) {
        add_null(b);
        return;
    }
    size_t mark = begin(b);
    buf_be32(b, 1);
    buf_be32(b, 0);
    buf_be32(b, DB_TEXT);
    buf_be32(b, (uint32_t)(u->parties.count - 1));
    buf_be32(b, 1);
    for (size_t i = 0; i < u->parties.count; i++)
        if (&parties[i] != first)
            add_text(b, parties[i].id);
    end(b, mark);
}

static void add_rated(struct buf *b, const struct entry *creator)
{
    if (creator->change.kind == CHANGE_RATED) {
        uint64_t digest = creator->change.rated;
        add_bytes(b, &digest, sizeof digest);
    } else {
        add_null(b);
    }
}

static void add_row(struct buf *b, const struct changes *c, const struct entry *creator)
{
    const struct usage *u = creator->change.usage;
    const struct related_party *party = usage_subscriber(u);
    buf_be16(b, COLUMNS);
    add_bytes(b, u->id.bytes, sizeof u->id.bytes);
    add_time(b, u->usage_date);
    add_text(b, u->usage_type);
    add_text(b, text_of(usage_status_names[u->status]));
    add_text(b, u->description);
    add_text(b, u->specification.id);
    add_text(b, party ? party->id : (struct text){0});
    add_other_parties(b, u);
    if (u->ratings.count > 0) {
        size_t mark = begin(b);
        render_ratings(b, &u->ratings);
        end(b, mark);
    } else {
        add_null(b);
    }
    add_int8(b, 1);
    add_time(b, c->now_ms);
    add_time(b, c->now_ms);
    add_int8(b, (int64_t)creator->change.content);
    add_rated(b, creator);
    size_t mark = begin(b);
    render_document(b, u);
    end(b, mark);
}

static bool put_rows(struct db *db, const struct changes *c, struct buf *b, struct err *err)
{
    static const char header[19] =
        "PGCOPY\n\377\r\n"; /* signature, then flags and extension length, both 0 */
    buf_reset(b);
    buf_add(b, header, sizeof header);
    bool first = true;
    for (size_t i = 0; i < c->group_count; i++) {
        if (!c->groups[i].inserted)
            continue;
        add_row(b, c, c->groups[i].creator);
        if (b->len < CHUNK)
            continue;
        if (!db_copy_put(db, b->data, b->len, err))
            return false;
        buf_reset(b);
        if (first)
            failpoint("in-copy");
        first = false;
    }
    if (first)
        failpoint("in-copy");
    buf_be16(b, UINT16_MAX); /* trailer: -1 */
    return db_copy_put(db, b->data, b->len, err);
}

bool store_copy(struct db *db, const struct changes *c, struct buf *scratch, struct err *err)
{
    return db_copy_begin(db, copy_sql, err) && put_rows(db, c, scratch, err) &&
           db_copy_end(db, err);
}
