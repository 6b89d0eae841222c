#include "usage/store.h"

#include <assert.h>
#include <stdlib.h>

#include "base/embed.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "usage/id.h"
#include "usage/render.h"
#include "usage/store_copy.h"

enum {
    COLLISIONS_MAX =
        10, /* another writer in between, again and again: then the batch is begun anew */
    RANGES_MAX = 4096,
    VACUUM_BATCHES = 25
};

struct range {
    int64_t low, high; /* ms */
};

struct store {
    struct store_settings settings;
    struct db *db;
    bool probe_first;                /* the last batch had a duplicate */
    int batches;                     /* since the outbox was vacuumed */
    struct range ranges[RANGES_MAX]; /* partitions that are known to be there */
    size_t range_count;
    struct buf scratch;
    struct buf row; /* one JSON text */
    struct db_params claims, ids, updates, parks, account, parked, outbox, clean;
    const char *update_rated, *park, *lock_parked, *take_parked, *lock_usages, *account_sql,
        *account_parked, *outbox_add, *outbox_clean;
};

struct store *store_new(const struct store_settings *settings)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->settings = *settings;
    s->db = settings->db;
    s->update_rated = embed_text(embed_sql, "update_rated.sql");
    s->park = embed_text(embed_sql, "park.sql");
    s->lock_parked = embed_text(embed_sql, "lock_parked.sql");
    s->take_parked = embed_text(embed_sql, "take_parked.sql");
    s->lock_usages = embed_text(embed_sql, "lock_usages.sql");
    s->account_sql = embed_text(embed_sql, "account.sql");
    s->account_parked = embed_text(embed_sql, "account_parked.sql");
    s->outbox_add = embed_text(embed_sql, "outbox_add.sql");
    s->outbox_clean = embed_text(embed_sql, "outbox_clean.sql");
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    struct db_params *all[] = {&s->claims,  &s->ids,    &s->updates, &s->parks,
                               &s->account, &s->parked, &s->outbox,  &s->clean};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        db_params_fini(all[i]);
    buf_fini(&s->scratch);
    buf_fini(&s->row);
    free(s);
}

/* --- partitions of usage_row
 * ------------------------------------------------------------------------- */

static bool is_covered(const struct store *s, int64_t ms)
{
    for (size_t i = s->range_count; i-- > 0;) /* the newest is the usual one */
        if (s->ranges[i].low <= ms && ms < s->ranges[i].high)
            return true;
    return false;
}

static bool ensure_partition(struct store *s, int64_t ms, struct err *err)
{
    struct db_rows rows;
    db_params_reset(&s->ids);
    db_param_time(&s->ids, ms);
    db_param_text(&s->ids, text_of(s->settings.interval));
    if (!db_query(s->db, "SELECT low_ms, high_ms FROM ensure_partition($1::timestamptz, $2::text)",
                  &s->ids, &rows, err))
        return false;
    if (s->range_count == RANGES_MAX)
        s->range_count = 0;
    s->ranges[s->range_count++] = (struct range){db_int8(&rows, 0, 0), db_int8(&rows, 0, 1)};
    db_rows_fini(&rows);
    return true;
}

/* Before the batch's transaction, each in its own. */
static bool ensure_partitions(struct store *s, const struct changes *c, struct err *err)
{
    for (size_t i = 0; i < c->group_count; i++) {
        int64_t ms = id_milliseconds(&c->groups[i].id);
        if (c->groups[i].creator && !is_covered(s, ms) && !ensure_partition(s, ms, err))
            return err_wrap(err, "making a partition of usage_row");
    }
    return true;
}

bool store_prepare(struct store *s, struct err *err)
{
    int64_t now = instant_now();
    if (!is_covered(s, now) && !ensure_partition(s, now, err))
        return false;
    int64_t next = s->ranges[s->range_count - 1].high;
    return is_covered(s, next) || ensure_partition(s, next, err);
}

/* --- parameters
 * -------------------------------------------------------------------------------------- */

static void claim_params(struct store *s, const struct changes *c, const struct store_part *parts)
{
    struct db_params *p = &s->claims;
    db_params_reset(p);
    db_array_begin(p, DB_TEXT, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_text(p, text_of(c->parts[i].topic));
    db_array_end(p);
    db_array_begin(p, DB_INT4, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_int4(p, c->parts[i].partition);
    db_array_end(p);
    db_array_begin(p, DB_UUID, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_uuid(p, parts[i].owner);
    db_array_end(p);
    db_array_begin(p, DB_INT8, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_int8(p, c->parts[i].from);
    db_array_end(p);
    db_array_begin(p, DB_INT8, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_int8(p, c->parts[i].to);
    db_array_end(p);
}

/* The ids of the groups that `wanted` names; returns how many. */
static size_t id_params(struct store *s, const struct changes *c,
                        bool (*wanted)(const struct group *))
{
    size_t n = 0;
    for (size_t i = 0; i < c->group_count; i++)
        n += wanted(&c->groups[i]);
    db_params_reset(&s->ids);
    db_array_begin(&s->ids, DB_UUID, n);
    for (size_t i = 0; i < c->group_count; i++)
        if (wanted(&c->groups[i]))
            db_array_uuid(&s->ids, c->groups[i].id.bytes);
    db_array_end(&s->ids);
    return n;
}

static bool creates(const struct group *g)
{
    return g->creator != NULL;
}

static bool must_be_locked(const struct group *g)
{
    return g->rated && !g->inserted;
}

/* Ratings may wait for these: the new ones, and existing ones that this batch rates. */
static bool may_have_parked(const struct group *g)
{
    return g->inserted || (g->rated && g->there != NULL);
}

/* --- what is there
 * ----------------------------------------------------------------------------------- */

/* The group of an id; the rows come in the order of the groups, so the search goes on where it
 * stood. */
static struct group *find_group(const struct changes *c, size_t *at, const unsigned char *uuid)
{
    struct usage_id id;
    memcpy(id.bytes, uuid, sizeof id.bytes);
    while (*at < c->group_count && id_compare(&c->groups[*at].id, &id) < 0)
        (*at)++;
    assert(*at < c->group_count && id_compare(&c->groups[*at].id, &id) == 0);
    return &c->groups[*at];
}

static const char probe_sql[] = "SELECT id, content, deleted_at IS NOT NULL FROM usage_row WHERE "
                                "id = ANY ($1::uuid[]) ORDER BY id";

/* A duplicate's digest is read without a lock: it never changes. */
static size_t note_probed(struct changes *c, struct db_rows *rows)
{
    size_t at = 0, found = 0;
    for (int i = 0; i < rows->count; i++) {
        struct group *g = find_group(c, &at, db_uuid(rows, i, 0));
        g->there = arena_zero(c->a, sizeof *g->there);
        g->there->content = (uint64_t)db_int8(rows, i, 1);
        g->there->deleted = db_truth(rows, i, 2);
        g->inserted = false;
        found++;
    }
    db_rows_fini(rows);
    return found;
}

static struct text kept(struct arena *a, struct text t)
{
    return t.p ? (struct text){arena_copy(a, t.p, t.n), t.n} : t;
}

static bool read_there(struct changes *c, const struct db_rows *rows, int i, struct there *there,
                       struct err *err)
{
    there->content = (uint64_t)db_int8(rows, i, 1);
    there->deleted = db_truth(rows, i, 2);
    struct text rated = db_text(rows, i, 7);
    there->rated_count = (int)(rated.n / 8 < OUTCOME_DIGESTS ? rated.n / 8 : OUTCOME_DIGESTS);
    if (there->rated_count > 0)
        memcpy(there->rated, rated.p, (size_t)there->rated_count * 8);
    if (there->deleted)
        return true;
    struct render_row row = {.status = kept(c->a, db_text(rows, i, 4)),
                             .description = kept(c->a, db_text(rows, i, 5)),
                             .ratings = kept(c->a, db_text(rows, i, 6)),
                             .document = kept(c->a, db_text(rows, i, 8))};
    memcpy(row.id.bytes, db_uuid(rows, i, 0), sizeof row.id.bytes);
    if (!render_read(&row, c->a, &there->usage, err)) {
        char id[ID_CHARS];
        id_print(&row.id, id);
        err->kind = ERR_RETRY;
        return err_wrap(err, "usage %s as it is stored", id);
    }
    there->usage.revision = db_int8(rows, i, 3);
    return true;
}

static bool lock_usages(struct store *s, struct changes *c, struct err *err)
{
    struct db_rows rows;
    if (id_params(s, c, must_be_locked) == 0)
        return true;
    if (!db_query(s->db, s->lock_usages, &s->ids, &rows, err))
        return false;
    size_t at = 0;
    bool ok = true;
    for (int i = 0; ok && i < rows.count; i++) {
        struct group *g = find_group(c, &at, db_uuid(&rows, i, 0));
        g->there = arena_zero(c->a, sizeof *g->there);
        ok = read_there(c, &rows, i, g->there, err);
    }
    db_rows_fini(&rows);
    return ok;
}

static bool read_parked(struct changes *c, const struct db_rows *rows, int i, struct parked *p,
                        struct err *err)
{
    struct change *change = &p->change;
    change->kind = CHANGE_RATED;
    memcpy(change->id.bytes, db_uuid(rows, i, 0), sizeof change->id.bytes);
    struct text topic = db_text(rows, i, 1);
    p->in.topic = arena_copy(c->a, topic.p, topic.n);
    p->in.partition = db_int4(rows, i, 2);
    p->in.offset = db_int8(rows, i, 3);
    p->in.key = kept(c->a, db_text(rows, i, 4));
    p->in.value = kept(c->a, db_text(rows, i, 5));
    if (!inbound_unpack_headers(kept(c->a, db_text(rows, i, 6)), c->a, &p->in))
        return err_set(err, ERR_RETRY, "headers of a parked rating cannot be read");
    p->in.timestamp = db_int8(rows, i, 7);
    change->status = usage_status_of(db_text(rows, i, 8));
    change->description = kept(c->a, db_text(rows, i, 9));
    struct text ratings = kept(c->a, db_text(rows, i, 10));
    if (ratings.p && !render_read_ratings(ratings, c->a, &change->ratings, err)) {
        err->kind = ERR_RETRY;
        return err_wrap(err, "a parked rating as it is stored");
    }
    change->newest_rating = usage_newest_rating(&change->ratings);
    change->rated = (uint64_t)db_int8(rows, i, 11);
    return true;
}

static int place_order(const struct parked *x, const struct parked *y)
{
    int order = strcmp(x->in.topic, y->in.topic);
    if (order != 0)
        return order;
    if (x->in.partition != y->in.partition)
        return x->in.partition < y->in.partition ? -1 : 1;
    return x->in.offset < y->in.offset ? -1 : 1;
}

static bool hang_parked(struct changes *c, const struct db_rows *rows, struct err *err)
{
    for (int i = 0; i < rows->count; i++) {
        struct parked *p = arena_zero(c->a, sizeof *p);
        size_t at = 0;
        if (!read_parked(c, rows, i, p, err))
            return false;
        struct parked **list = &find_group(c, &at, p->change.id.bytes)->parked;
        while (*list && place_order(*list, p) < 0)
            list = &(*list)->next;
        p->next = *list;
        *list = p;
    }
    return true;
}

/* Locked first, in the common order; then taken, and only what the DELETE returns is ours. */
static bool take_parked(struct store *s, struct changes *c, struct err *err)
{
    struct db_rows rows;
    for (size_t i = 0; i < c->group_count; i++)
        c->groups[i].parked = NULL;
    if (id_params(s, c, may_have_parked) == 0)
        return true;
    if (!db_query(s->db, s->lock_parked, &s->ids, &rows, err))
        return false;
    int found = rows.count;
    db_rows_fini(&rows);
    if (found == 0)
        return true;
    if (!db_query(s->db, s->take_parked, &s->ids, &rows, err))
        return false;
    bool ok = hang_parked(c, &rows, err);
    db_rows_fini(&rows);
    return ok;
}

/* --- what is written
 * --------------------------------------------------------------------------------- */

static struct text json_of(struct store *s, const struct list *ratings)
{
    buf_reset(&s->row);
    if (ratings->count == 0)
        return (struct text){0};
    render_ratings(&s->row, ratings);
    return (struct text){s->row.data, s->row.len};
}

static size_t update_params(struct store *s, const struct changes *c)
{
    struct db_params *p = &s->updates;
    size_t n = 0;
    for (size_t i = 0; i < c->group_count; i++)
        n += c->groups[i].changed;
    if (n == 0)
        return 0;
#define EACH_CHANGED(type, element)                                                                \
    db_array_begin(p, type, n);                                                                    \
    for (size_t i = 0; i < c->group_count; i++)                                                    \
        if (c->groups[i].changed) {                                                                \
            const struct group *g = &c->groups[i];                                                 \
            element;                                                                               \
        }                                                                                          \
    db_array_end(p)
    db_params_reset(p);
    EACH_CHANGED(DB_UUID, db_array_uuid(p, g->id.bytes));
    EACH_CHANGED(DB_TEXT, db_array_text(p, text_of(usage_status_names[g->now->usage.status])));
    EACH_CHANGED(DB_TEXT, db_array_text(p, g->now->usage.description));
    EACH_CHANGED(DB_TEXT, db_array_text(p, json_of(s, &g->now->usage.ratings)));
    EACH_CHANGED(DB_INT8, db_array_int8(p, g->now->usage.revision));
    EACH_CHANGED(DB_BYTES, db_array_bytes(p, g->now->rated, (size_t)g->now->rated_count * 8));
#undef EACH_CHANGED
    db_param_time(p, c->now_ms);
    return n;
}

static struct text packed_headers(struct store *s, const struct inbound *in)
{
    buf_reset(&s->row);
    if (in->header_count == 0)
        return (struct text){0};
    inbound_pack_headers(&s->row, in);
    return (struct text){s->row.data, s->row.len};
}

static void park_params(struct store *s, const struct changes *c)
{
    struct db_params *p = &s->parks;
#define EACH_PARKED(type, element)                                                                 \
    db_array_begin(p, type, c->to_park_count);                                                     \
    for (const struct parked *k = c->to_park; k; k = k->next)                                      \
        element;                                                                                   \
    db_array_end(p)
    db_params_reset(p);
    EACH_PARKED(DB_UUID, db_array_uuid(p, k->change.id.bytes));
    EACH_PARKED(DB_TEXT, db_array_text(p, text_of(k->in.topic)));
    EACH_PARKED(DB_INT4, db_array_int4(p, k->in.partition));
    EACH_PARKED(DB_INT8, db_array_int8(p, k->in.offset));
    EACH_PARKED(DB_BYTES, db_array_text(p, k->in.key));
    EACH_PARKED(DB_BYTES, db_array_text(p, k->in.value));
    EACH_PARKED(DB_BYTES, db_array_text(p, packed_headers(s, &k->in)));
    EACH_PARKED(DB_INT8, db_array_int8(p, k->in.timestamp));
    EACH_PARKED(DB_TEXT, db_array_text(p, text_of(usage_status_names[k->change.status])));
    EACH_PARKED(DB_TEXT, db_array_text(p, k->change.description));
    EACH_PARKED(DB_TEXT, db_array_text(p, json_of(s, &k->change.ratings)));
    EACH_PARKED(DB_INT8, db_array_int8(p, (int64_t)k->change.rated));
#undef EACH_PARKED
}

/* The counts of all parts that are not 0, by (topic, partition): one order of locks. */
static size_t account_params(struct db_params *p, const struct changes *c, bool parked)
{
    size_t n = 0;
#define COUNTS(i) (parked ? c->parts[i].parked_ended : c->parts[i].outcomes)
    for (size_t i = 0; i < c->part_count; i++)
        for (int o = 0; o < OUTCOME_COUNT; o++)
            n += COUNTS(i)[o] > 0;
    if (n == 0)
        return 0;
#define EACH_COUNT(type, element)                                                                  \
    db_array_begin(p, type, n);                                                                    \
    for (size_t i = 0; i < c->part_count; i++)                                                     \
        for (int o = 0; o < OUTCOME_COUNT; o++)                                                    \
            if (COUNTS(i)[o] > 0)                                                                  \
                element;                                                                           \
    db_array_end(p)
    db_params_reset(p);
    EACH_COUNT(DB_TEXT, db_array_text(p, text_of(c->parts[i].topic)));
    EACH_COUNT(DB_INT4, db_array_int4(p, c->parts[i].partition));
    EACH_COUNT(DB_TEXT, db_array_text(p, text_of(outcome_names[o])));
    EACH_COUNT(DB_INT8, db_array_int8(p, (int64_t)COUNTS(i)[o]));
#undef EACH_COUNT
#undef COUNTS
    return n;
}

static void outbox_params(struct store *s, const struct changes *c)
{
    struct db_params *p = &s->outbox;
#define EACH_PART(type, element)                                                                   \
    db_array_begin(p, type, c->part_count);                                                        \
    for (size_t i = 0; i < c->part_count; i++) {                                                   \
        const struct part *t = &c->parts[i];                                                       \
        element;                                                                                   \
    }                                                                                              \
    db_array_end(p)
    db_params_reset(p);
    EACH_PART(DB_TEXT, db_array_text(p, text_of(t->topic)));
    EACH_PART(DB_INT4, db_array_int4(p, t->partition));
    EACH_PART(DB_INT8, db_array_int8(p, t->from));
    EACH_PART(DB_INT8, db_array_int8(p, t->to));
    db_param_int4(p, OUTBOX_FORMAT);
    EACH_PART(DB_BYTES, db_array_bytes(p, t->messages.data, t->messages.len));
#undef EACH_PART
}

static void clean_params(struct db_params *p, const struct store_mark *marks, size_t n)
{
    db_params_reset(p);
    db_array_begin(p, DB_TEXT, n);
    for (size_t i = 0; i < n; i++)
        db_array_text(p, text_of(marks[i].topic));
    db_array_end(p);
    db_array_begin(p, DB_INT4, n);
    for (size_t i = 0; i < n; i++)
        db_array_int4(p, marks[i].partition);
    db_array_end(p);
    db_array_begin(p, DB_INT8, n);
    for (size_t i = 0; i < n; i++)
        db_array_int8(p, marks[i].published);
    db_array_end(p);
}

/* --- the transaction
 * --------------------------------------------------------------------------------- */

static const char claim_sql[] =
    "SELECT claim(v.topic, v.partition, v.owner, v.low, v.high)"
    " FROM unnest($1::text[], $2::int[], $3::uuid[], $4::bigint[], $5::bigint[])"
    " AS v (topic, partition, owner, low, high)";

/* Claimed first: whoever lost the partition must fail before it has written anything. */
static bool begin(struct store *s, struct changes *c, const struct store_part *parts,
                  struct err *err)
{
    struct db_rows probed = {0};
    bool probe = s->probe_first && id_params(s, c, creates) > 0;
    claim_params(s, c, parts);
    struct db_call calls[] = {{.sql = "BEGIN"},
                              {.sql = claim_sql, .params = &s->claims},
                              {.sql = "SAVEPOINT fresh"},
                              {.sql = probe_sql, .params = &s->ids, .rows = &probed}};
    for (size_t i = 0; i < c->group_count; i++) {
        c->groups[i].there = NULL;
        c->groups[i].inserted = c->groups[i].creator != NULL;
    }
    if (!db_pipe(s->db, calls, probe ? 4 : 3, NULL, err))
        return false;
    if (probe)
        s->probe_first = note_probed(c, &probed) > 0;
    return true;
}

static bool any_inserted(const struct changes *c)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (c->groups[i].inserted)
            return true;
    return false;
}

/* COPY of all that may be new. On a collision: back to the savepoint, look which are there, COPY
 * the rest. */
static bool insert_new(struct store *s, struct changes *c, struct err *err)
{
    for (int i = 0; any_inserted(c) && !store_copy(s->db, c, &s->scratch, err); i++) {
        struct db_rows probed;
        if (strcmp(err->state, "23505") != 0 || i == COLLISIONS_MAX)
            return false;
        if (!db_run(s->db, "ROLLBACK TO SAVEPOINT fresh", err))
            return false;
        id_params(s, c, creates);
        if (!db_query(s->db, probe_sql, &s->ids, &probed, err))
            return false;
        for (size_t k = 0; k < c->group_count; k++)
            c->groups[k].inserted = c->groups[k].creator != NULL;
        note_probed(c, &probed);
        s->probe_first = true;
    }
    return true;
}

static bool finish(struct store *s, struct changes *c, const struct store_part *parts,
                   struct err *err)
{
    struct db_call calls[8];
    size_t n = 0;
    if (update_params(s, c) > 0)
        calls[n++] = (struct db_call){.sql = s->update_rated, .params = &s->updates};
    if (c->to_park_count > 0) {
        park_params(s, c);
        calls[n++] = (struct db_call){.sql = s->park, .params = &s->parks};
    }
    if (account_params(&s->account, c, false) > 0)
        calls[n++] = (struct db_call){.sql = s->account_sql, .params = &s->account};
    if (account_params(&s->parked, c, true) > 0)
        calls[n++] = (struct db_call){.sql = s->account_parked, .params = &s->parked};
    outbox_params(s, c);
    calls[n++] = (struct db_call){.sql = s->outbox_add, .params = &s->outbox};
    struct store_mark *marks = arena_alloc(c->a, c->part_count * sizeof *marks);
    for (size_t i = 0; i < c->part_count; i++)
        marks[i] =
            (struct store_mark){c->parts[i].topic, c->parts[i].partition, parts[i].published};
    clean_params(&s->clean, marks, c->part_count);
    calls[n++] = (struct db_call){.sql = s->outbox_clean, .params = &s->clean};
    calls[n++] = (struct db_call){.sql = "COMMIT"};
    failpoint("before-commit");
    if (!db_pipe(s->db, calls, n, NULL, err))
        return false;
    failpoint("after-commit");
    return true;
}

static bool transaction(struct store *s, struct changes *c, const struct store_part *parts,
                        struct err *err)
{
    if (!ensure_partitions(s, c, err) || !begin(s, c, parts, err) || !insert_new(s, c, err) ||
        !lock_usages(s, c, err) || !take_parked(s, c, err))
        return false;
    changes_decide(c);
    changes_messages(c);
    return finish(s, c, parts, err);
}

/* Autovacuum looks once a minute, which at full speed is gigabytes of dead outbox rows. */
static void vacuum_outbox(struct store *s)
{
    struct err err;
    if (++s->batches < VACUUM_BATCHES)
        return;
    s->batches = 0;
    if (!db_run(s->db, "VACUUM (SKIP_LOCKED, TRUNCATE false) outbox", &err))
        err_clear(&err); /* a lost connection shows at the next batch */
}

bool store_batch(struct store *s, struct changes *c, const struct store_part *parts,
                 struct err *err)
{
    for (int i = 0;; i++) {
        if (transaction(s, c, parts, err)) {
            vacuum_outbox(s);
            return true;
        }
        db_rollback(s->db);
        /* 23514 without a constraint: no partition for a row, so one was dropped behind our back.
         */
        if (strcmp(err->state, "23514") != 0 || err->code != 0 || i > 0)
            return false;
        s->range_count = 0;
    }
}

bool store_clean(struct store *s, const struct store_mark *marks, size_t n, struct err *err)
{
    if (n == 0)
        return true;
    clean_params(&s->clean, marks, n);
    return db_query(s->db, s->outbox_clean, &s->clean, NULL, err);
}
