/* read - the statements of GET. Any thread, each with a connection of its own.
 *
 * Failures are the connection's (io/db.h): SQLSTATE 57014 is the statement timeout.
 */
#pragma once

#include "io/db.h"
#include "usage/query.h"

struct read_total {
    int64_t count;
    bool estimated;
};

/* A page, newest first. The rows are the caller's to free. */
bool read_page(struct db *db, const struct query *q, struct db_rows *rows,
               struct err *err) MUST_CHECK;

/* How many match, whatever the page: counted, or, when that takes longer than `timeout_ms`, as the
 * planner guesses. `at_least` is what the caller has seen of them. */
bool read_count(struct db *db, const struct query *q, int timeout_ms, int64_t at_least,
                struct read_total *out, struct err *err) MUST_CHECK;

/* One usage: no row or one. */
bool read_usage(struct db *db, const struct usage_id *id, struct db_rows *rows,
                struct err *err) MUST_CHECK;

/* A row of the above; texts point into it. */
void read_row(const struct db_rows *rows, int row, struct render_row *out);
int64_t read_revision(const struct db_rows *rows, int row);
