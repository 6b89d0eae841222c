#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/stop.h"
#include "io/db_parts.h"

enum {
    DEADLINE_MS = 20000,
    CONNECT_MS = 10000,
    IDLE_MS = 500,
    STOPPING_MS = 2000 /* what a wait may still last once the stop was asked */
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
    return db;
}

void db_close(struct db *db)
{
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
    free(db->url);
    free(db->name);
    free(db);
}

bool db_is_open(const struct db *db)
{
    return db->conn && !db->broken && PQstatus(db->conn) == CONNECTION_OK;
}

int db_statement_timeout_ms(const struct db *db)
{
    return db->options.statement_timeout_ms;
}

bool db_error(struct err *err, const char *format, ...)
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

/* --- waiting --- */

struct deadline db_deadline_in(int wait_ms)
{
    int64_t now = instant_ticks();
    return (struct deadline){.begun = now, .end = now + wait_ms, .idle = now + IDLE_MS};
}

bool db_wait_socket(struct db *db, short events, struct deadline *d, struct err *err)
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

bool db_lost(struct db *db, struct err *err)
{
    db->broken = true;
    return db_error(err, "%s", PQerrorMessage(db->conn));
}

bool db_flush(struct db *db, struct deadline *d, struct err *err)
{
    for (;;) {
        int left = PQflush(db->conn);
        if (left < 0)
            return db_lost(db, err);
        if (left == 0)
            return true;
        if (!db_wait_socket(db, POLLIN | POLLOUT, d, err))
            return false;
        if (!PQconsumeInput(db->conn))
            return db_lost(db, err);
    }
}

bool db_next_result(struct db *db, struct deadline *d, PGresult **result, struct err *err)
{
    while (PQisBusy(db->conn)) {
        if (!db_wait_socket(db, POLLIN, d, err))
            return false;
        if (!PQconsumeInput(db->conn))
            return db_lost(db, err);
    }
    *result = PQgetResult(db->conn);
    return true;
}

void db_breathe(struct db *db)
{
    if (db->options.idle)
        db->options.idle(db->options.idle_arg, 0);
}

/* --- opening --- */

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
    struct deadline d = db_deadline_in(CONNECT_MS);
    for (;;) {
        switch (PQconnectPoll(db->conn)) {
        case PGRES_POLLING_OK:
            return true;
        case PGRES_POLLING_READING:
            if (!db_wait_socket(db, POLLIN, &d, err))
                return false;
            break;
        case PGRES_POLLING_WRITING:
            if (!db_wait_socket(db, POLLOUT, &d, err))
                return false;
            break;
        default:
            return db_lost(db, err);
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
    bool unix_socket = PQhost(db->conn) && PQhost(db->conn)[0] == '/';
    if ((!unix_socket && !db_run(db, keepalive_sql, err)) || !db_run(db, session_sql, err)) {
        db_close(db);
        return false;
    }
    return true;
}
