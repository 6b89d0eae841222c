/* db - one PostgreSQL connection: non-blocking underneath, every wait has a deadline and sees the
 * stop.
 *
 * A handle belongs to one thread. All errors are ERR_RETRY with the SQLSTATE in err->state ("" when
 * the connection itself failed); what to do about which state is the caller's business. After an
 * error inside a transaction the caller rolls back; after a lost connection or a deadline the
 * handle is closed, and db_open() makes it anew.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

struct db;

struct db_options {
    const char *url;              /* libpq URI or conninfo, several hosts allowed */
    const char *application_name; /* "usaged/<instance.id>" */
    int deadline_ms;              /* of one wait; 0: 20,000 */
    int statement_timeout_ms;     /* 0: none */
    bool read_only;               /* default_transaction_read_only, and a standby will do */
    /* Called about every 500 ms while one wait lasts longer than that, with how long it has lasted;
     * may be NULL. */
    void (*idle)(void *arg, int waited_ms);
    void *idle_arg;
};

struct db *db_new(const struct db_options *options); /* copies the options; does not connect */
void db_free(struct db *db);

/* Connects unless connected; sets the session (search_path usaged, time zone UTC, keepalives, ...)
 * and refuses a server that is read-only, trying the next host, unless the handle is. */
bool db_open(struct db *db, struct err *err) MUST_CHECK;
void db_close(struct db *db);
bool db_is_open(const struct db *db);
int db_statement_timeout_ms(const struct db *db); /* 0: none */

/* Parameters of one statement, in binary form. Reusable after db_params_reset(). */
enum { DB_PARAMS_MAX = 24 };

struct db_params {
    struct buf bytes;
    int count;
    size_t starts[DB_PARAMS_MAX];
    int lengths[DB_PARAMS_MAX];          /* -1: NULL */
    const void *borrowed[DB_PARAMS_MAX]; /* not NULL: the bytes stand there */
};

void db_params_reset(struct db_params *p);
void db_params_fini(struct db_params *p);
void db_param_null(struct db_params *p);
void db_param_text(struct db_params *p, struct text t);                /* text; absent is NULL */
void db_param_bytes(struct db_params *p, const void *bytes, size_t n); /* bytea */
void db_param_borrow(struct db_params *p, const void *bytes,
                     size_t n); /* bytea that is not copied: it must stay until the call is done */
void db_param_int4(struct db_params *p, int32_t v);
void db_param_int8(struct db_params *p, int64_t v);
void db_param_truth(struct db_params *p, bool v);
void db_param_uuid(struct db_params *p, const unsigned char bytes[16]);
void db_param_time(struct db_params *p, int64_t ms); /* timestamptz */

/* An array parameter: begin, then exactly `n` elements with the functions below, then end. */
enum db_element {
    DB_INT4 = 23,
    DB_INT8 = 20,
    DB_TEXT = 25,
    DB_BYTES = 17,
    DB_UUID = 2950,
    DB_TIME = 1184
};
void db_array_begin(struct db_params *p, enum db_element type, size_t n);
void db_array_null(struct db_params *p);
void db_array_text(struct db_params *p, struct text t); /* absent is NULL */
void db_array_bytes(struct db_params *p, const void *bytes, size_t n);
void db_array_int4(struct db_params *p, int32_t v);
void db_array_int8(struct db_params *p, int64_t v);
void db_array_uuid(struct db_params *p, const unsigned char bytes[16]);
void db_array_time(struct db_params *p, int64_t ms);
void db_array_end(struct db_params *p);

/* A result, binary; texts point into it. db_rows_fini() frees it. */
struct db_rows {
    void *result;
    int count;
};

void db_rows_fini(struct db_rows *rows);
bool db_null(const struct db_rows *rows, int row, int column);
struct text db_text(const struct db_rows *rows, int row,
                    int column); /* text, bytea; NULL is absent */
int32_t db_int4(const struct db_rows *rows, int row, int column);
int64_t db_int8(const struct db_rows *rows, int row, int column);
bool db_truth(const struct db_rows *rows, int row, int column);
const unsigned char *db_uuid(const struct db_rows *rows, int row, int column);
int64_t db_time(const struct db_rows *rows, int row, int column); /* ms since 1970 */

/* One statement of a pipeline. */
struct db_call {
    const char *sql; /* a literal: prepared once per connection, found again by its address */
    struct db_params *params; /* NULL: none */
    struct db_rows *rows;     /* NULL: the result is not wanted */
    bool once;                /* not worth preparing (or built at run time) */
    int affected;             /* out: rows that the command changed */
};

/* Sends all, then reads all: one round trip. At the first error the rest did not happen; *failed
 * (may be NULL) is its index. Rows of calls that succeeded before are kept. */
bool db_pipe(struct db *db, struct db_call *calls, size_t n, size_t *failed,
             struct err *err) MUST_CHECK;

/* One statement. `rows` may be NULL. */
bool db_query(struct db *db, const char *sql, struct db_params *params, struct db_rows *rows,
              struct err *err) MUST_CHECK;

/* The same without preparing. */
bool db_query_once(struct db *db, const char *sql, struct db_params *params, struct db_rows *rows,
                   struct err *err) MUST_CHECK;

/* SQL without parameters, several statements allowed; results are dropped. */
bool db_run(struct db *db, const char *sql, struct err *err) MUST_CHECK;

/* COPY ... FROM STDIN (FORMAT binary): put whole chunks (header and trailer are the caller's), then
 * end. */
bool db_copy_begin(struct db *db, const char *sql, struct err *err) MUST_CHECK;
bool db_copy_put(struct db *db, const void *bytes, size_t n, struct err *err) MUST_CHECK;
bool db_copy_end(struct db *db, struct err *err) MUST_CHECK;

/* What a long wait does every 500 ms: for callers that ask many short questions in a row. */
void db_breathe(struct db *db);

/* Leaves the open transaction, if any; closes the connection when even that fails. */
void db_rollback(struct db *db);
