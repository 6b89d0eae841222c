/* source_mend - PostgreSQL's side of `usaged offsets --mend`: the marks, the outbox and the trace.
 */
#pragma once

#include "usage/source.h"

struct source_mend {
    const char *topic;
    int partition;
    const unsigned char *owner; /* 16 bytes, put there by source_mend_look() */
    const char *cluster;        /* the row's afterwards */
    int64_t at;
    int64_t stored_before, published_before; /* -1: none */
    int64_t stored, published;               /* afterwards; published -1: not touched */
    int64_t keep_from, keep_to;              /* outbox rows within stay .. */
    bool stretch;                            /* .. and the last of them then reaches to `stored` */
    size_t removed, given_up;                /* rows */
    int64_t messages_given_up;
    const char *verdict, *by;
    int64_t trace; /* set by source_mend_begin() */
};

/* The marks and the outbox without the messages, and how many messages each of its rows has (both
 * arrays in the arena): of one moment. Takes the row before, as a takeover does, if `owner` is not
 * NULL. Of the messages never more than source_rows() gives is in memory. ERR_RETRY when it moved
 * meanwhile, though it is ours. */
bool source_mend_look(struct db *db, const char *topic, int partition, const unsigned char *owner,
                      struct arena *a, struct source_state *out, int64_t **messages,
                      struct err *err) MUST_CHECK;

/* Writes the trace, in a transaction of its own: it is there whatever happens next. */
bool source_mend_begin(struct db *db, struct source_mend *m, struct err *err) MUST_CHECK;

/* Does all that PostgreSQL has to do, and leaves the transaction open: the caller commits it, or
 * rolls back. ERR_RETRY when the row is no longer ours, or the outbox is not what it was. */
bool source_mend_move(struct db *db, const struct source_mend *m, struct err *err) MUST_CHECK;

/* The lock of whoever publishes what is written over HTTP, for this session. */
bool source_mend_lock_http(struct db *db, bool *locked, struct err *err) MUST_CHECK;
