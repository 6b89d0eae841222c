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
    return ok &&
           (call.affected == 1 || err_set(err, ERR_RETRY,
                                          "source " HTTP_SOURCE " has no row yet: no process has "
                                          "committed its position to Kafka"));
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
    struct db_rows rows = {0};
    if (!db_query(db, "SELECT pg_try_advisory_lock(hashtextextended('usaged.http', 0))", NULL,
                  &rows, err))
        return false;
    *ours = rows.count == 1 && db_truth(&rows, 0, 0);
    db_rows_fini(&rows);
    return *ours || unblock(db, silent_ms, err);
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
