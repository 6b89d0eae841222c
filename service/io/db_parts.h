/* db_parts - what the files of db share: the handle, and waiting on its socket. Private to db*.c.
 */
#pragma once

#include <libpq-fe.h>
#include <pthread.h>

#include "io/db.h"

enum { DB_STATEMENTS_MAX = 64 };

struct db {
    struct db_options options;
    char *url, *name;
    PGconn *conn;
    bool broken; /* no answer came in time: nothing on this connection can be believed */
    const char *prepared[DB_STATEMENTS_MAX];
    int prepared_count;
};

/* Every error is one of PostgreSQL; returns false. */
bool db_error(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The connection is of no use any more: the text is libpq's; returns false. */
bool db_lost(struct db *db, struct err *err);

struct deadline {
    int64_t begun, end, idle; /* instant_ticks() */
    bool stopping;
};

struct deadline db_deadline_in(int wait_ms);

/* Waits for the socket (events of poll()); keeps the caller's idle work going. False: the deadline
 * has passed. */
bool db_wait_socket(struct db *db, short events, struct deadline *d, struct err *err);

/* Sends what is buffered, reading meanwhile so that neither side stands still with full buffers. */
bool db_flush(struct db *db, struct deadline *d, struct err *err);

/* The next result, NULL where libpq says NULL. */
bool db_next_result(struct db *db, struct deadline *d, PGresult **result, struct err *err);
