#include "usage/source_mend.h"

#include "base/embed.h"

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
    return (calls[2].affected == 1 && calls[3].affected == (int)m->removed) ||
           err_set(err, ERR_RETRY, "it moved meanwhile: nothing was changed, look again");
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
