#include "io/db.h"

#include <assert.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/stop.h"

enum {
    DEADLINE_MS = 20000,
    CONNECT_MS = 10000,
    IDLE_MS = 500,
    STOPPING_MS = 2000, /* what a wait may still last once the stop was asked */
    STATEMENTS_MAX = 64
};

struct db {
    struct db_options options;
    char *url, *name;
    PGconn *conn;
    bool broken; /* no answer came in time: nothing on this connection can be believed */
    const char *prepared[STATEMENTS_MAX];
    int prepared_count;
    pthread_mutex_t lock; /* of cancel, for db_cancel() from another thread */
    PGcancel *cancel;
};

static void no_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

struct db *db_new(const struct db_options *options)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        abort();
    db->options = *options;
    db->url = strdup(options->url);
    db->name = strdup(options->application_name);
    if (!db->url || !db->name)
        abort();
    if (db->options.deadline_ms == 0)
        db->options.deadline_ms = DEADLINE_MS;
    pthread_mutex_init(&db->lock, NULL);
    return db;
}

void db_close(struct db *db)
{
    pthread_mutex_lock(&db->lock);
    PQfreeCancel(db->cancel);
    db->cancel = NULL;
    pthread_mutex_unlock(&db->lock);
    PQfinish(db->conn);
    db->conn = NULL;
    db->prepared_count = 0;
    db->broken = false;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_close(db);
    pthread_mutex_destroy(&db->lock);
    free(db->url);
    free(db->name);
    free(db);
}

bool db_is_open(const struct db *db)
{
    return db->conn && !db->broken && PQstatus(db->conn) == CONNECTION_OK;
}

void db_cancel(struct db *db)
{
    char text[256];
    pthread_mutex_lock(&db->lock);
    if (db->cancel)
        PQcancel(db->cancel, text, sizeof text);
    pthread_mutex_unlock(&db->lock);
}

/* Every error of this file is one of PostgreSQL. */
static bool db_error(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool db_error(struct err *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(err, ERR_RETRY, "%s", text);
    err->part = "postgres";
    return false;
}

/* --- waiting
 * ----------------------------------------------------------------------------------------- */

struct deadline {
    int64_t begun, end, idle; /* instant_ticks() */
    bool stopping;
};

static struct deadline deadline_in(int wait_ms)
{
    int64_t now = instant_ticks();
    return (struct deadline){.begun = now, .end = now + wait_ms, .idle = now + IDLE_MS};
}

/* Waits for the socket; keeps the caller's idle work going. False: the deadline has passed. */
static bool wait_socket(struct db *db, short events, struct deadline *d, struct err *err)
{
    for (;;) {
        int64_t now = instant_ticks();
        if (!d->stopping && stop_asked()) {
            d->stopping = true;
            if (d->end > now + STOPPING_MS)
                d->end = now + STOPPING_MS;
        }
        if (now >= d->end) {
            db->broken = true;
            return db_error(err, "PostgreSQL has not answered in time");
        }
        if (now >= d->idle) {
            if (db->options.idle)
                db->options.idle(db->options.idle_arg, (int)(now - d->begun));
            now = instant_ticks();
            d->idle = now + IDLE_MS;
        }
        int64_t wait = d->end < d->idle ? d->end - now : d->idle - now;
        struct pollfd p[2] = {{.fd = PQsocket(db->conn), .events = events},
                              {.fd = d->stopping ? -1 : stop_fd(), .events = POLLIN}};
        int n = poll(p, 2, wait < 0 ? 0 : (int)wait);
        if (n > 0 && p[0].revents)
            return true;
    }
}

static bool lost(struct db *db, struct err *err)
{
    db->broken = true;
    return db_error(err, "%s", PQerrorMessage(db->conn));
}

/* Sends what is buffered, reading meanwhile so that neither side stands still with full buffers. */
static bool flush(struct db *db, struct deadline *d, struct err *err)
{
    for (;;) {
        int left = PQflush(db->conn);
        if (left < 0)
            return lost(db, err);
        if (left == 0)
            return true;
        if (!wait_socket(db, POLLIN | POLLOUT, d, err))
            return false;
        if (!PQconsumeInput(db->conn))
            return lost(db, err);
    }
}

/* The next result, NULL where libpq says NULL. */
static bool next_result(struct db *db, struct deadline *d, PGresult **result, struct err *err)
{
    while (PQisBusy(db->conn)) {
        if (!wait_socket(db, POLLIN, d, err))
            return false;
        if (!PQconsumeInput(db->conn))
            return lost(db, err);
    }
    *result = PQgetResult(db->conn);
    return true;
}

/* --- opening
 * ----------------------------------------------------------------------------------------- */

static PGconn *start(const struct db *db)
{
    char options[512];
    snprintf(
        options, sizeof options,
        "-c search_path=usaged,public -c timezone=UTC -c client_encoding=UTF8 -c datestyle=ISO "
        "-c idle_in_transaction_session_timeout=30s -c statement_timeout=%d "
        "-c default_transaction_isolation=read\\ committed%s",
        db->options.statement_timeout_ms,
        db->options.read_only ? " -c default_transaction_read_only=on" : "");
    const char *const names[] = {"dbname",
                                 "application_name",
                                 "options",
                                 "keepalives",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "target_session_attrs",
                                 NULL};
    const char *const values[] = {db->url, db->name, options,
                                  "1",     "10",     "5",
                                  "3",     "20000",  db->options.read_only ? "any" : "read-write",
                                  NULL};
    return PQconnectStartParams(names, values, 1);
}

static bool finish_start(struct db *db, struct err *err)
{
    struct deadline d = deadline_in(CONNECT_MS);
    for (;;) {
        switch (PQconnectPoll(db->conn)) {
        case PGRES_POLLING_OK:
            return true;
        case PGRES_POLLING_READING:
            if (!wait_socket(db, POLLIN, &d, err))
                return false;
            break;
        case PGRES_POLLING_WRITING:
            if (!wait_socket(db, POLLOUT, &d, err))
                return false;
            break;
        default:
            return lost(db, err);
        }
    }
}

/* A server that gives up durability for speed is the operator's choice only if it is stronger than
 * "on". */
static const char session_sql[] =
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

/* The server looks for a client that is gone; ours go on living without it after a kill. */
static const char keepalive_sql[] =
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

bool db_open(struct db *db, struct err *err)
{
    if (db_is_open(db))
        return true;
    db_close(db);
    db->conn = start(db);
    if (!db->conn)
        abort();
    PQsetNoticeReceiver(db->conn, no_notice, NULL);
    if (PQstatus(db->conn) == CONNECTION_BAD || !finish_start(db, err)) {
        if (PQstatus(db->conn) == CONNECTION_BAD)
            db_error(err, "%s", PQerrorMessage(db->conn));
        db_close(db);
        return false;
    }
    PQsetnonblocking(db->conn, 1);
    pthread_mutex_lock(&db->lock);
    db->cancel = PQgetCancel(db->conn);
    pthread_mutex_unlock(&db->lock);
    bool unix_socket = PQhost(db->conn) && PQhost(db->conn)[0] == '/';
    if ((!unix_socket && !db_run(db, keepalive_sql, err)) || !db_run(db, session_sql, err)) {
        db_close(db);
        return false;
    }
    return true;
}

/* --- statements
 * -------------------------------------------------------------------------------------- */

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
               lost(db, err);
    int number = statement_number(db, call->sql);
    char name[16];
    if (number == 0) {
        assert(db->prepared_count < STATEMENTS_MAX);
        number = db->prepared_count + 1;
        snprintf(name, sizeof name, "s%d", number);
        if (!PQsendPrepare(db->conn, name, call->sql, 0, NULL))
            return lost(db, err);
        /* Noted at once, so that the same statement twice in a pipeline is prepared once. Should
         * preparing fail, the whole connection is given up (see collect). */
        db->prepared[db->prepared_count++] = call->sql;
        *prepares = true;
    }
    snprintf(name, sizeof name, "s%d", number);
    return PQsendQueryPrepared(db->conn, name, p->count, values, p->lengths, formats, 1) ||
           lost(db, err);
}

/* The one result of a command in a pipeline and the NULL behind it. */
static bool take(struct db *db, struct deadline *d, PGresult **result, struct err *err)
{
    PGresult *end = NULL;
    if (!next_result(db, d, result, err))
        return false;
    if (!*result)
        return lost(db, err);
    if (!next_result(db, d, &end, err) || end) {
        PQclear(end);
        PQclear(*result);
        *result = NULL;
        return db->broken ? false : lost(db, err);
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
            calls[i].affected = atoi(PQcmdTuples(result));
        if (*failed == n && calls[i].rows)
            *calls[i].rows = (struct db_rows){result, PQntuples(result)};
        else
            PQclear(result);
    }
    PGresult *sync = NULL;
    if (!next_result(db, d, &sync, err))
        return false;
    bool synced = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    if (!synced)
        return lost(db, err);
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
        return lost(db, err);
    for (size_t i = 0; i < n; i++) {
        if (calls[i].rows)
            *calls[i].rows = (struct db_rows){0};
        if (!send_call(db, &calls[i], &prepares[i], err))
            return false;
    }
    struct deadline d = deadline_in(db->options.deadline_ms);
    struct err first = {0};
    if (!PQpipelineSync(db->conn))
        return lost(db, err);
    if (!flush(db, &d, err) || !collect(db, calls, n, prepares, &d, &first_failed, &first, err))
        return false;
    if (!PQexitPipelineMode(db->conn))
        return lost(db, err);
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

/* Reads results until there are no more; keeps the first error. */
static bool drain(struct db *db, struct deadline *d, struct err *err)
{
    bool ok = true;
    for (;;) {
        PGresult *result = NULL;
        struct err later;
        if (!next_result(db, d, &result, ok ? err : &later))
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
    struct deadline d = deadline_in(db->options.deadline_ms);
    if (!PQsendQuery(db->conn, sql))
        return lost(db, err);
    return flush(db, &d, err) && drain(db, &d, err);
}

bool db_copy_begin(struct db *db, const char *sql, struct err *err)
{
    if (!db_is_open(db))
        return db_error(err, "not connected to PostgreSQL");
    struct deadline d = deadline_in(db->options.deadline_ms);
    PGresult *result = NULL;
    if (!PQsendQuery(db->conn, sql))
        return lost(db, err);
    if (!flush(db, &d, err) || !next_result(db, &d, &result, err))
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
    struct deadline d = deadline_in(db->options.deadline_ms);
    for (;;) {
        int put = PQputCopyData(db->conn, bytes, (int)n);
        if (put < 0)
            return lost(db, err);
        if (put > 0)
            return flush(db, &d, err);
        if (!wait_socket(db, POLLOUT, &d, err))
            return false;
        if (PQflush(db->conn) < 0)
            return lost(db, err);
    }
}

bool db_copy_end(struct db *db, struct err *err)
{
    struct deadline d = deadline_in(db->options.deadline_ms);
    for (;;) {
        int put = PQputCopyEnd(db->conn, NULL);
        if (put < 0)
            return lost(db, err);
        if (put > 0)
            break;
        if (!wait_socket(db, POLLOUT, &d, err))
            return false;
    }
    return flush(db, &d, err) && drain(db, &d, err);
}

void db_breathe(struct db *db)
{
    if (db->options.idle)
        db->options.idle(db->options.idle_arg, 0);
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
