/* http_source - the source @http: what is written over HTTP, and what the sweep writes.
 *
 * It has no records to read, but the same two marks as an inbound partition: a row of
 * source_offset, (@http, 0), counts transactions that are stored, and Kafka's committed offset of
 * its group says how many are published. This is PostgreSQL's side; app/keeper.h is Kafka's.
 */
#pragma once

#include "base/buf.h"
#include "io/db.h"

#define HTTP_SOURCE "@http" /* no topic may have such a name */

enum { HTTP_SOURCE_NEW = 1 };

/* The last statement before COMMIT: the next number, and the messages of this transaction under it.
 * ERR_RETRY with HTTP_SOURCE_NEW in err->code while no publisher has ever been: nothing may be
 * written before a position is committed to Kafka. */
bool http_source_append(struct db *db, const struct buf *messages, struct err *err) MUST_CHECK;

/* One publisher in all processes: a lock of the session. *ours: it is held from now on, until the
 * connection ends. `silent_ms`: a holder that has asked PostgreSQL nothing for so long stands
 * still, and its session is ended. */
bool http_source_lock(struct db *db, int silent_ms, bool *ours, struct err *err) MUST_CHECK;

/* For the lock's holder: the marks contradict each other, and http_source_begin() says so in
 * all processes, until this session ends or somebody accepts. *told: they know. Lets the lock go:
 * whoever mends it asks for that. */
bool http_source_refuse(struct db *db, bool *told, struct err *err) MUST_CHECK;

/* *refused: some process says so, perhaps this session. */
bool http_source_refused(struct db *db, bool *refused, struct err *err) MUST_CHECK;

/* For the lock's holder: the marks are sound, whatever was said before, here or elsewhere. */
bool http_source_accept(struct db *db, struct err *err) MUST_CHECK;

/* The first statements of whatever is written over HTTP: BEGIN, and *may: nobody refuses. */
bool http_source_begin(struct db *db, bool *may, struct err *err) MUST_CHECK;

/* Removes the rows below `to`, whose Kafka commit is known to have succeeded. */
bool http_source_clean(struct db *db, int64_t to, struct err *err) MUST_CHECK;
