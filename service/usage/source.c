#include "usage/source.h"

#include <string.h>

#include "base/embed.h"
#include "usage/outbox.h"

enum { TAKE_TRIES = 5 };

static const char outbox_sql[] =
    "SELECT from_offset, to_offset, format::int, messages FROM outbox"
    " WHERE topic = $1::text AND partition = $2::int ORDER BY from_offset";
static const char insert_sql[] =
    "INSERT INTO source_offset (topic, partition, next_offset, owner, cluster_id)"
    " VALUES ($1::text, $2::int, $4::bigint, $3::uuid, $5::text) ON CONFLICT (topic, partition) DO "
    "NOTHING";

static void place(struct db_params *p, const char *topic, int partition)
{
    db_params_reset(p);
    db_param_text(p, text_of(topic));
    db_param_int4(p, partition);
}

static bool good_format(int format, struct err *err)
{
    return format == OUTBOX_FORMAT ||
           err_set(err, ERR_FATAL,
                   "the outbox holds rows of format %d, written by another version of usaged",
                   format);
}

/* A row of (from_offset, to_offset, format, messages). */
static bool outbox_row(const struct db_rows *rows, int i, struct arena *a,
                       struct source_row_outbox *out, struct err *err)
{
    struct text messages = db_text(rows, i, 3);
    *out = (struct source_row_outbox){db_int8(rows, i, 0),
                                      db_int8(rows, i, 1),
                                      {arena_copy(a, messages.p, messages.n), messages.n}};
    return good_format(db_int4(rows, i, 2), err);
}

/* A row that begins with (next_offset, cluster_id). */
static void read_mark(const struct db_rows *rows, struct arena *a, struct source_state *out)
{
    *out = (struct source_state){.found = rows->count > 0 && !db_null(rows, 0, 0)};
    if (!out->found)
        return;
    struct text cluster = db_text(rows, 0, 1);
    out->stored = db_int8(rows, 0, 0);
    out->cluster = arena_copy(a, cluster.p, cluster.n);
}

static struct source_row_outbox *room(struct arena *a, const struct db_rows *rows)
{
    return arena_alloc(a, ((size_t)rows->count + 1) * sizeof(struct source_row_outbox));
}

static bool read_outbox(const struct db_rows *rows, struct arena *a, struct source_state *out,
                        struct err *err)
{
    out->outbox = room(a, rows);
    for (int i = 0; i < rows->count; i++)
        if (!outbox_row(rows, i, a, &out->outbox[out->outbox_count++], err))
            return false;
    return true;
}

/* Rows of source_look.sql. */
static bool read_look(const struct db_rows *rows, struct arena *a, struct source_state *out,
                      struct err *err)
{
    read_mark(rows, a, out);
    out->outbox = room(a, rows);
    for (int i = 0; i < rows->count && !db_null(rows, i, 2); i++) {
        out->outbox[out->outbox_count++] =
            (struct source_row_outbox){.from = db_int8(rows, i, 2), .to = db_int8(rows, i, 3)};
        if (!good_format(db_int4(rows, i, 4), err))
            return false;
    }
    return true;
}

/* The holder of the row is one of ours that stands still: end it. */
static bool unblock(struct db *db, struct db_params *where, struct err *err)
{
    struct err why = *err;
    db_rollback(db);
    if (!db_is_open(db) ||
        !db_query(db, embed_text(embed_sql, "source_unblock.sql"), where, NULL, err)) {
        *err = why;
        return false;
    }
    return true;
}

/* Takes the row, and asks `question` of the partition before the lock is gone. */
static bool take(struct db *db, const char *topic, int partition, const unsigned char owner[16],
                 struct db_rows *taken, const char *question, struct db_rows *answer,
                 struct err *err)
{
    struct db_params where = {0}, with_owner = {0};
    place(&where, topic, partition);
    place(&with_owner, topic, partition);
    db_param_uuid(&with_owner, owner);
    struct db_call calls[] = {
        {.sql = "BEGIN"},
        {.sql = "SET LOCAL lock_timeout = '2s'"},
        {.sql = embed_text(embed_sql, "source_take.sql"), .params = &with_owner, .rows = taken},
        {.sql = question, .params = &where, .rows = answer},
        {.sql = "COMMIT"}};
    bool ok = false;
    for (int i = 0; !ok && i < TAKE_TRIES; i++) {
        db_rows_fini(taken);
        db_rows_fini(answer);
        ok = db_pipe(db, calls, sizeof calls / sizeof calls[0], NULL, err);
        /* 55P03: lock_timeout */
        if (!ok && (strcmp(err->state, "55P03") != 0 || !unblock(db, &where, err)))
            break;
    }
    if (!ok)
        db_rollback(db);
    db_params_fini(&where);
    db_params_fini(&with_owner);
    return ok;
}

bool source_take(struct db *db, const char *topic, int partition, const unsigned char owner[16],
                 struct arena *a, struct source_state *out, struct err *err)
{
    struct db_rows taken = {0}, outbox = {0};
    bool ok = take(db, topic, partition, owner, &taken, outbox_sql, &outbox, err);
    if (ok) {
        read_mark(&taken, a, out);
        ok = read_outbox(&outbox, a, out, err);
    }
    db_rows_fini(&taken);
    db_rows_fini(&outbox);
    return ok;
}

bool source_take_marks(struct db *db, const char *topic, int partition,
                       const unsigned char owner[16], struct arena *a, struct source_state *out,
                       struct err *err)
{
    struct db_rows taken = {0}, rows = {0};
    bool ok = take(db, topic, partition, owner, &taken, embed_text(embed_sql, "source_look.sql"),
                   &rows, err) &&
              read_look(&rows, a, out, err);
    db_rows_fini(&taken);
    db_rows_fini(&rows);
    return ok;
}

bool source_look(struct db *db, const char *topic, int partition, struct arena *a,
                 struct source_state *out, struct err *err)
{
    struct db_params where = {0};
    struct db_rows rows = {0};
    place(&where, topic, partition);
    bool ok = db_query(db, embed_text(embed_sql, "source_look.sql"), &where, &rows, err) &&
              read_look(&rows, a, out, err);
    db_rows_fini(&rows);
    db_params_fini(&where);
    return ok;
}

bool source_rows(struct db *db, const char *topic, int partition, int64_t from, struct arena *a,
                 struct source_row_outbox out[SOURCE_ROWS], size_t *count, struct err *err)
{
    struct db_params p = {0};
    struct db_rows rows = {0};
    place(&p, topic, partition);
    db_param_int8(&p, from);
    db_param_int4(&p, SOURCE_ROWS);
    db_param_int8(&p, SOURCE_BYTES);
    bool ok = db_query(db, embed_text(embed_sql, "source_rows.sql"), &p, &rows, err);
    *count = 0;
    for (int i = 0; ok && i < rows.count; i++)
        ok = outbox_row(&rows, i, a, &out[(*count)++], err);
    db_rows_fini(&rows);
    db_params_fini(&p);
    return ok;
}

bool source_insert(struct db *db, const char *topic, int partition, const unsigned char owner[16],
                   int64_t next, const char *cluster, bool *inserted, struct err *err)
{
    struct db_params p = {0};
    place(&p, topic, partition);
    db_param_uuid(&p, owner);
    db_param_int8(&p, next);
    db_param_text(&p, text_of(cluster));
    struct db_call call = {.sql = insert_sql, .params = &p};
    bool ok = db_pipe(db, &call, 1, NULL, err);
    *inserted = ok && call.affected == 1;
    db_params_fini(&p);
    return ok;
}

bool source_knows_topic(struct db *db, const char *topic, bool *known, struct err *err)
{
    struct db_params p = {0};
    struct db_rows rows = {0};
    db_param_text(&p, text_of(topic));
    bool ok =
        db_query(db, "SELECT 1 FROM source_offset WHERE topic = $1::text LIMIT 1", &p, &rows, err);
    *known = ok && rows.count > 0;
    db_rows_fini(&rows);
    db_params_fini(&p);
    return ok;
}

bool source_accounts(struct db *db, const char *topic, struct arena *a,
                     struct source_account **accounts, size_t *count, struct err *err)
{
    struct db_params p = {0};
    struct db_rows rows = {0};
    db_param_text(&p, text_of(topic));
    bool ok = db_query(db, embed_text(embed_sql, "source_account.sql"), &p, &rows, err);
    *count = ok ? (size_t)rows.count : 0;
    struct source_account *made = arena_alloc(a, (*count + 1) * sizeof *made);
    for (int i = 0; ok && i < rows.count; i++)
        made[i] = (struct source_account){.partition = db_int4(&rows, i, 0),
                                          .stored = db_int8(&rows, i, 1),
                                          .created = db_int8(&rows, i, 2),
                                          .duplicate = db_int8(&rows, i, 3)};
    *accounts = made;
    db_rows_fini(&rows);
    db_params_fini(&p);
    return ok;
}

/* The account says how many wait, whatever their number; the oldest stands first in its index. */
static const char parked_sql[] =
    "SELECT (SELECT coalesce(sum(records), 0) FROM source_outcome WHERE outcome = 'parked')::bigint"
    " - (SELECT coalesce(sum(records), 0) FROM parked_outcome)::bigint,"
    " coalesce((SELECT extract(epoch FROM now() - parked_at) FROM parked_rating ORDER BY parked_by"
    " LIMIT 1), 0)::bigint";

bool source_parked(struct db *db, int64_t *waiting, int64_t *oldest_seconds, struct err *err)
{
    struct db_rows rows = {0};
    bool ok = db_query(db, parked_sql, NULL, &rows, err);
    if (ok) {
        int64_t count = db_int8(&rows, 0, 0);
        *waiting =
            count > 0 ? count : 0; /* rows that an operator took out are not in the account */
        *oldest_seconds = db_int8(&rows, 0, 1);
    }
    db_rows_fini(&rows);
    return ok;
}
