/* Statements, pipelines, results and COPY of db.h. */
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/db_parts.h"

/* --- one statement, and a pipeline of them --- */

static bool refused(const PGresult *result, struct err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    db_error(err, "%s%s%s", text ? text : PQresultErrorMessage(result),
             constraint ? ", constraint " : "", constraint ? constraint : "");
    snprintf(err->state, sizeof err->state, "%s", state ? state : "");
    err->code = constraint != NULL;
    return false;
}

static bool succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* 0: not prepared on this connection yet. */
static int statement_number(const struct db *db, const char *sql)
{
    for (int i = 0; i < db->prepared_count; i++)
        if (db->prepared[i] == sql)
            return i + 1;
    return 0;
}

static bool send_call(struct db *db, const struct db_call *call, bool *prepares, struct err *err)
{
    static struct db_params none;
    const struct db_params *p = call->params ? call->params : &none;
    const char *values[DB_PARAMS_MAX];
    int formats[DB_PARAMS_MAX];
    for (int i = 0; i < p->count; i++) {
        if (p->lengths[i] < 0)
            values[i] = NULL;
        else if (p->borrowed[i])
            values[i] = p->borrowed[i];
        else
            values[i] = p->bytes.len ? p->bytes.data + p->starts[i] : "";
        formats[i] = 1;
    }
    *prepares = false;
    if (call->once)
        return PQsendQueryParams(db->conn, call->sql, p->count, NULL, values, p->lengths, formats,
                                 1) ||
               db_lost(db, err);
    int number = statement_number(db, call->sql);
    char name[16];
    if (number == 0) {
        assert(db->prepared_count < DB_STATEMENTS_MAX);
        number = db->prepared_count + 1;
        snprintf(name, sizeof name, "s%d", number);
        if (!PQsendPrepare(db->conn, name, call->sql, 0, NULL))
            return db_lost(db, err);
        /* Noted at once, so that the same statement twice in a pipeline is prepared once. Should
         * preparing fail, the whole connection is given up (see collect). */
        db->prepared[db->prepared_count++] = call->sql;
        *prepares = true;
    }
    snprintf(name, sizeof name, "s%d", number);
    return PQsendQueryPrepared(db->conn, name, p->count, values, p->lengths, formats, 1) ||
           db_lost(db, err);
}

/* The one result of a command in a pipeline and the NULL behind it. */
static bool take(struct db *db, struct deadline *d, PGresult **result, struct err *err)
{
    PGresult *end = NULL;
    if (!db_next_result(db, d, result, err))
        return false;
    if (!*result)
        return db_lost(db, err);
    if (!db_next_result(db, d, &end, err) || end) {
        PQclear(end);
        PQclear(*result);
        *result = NULL;
        return db->broken ? false : db_lost(db, err);
    }
    return true;
}

/* Reads the answers; keeps the first error. False only when the connection is lost. */
static bool collect(struct db *db, struct db_call *calls, size_t n, const bool *prepares,
                    struct deadline *d, size_t *failed, struct err *first, struct err *err)
{
    *failed = n;
    int known = db->prepared_count;
    for (size_t i = 0; i < n; i++)
        known -= prepares[i];
    for (size_t i = 0; i < n; i++) {
        PGresult *result = NULL;
        if (prepares[i]) {
            if (!take(db, d, &result, err))
                return false;
            if (succeeded(result)) {
                known++;
            } else if (*failed == n) {
                *failed = i;
                refused(result, first);
            }
            PQclear(result);
        }
        if (!take(db, d, &result, err))
            return false;
        if (!succeeded(result) && *failed == n) {
            *failed = i;
            refused(result, first);
        }
        if (*failed == n)
            calls[i].affected = (int)strtol(PQcmdTuples(result), NULL, 10);
        if (*failed == n && calls[i].rows)
            *calls[i].rows = (struct db_rows){result, PQntuples(result)};
        else
            PQclear(result);
    }
    PGresult *sync = NULL;
    if (!db_next_result(db, d, &sync, err))
        return false;
    bool synced = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    if (!synced)
        return db_lost(db, err);
    /* Those behind an error were not prepared; those before it outlive the rollback. */
    db->prepared_count = known;
    return true;
}

bool db_pipe(struct db *db, struct db_call *calls, size_t n, size_t *failed, struct err *err)
{
    bool prepares[64];
    size_t first_failed = 0;
    assert(n <= sizeof prepares / sizeof prepares[0]);
    if (failed)
        *failed = 0;
    if (!db_is_open(db))
        return db_error(err, "not connected to PostgreSQL");
    if (!PQenterPipelineMode(db->conn))
        return db_lost(db, err);
    for (size_t i = 0; i < n; i++) {
        if (calls[i].rows)
            *calls[i].rows = (struct db_rows){0};
        if (!send_call(db, &calls[i], &prepares[i], err))
            return false;
    }
    struct deadline d = db_deadline_in(db->options.deadline_ms);
    struct err first = {0};
    if (!PQpipelineSync(db->conn))
        return db_lost(db, err);
    if (!db_flush(db, &d, err) || !collect(db, calls, n, prepares, &d, &first_failed, &first, err))
        return false;
    if (!PQexitPipelineMode(db->conn))
        return db_lost(db, err);
    if (failed)
        *failed = first_failed;
    if (first_failed < n) {
        *err = first;
        return false;
    }
    return true;
}

bool db_query(struct db *db, const char *sql, struct db_params *params, struct db_rows *rows,
              struct err *err)
{
    struct db_call call = {.sql = sql, .params = params, .rows = rows};
    return db_pipe(db, &call, 1, NULL, err);
}

bool db_query_once(struct db *db, const char *sql, struct db_params *params, struct db_rows *rows,
                   struct err *err)
{
    struct db_call call = {.sql = sql, .params = params, .rows = rows, .once = true};
    return db_pipe(db, &call, 1, NULL, err);
}

/* --- several statements, COPY --- */

/* Reads results until there are no more; keeps the first error. */
static bool drain(struct db *db, struct deadline *d, struct err *err)
{
    bool ok = true;
    for (;;) {
        PGresult *result = NULL;
        struct err later;
        if (!db_next_result(db, d, &result, ok ? err : &later))
            return false;
        if (!result)
            return ok;
        if (ok && !succeeded(result))
            ok = refused(result, err);
        PQclear(result);
    }
}

bool db_run(struct db *db, const char *sql, struct err *err)
{
    if (!db_is_open(db))
        return db_error(err, "not connected to PostgreSQL");
    struct deadline d = db_deadline_in(db->options.deadline_ms);
    if (!PQsendQuery(db->conn, sql))
        return db_lost(db, err);
    return db_flush(db, &d, err) && drain(db, &d, err);
}

bool db_copy_begin(struct db *db, const char *sql, struct err *err)
{
    if (!db_is_open(db))
        return db_error(err, "not connected to PostgreSQL");
    struct deadline d = db_deadline_in(db->options.deadline_ms);
    PGresult *result = NULL;
    if (!PQsendQuery(db->conn, sql))
        return db_lost(db, err);
    if (!db_flush(db, &d, err) || !db_next_result(db, &d, &result, err))
        return false;
    bool ok = PQresultStatus(result) == PGRES_COPY_IN;
    if (!ok)
        refused(result, err);
    PQclear(result);
    struct err later;
    return ok || (drain(db, &d, &later) && false);
}

bool db_copy_put(struct db *db, const void *bytes, size_t n, struct err *err)
{
    struct deadline d = db_deadline_in(db->options.deadline_ms);
    for (;;) {
        int put = PQputCopyData(db->conn, bytes, (int)n);
        if (put < 0)
            return db_lost(db, err);
        if (put > 0)
            return db_flush(db, &d, err);
        if (!db_wait_socket(db, POLLOUT, &d, err))
            return false;
        if (PQflush(db->conn) < 0)
            return db_lost(db, err);
    }
}

bool db_copy_end(struct db *db, struct err *err)
{
    struct deadline d = db_deadline_in(db->options.deadline_ms);
    for (;;) {
        int put = PQputCopyEnd(db->conn, NULL);
        if (put < 0)
            return db_lost(db, err);
        if (put > 0)
            break;
        if (!db_wait_socket(db, POLLOUT, &d, err))
            return false;
    }
    return db_flush(db, &d, err) && drain(db, &d, err);
}

void db_rollback(struct db *db)
{
    struct err err;
    if (!db->conn)
        return;
    bool usable = db_is_open(db) && PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF &&
                  PQtransactionStatus(db->conn) != PQTRANS_ACTIVE;
    bool idle = usable && PQtransactionStatus(db->conn) == PQTRANS_IDLE;
    if (!usable || (!idle && !db_run(db, "ROLLBACK", &err)))
        db_close(db);
}
