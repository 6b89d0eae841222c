/* read - the statements of GET. Any thread, each with a connection of its own.
 *
 * Failures are the connection's (io/db.h): SQLSTATE 57014 is the statement timeout. The only other
 * one is ERR_DATA with code 400: a regular expression that PostgreSQL does not take.
 */
#pragma once

#include "io/db.h"
#include "usage/query.h"
#include "usage/specification.h"

enum { READ_PAGE_BYTES = 8 * 1024 * 1024 };

/* Rows of one collection, in the query's order. Its documents, descriptions and ratings have
 * READ_PAGE_BYTES together, but for its last row: so it may have fewer rows than were asked for,
 * and no client's `limit` decides about our memory. */
struct read_page {
    const struct query *query;
    struct db_rows rows;
    int count;   /* of the page; there may be a row more */
    bool more;   /* rows behind the page; of a page before a token, in front of it */
    bool turned; /* the rows are the other way round */
};

/* The page that the query asks for. The caller frees it, whatever came out. */
bool read_page(struct db *db, const struct query *q, struct read_page *out,
               struct err *err) MUST_CHECK;
void read_page_fini(struct read_page *page);

/* A row's place in the order, for a token; texts point into the rows or the arena. */
struct query_token read_page_token(const struct read_page *page, int i, int64_t position,
                                   struct arena *a);

struct read_total {
    int64_t count;
    bool estimated;
};

/* How many match, whatever the page: counted, or, when that takes longer than `timeout_ms`, as the
 * planner guesses. `at_least` is what the caller has seen of them. */
bool read_count(struct db *db, const struct query *q, int timeout_ms, int64_t at_least,
                struct read_total *out, struct err *err) MUST_CHECK;

/* One of them by its id: no row or one, the caller's to free. */
bool read_usage(struct db *db, const struct usage_id *id, struct db_rows *rows,
                struct err *err) MUST_CHECK;
bool read_specification(struct db *db, struct text id, struct db_rows *rows,
                        struct err *err) MUST_CHECK;

/* A row of the above as JSON; `i` counts in the order of the page. Nothing is built on the way. */
void read_render(const struct read_page *page, int i, const char *base_url, struct buf *b);
void read_render_csv(const struct read_page *page, int i, const char *base_url,
                     struct buf *b); /* of usages only: a line of usage/render_csv.h */
void read_render_usage(const struct db_rows *rows, const char *base_url,
                       const struct render_fields *fields, struct buf *b);
void read_render_specification(const struct db_rows *rows, const char *base_url,
                               const struct render_fields *fields, struct buf *b);
int64_t read_revision(const struct db_rows *rows); /* of the one */
