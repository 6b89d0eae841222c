#include "usage/source.h"

#include <string.h>

#include "base/embed.h"
#include "usage/outbox.h"

enum { TAKE_TRIES = 5 };

static const char outbox_sql[] =
    "SELECT from_offset, to_offset, format::int, messages FROM outbox"
    " WHERE topic = $1::text AND partition = $2::int ORDER BY from_offset";
static const char look_sql[] = "SELECT next_offset, cluster_id FROM source_offset WHERE topic = "
                               "$1::text AND partition = $2::int";
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

bool source_outbox_row(const struct db_rows *rows, int i, struct arena *a,
                       struct source_row_outbox *out, struct err *err)
{
    struct text messages = db_text(rows, i, 3);
    if (db_int4(rows, i, 2) != OUTBOX_FORMAT)
        return err_set(err, ERR_FATAL,
                       "the outbox holds rows of format %d, written by another version of usaged",
                       db_int4(rows, i, 2));
    *out = (struct source_row_outbox){db_int8(rows, i, 0),
                                      db_int8(rows, i, 1),
                                      {arena_copy(a, messages.p, messages.n), messages.n}};
    return true;
}

static bool read_state(const struct db_rows *row, const struct db_rows *outbox, struct arena *a,
                       struct source_state *out, struct err *err)
{
    *out = (struct source_state){.found = row->count > 0};
    if (out->found) {
        struct text cluster = db_text(row, 0, 1);
        out->stored = db_int8(row, 0, 0);
        out->cluster = arena_copy(a, cluster.p, cluster.n);
    }
    out->outbox_count = (size_t)outbox->count;
    out->outbox = arena_alloc(a, (out->outbox_count + 1) * sizeof *out->outbox);
    for (int i = 0; i < outbox->count; i++)
        if (!source_outbox_row(outbox, i, a, &out->outbox[i], err))
            return false;
    return true;
}

static bool read_both(struct db *db, struct db_call *calls, size_t n, struct arena *a,
                      struct source_state *out, struct err *err)
{
    struct db_rows row = {0}, outbox = {0};
    for (size_t i = 0; i < n; i++) {
        if (calls[i].sql == outbox_sql)
            calls[i].rows = &outbox;
        else if (calls[i].params)
            calls[i].rows = &row;
    }
    bool ok = db_pipe(db, calls, n, NULL, err) && read_state(&row, &outbox, a, out, err);
    db_rows_fini(&row);
    db_rows_fini(&outbox);
    return ok;
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

bool source_take(struct db *db, const char *topic, int partition, const unsigned char owner[16],
                 struct arena *a, struct source_state *out, struct err *err)
{
    struct db_params where = {0}, take = {0};
    place(&where, topic, partition);
    place(&take, topic, partition);
    db_param_uuid(&take, owner);
    bool ok = false;
    for (int i = 0; !ok && i < TAKE_TRIES; i++) {
        struct db_call calls[] = {
            {.sql = "BEGIN"},
            {.sql = "SET LOCAL lock_timeout = '2s'"},
            {.sql = embed_text(embed_sql, "source_take.sql"), .params = &take},
            {.sql = outbox_sql, .params = &where},
            {.sql = "COMMIT"}};
        ok = read_both(db, calls, sizeof calls / sizeof calls[0], a, out, err);
        /* 55P03: lock_timeout */
        if (!ok && (strcmp(err->state, "55P03") != 0 || !unblock(db, &where, err)))
            break;
    }
    if (!ok)
        db_rollback(db);
    db_params_fini(&where);
    db_params_fini(&take);
    return ok;
}

bool source_look(struct db *db, const char *topic, int partition, struct arena *a,
                 struct source_state *out, struct err *err)
{
    struct db_params where = {0};
    place(&where, topic, partition);
    struct db_call calls[] = {{.sql = look_sql, .params = &where},
                              {.sql = outbox_sql, .params = &where}};
    bool ok = read_both(db, calls, 2, a, out, err);
    db_params_fini(&where);
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
