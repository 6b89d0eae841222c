/* http_write - with what each change over HTTP begins and ends, whatever it changes: the
 * transaction, If-Match, the number of the source @http, the words of a refusal. */
#pragma once

#include "base/buf.h"
#include "io/db.h"

/* ERR_DATA with the HTTP status in err->code and words for the client. Returns false. */
bool http_write_refuse(struct err *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Why no change is taken while @http is refused, and what to do. */
extern const char http_write_refused[];

/* BEGIN; 503 while @http is refused, in whatever process. A connection that was left alone may have
 * ended meanwhile, as all do when PostgreSQL is started again; then on a new one. */
bool http_write_begin(struct db *db, struct err *err) MUST_CHECK;

/* A header If-Match (absent: any will do) against the revision that is there: 412. */
bool http_write_matches(struct text if_match, int64_t revision, struct err *err) MUST_CHECK;

/* The next number of @http with its messages, then COMMIT. 503 while @http has no number at all. */
bool http_write_commit(struct db *db, const struct buf *messages, struct err *err) MUST_CHECK;

/* ROLLBACK. What PostgreSQL refuses as the data's fault becomes 400, without its SQL. Returns
 * false. */
bool http_write_give_up(struct db *db, struct err *err);
