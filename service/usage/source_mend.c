#include "usage/source_mend.h"

#include "base/embed.h"
#include "usage/outbox.h"

static bool moved(struct err *err)
{
    return err_set(err, ERR_RETRY, "it moved meanwhile: nothing was changed, look again");
}

/* --- looking -------------------------------------------------------------------------------- */

static bool count_messages(struct text row, int64_t *count, struct err *err)
{
    struct outbox_message message;
    size_t at = 0;
    *count = 0;
    while (outbox_next(row, &at, &message, err))
        ++*count;
    return err->kind == ERR_NONE;
}

/* The next rows from known[*done] on: none of these may have gone. */
static bool count_some(struct db *db, const char *topic, int partition,
                       const struct source_state *known, size_t *done, int64_t *messages,
                       struct arena *chunk, struct err *err)
{
    struct source_row_outbox rows[SOURCE_ROWS];
    size_t n;
    if (!source_rows(db, topic, partition, known->outbox[*done].from, chunk, rows, &n, err))
        return false;
    if (n == 0)
        return moved(err);
    for (size_t i = 0; i < n && *done < known->outbox_count; i++, ++*done)
        if (rows[i].from != known->outbox[*done].from)
            return moved(err);
        else if (!count_messages(rows[i].messages, &messages[*done], err))
            return false;
    return true;
}

static bool count_all(struct db *db, const char *topic, int partition,
                      const struct source_state *known, int64_t *messages, struct err *err)
{
    struct arena *chunk = arena_new(64 * 1024);
    bool ok = true;
    for (size_t done = 0; ok && done < known->outbox_count; arena_reset(chunk))
        ok = count_some(db, topic, partition, known, &done, messages, chunk, err);
    arena_free(chunk);
    return ok;
}

static bool look(struct db *db, const char *topic, int partition, const unsigned char *owner,
                 struct arena *a, struct source_state *out, struct err *err)
{
    if (owner) /* nobody else may change it from now on */
        return source_take_marks(db, topic, partition, owner, a, out, err);
    return db_run(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) &&
           source_look(db, topic, partition, a, out, err);
}

bool source_mend_look(struct db *db, const char *topic, int partition, const unsigned char *owner,
                      struct arena *a, struct source_state *out, int64_t **messages,
                      struct err *err)
{
    bool ok = look(db, topic, partition, owner, a, out, err);
    if (ok) {
        *messages = arena_alloc(a, (out->outbox_count + 1) * sizeof **messages);
        ok = count_all(db, topic, partition, out, *messages, err);
    }
    if (!owner)
        db_rollback(db);
    return ok;
}

/* --- doing ---------------------------------------------------------------------------------- */

static void number(struct db_params *p, int64_t v)
{
    if (v < 0)
        db_param_null(p);
    else
        db_param_int8(p, v);
}

bool source_mend_begin(struct db *db, struct source_mend *m, struct err *err)
{
    struct db_params p = {0};
    struct db_rows rows = {0};
    db_param_text(&p, text_of(m->topic));
    db_param_int4(&p, m->partition);
    db_param_int8(&p, m->at);
    number(&p, m->stored_before);
    db_param_int8(&p, m->stored);
    number(&p, m->published_before);
    number(&p, m->published);
    db_param_int8(&p, (int64_t)m->given_up);
    db_param_int8(&p, m->messages_given_up);
    db_param_text(&p, text_of(m->verdict));
    db_param_text(&p, text_of(m->by));
    bool ok = db_query_once(db, embed_text(embed_sql, "mend_begin.sql"), &p, &rows, err);
    if (ok)
        m->trace = db_int8(&rows, 0, 0);
    db_rows_fini(&rows);
    db_params_fini(&p);
    return ok;
}

static void place(struct db_params *p, const struct source_mend *m)
{
    db_param_text(p, text_of(m->topic));
    db_param_int4(p, m->partition);
}

static bool move(struct db *db, const struct source_mend *m, struct db_params p[4], struct err *err)
{
    place(&p[0], m);
    db_param_int8(&p[0], m->stored);
    db_param_uuid(&p[0], m->owner);
    db_param_text(&p[0], text_of(m->cluster));
    place(&p[1], m);
    db_param_int8(&p[1], m->keep_from);
    db_param_int8(&p[1], m->keep_to);
    place(&p[2], m);
    db_param_int8(&p[2], m->keep_to);
    db_param_int8(&p[2], m->stretch ? m->stored : m->keep_to);
    db_param_int8(&p[3], m->trace);
    struct db_call calls[] = {
        {.sql = "BEGIN"},
        {.sql = "SET LOCAL lock_timeout = '10s'"},
        {.sql = embed_text(embed_sql, "mend_move.sql"), .params = &p[0]},
        {.sql = embed_text(embed_sql, "mend_outbox.sql"), .params = &p[1]},
        {.sql = "UPDATE outbox SET to_offset = $4::bigint WHERE topic = $1::text AND partition = "
                "$2::int AND to_offset = $3::bigint",
         .params = &p[2]},
        {.sql = "UPDATE offset_mend SET finished_at = now() WHERE id = $1::bigint",
         .params = &p[3]}};
    size_t n = sizeof calls / sizeof calls[0];
    if (!m->stretch) {
        calls[4] = calls[5];
        n--;
    }
    if (!db_pipe(db, calls, n, NULL, err))
        return false;
    return (calls[2].affected == 1 && calls[3].affected == (int)m->removed) || moved(err);
}

bool source_mend_move(struct db *db, const struct source_mend *m, struct err *err)
{
    struct db_params p[4] = {0};
    bool ok = move(db, m, p, err);
    for (int i = 0; i < 4; i++)
        db_params_fini(&p[i]);
    if (!ok)
        db_rollback(db);
    return ok;
}

bool source_mend_lock_http(struct db *db, bool *locked, struct err *err)
{
    struct db_rows rows = {0};
    bool ok = db_query_once(db, "SELECT pg_try_advisory_lock(hashtextextended('usaged.http', 0))",
                            NULL, &rows, err);
    if (ok)
        *locked = db_truth(&rows, 0, 0);
    db_rows_fini(&rows);
    return ok;
}
