#include "usage/http_source.h"

#include "base/embed.h"
#include "usage/outbox.h"

bool http_source_append(struct db *db, const struct buf *messages, struct err *err)
{
    struct db_params p = {0};
    db_param_int4(&p, OUTBOX_FORMAT);
    db_param_borrow(&p, messages->data, messages->len);
    struct db_call call = {.sql = embed_text(embed_sql, "http_append.sql"), .params = &p};
    bool ok = db_pipe(db, &call, 1, NULL, err);
    db_params_fini(&p);
    if (!ok || call.affected == 1)
        return ok;
    err_set(err, ERR_RETRY,
            "source " HTTP_SOURCE
            " has no row yet: no process has committed its position to Kafka");
    err->code = HTTP_SOURCE_NEW;
    return false;
}

static bool ask(struct db *db, const char *sql, bool *answer, struct err *err)
{
    struct db_rows rows = {0};
    bool ok = db_query(db, sql, NULL, &rows, err);
    *answer = ok && db_truth(&rows, 0, 0);
    db_rows_fini(&rows);
    return ok;
}

static bool unblock(struct db *db, int silent_ms, struct err *err)
{
    struct db_params p = {0};
    db_param_int4(&p, silent_ms);
    bool ok = db_query(db, embed_text(embed_sql, "http_unblock.sql"), &p, NULL, err);
    db_params_fini(&p);
    return ok;
}

bool http_source_lock(struct db *db, int silent_ms, bool *ours, struct err *err)
{
    return ask(db, "SELECT pg_try_advisory_lock(hashtextextended('usaged.http', 0))", ours, err) &&
           (*ours || unblock(db, silent_ms, err));
}

bool http_source_refused(struct db *db, bool *refused, struct err *err)
{
    return ask(db, embed_text(embed_sql, "http_refused.sql"), refused, err);
}

/* The lock is taken once: each time would want an unlock of its own. */
bool http_source_refuse(struct db *db, bool *told, struct err *err)
{
    bool held;
    return http_source_refused(db, told, err) &&
           (*told ||
            ask(db, "SELECT pg_try_advisory_lock(hashtextextended('usaged.http.refused', 0))", told,
                err)) &&
           ask(db, "SELECT pg_advisory_unlock(hashtextextended('usaged.http', 0))", &held, err);
}

bool http_source_accept(struct db *db, struct err *err)
{
    return db_query(db, embed_text(embed_sql, "http_accept.sql"), NULL, NULL, err);
}

bool http_source_begin(struct db *db, bool *may, struct err *err)
{
    struct db_rows rows = {0};
    struct db_call calls[] = {
        {.sql = "BEGIN"},
        {.sql = "SELECT pg_try_advisory_xact_lock_shared(hashtextextended('usaged.http.refused', "
                "0))",
         .rows = &rows}};
    bool ok = db_pipe(db, calls, 2, NULL, err);
    *may = ok && db_truth(&rows, 0, 0);
    db_rows_fini(&rows);
    return ok;
}

bool http_source_clean(struct db *db, int64_t to, struct err *err)
{
    struct db_params p = {0};
    db_param_int8(&p, to);
    bool ok =
        db_query(db,
                 "DELETE FROM outbox WHERE (topic, partition) = ('@http', 0) AND to_offset <= "
                 "$1::bigint",
                 &p, NULL, err);
    db_params_fini(&p);
    return ok;
}
