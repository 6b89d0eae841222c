/* source - PostgreSQL's side of a takeover: who owns a source partition, how far it is stored, what
 * is in its outbox. */
#pragma once

#include "base/arena.h"
#include "io/db.h"

struct source_row_outbox {
    int64_t from, to;
    struct text messages; /* in the arena; absent where only the marks are asked for */
};

/* What PostgreSQL says of one source partition. */
struct source_state {
    bool found; /* there is a row */
    int64_t stored;
    const char *cluster;
    struct source_row_outbox *outbox; /* ascending by from */
    size_t outbox_count;
};

/* Puts a fresh `owner` into the row, if there is one, and reads it with the outbox and its messages
 * (of a worker: two batches at most), in one transaction of its own. Ends a backend of ours that
 * holds the row for longer than two seconds. ERR_FATAL, as of all below, for an outbox row of a
 * format that is not ours. */
bool source_take(struct db *db, const char *topic, int partition, const unsigned char owner[16],
                 struct arena *a, struct source_state *out, struct err *err) MUST_CHECK;

/* The same without the messages. */
bool source_take_marks(struct db *db, const char *topic, int partition,
                       const unsigned char owner[16], struct arena *a, struct source_state *out,
                       struct err *err) MUST_CHECK;

/* Reads without taking, and without the messages; row and outbox are of one moment, whoever writes
 * meanwhile: the second look before a refusal. */
bool source_look(struct db *db, const char *topic, int partition, struct arena *a,
                 struct source_state *out, struct err *err) MUST_CHECK;

/* Outbox rows from `from` on, ascending, with their messages: at most SOURCE_ROWS, and SOURCE_BYTES
 * but for the first. */
enum { SOURCE_ROWS = 100, SOURCE_BYTES = 8 * 1024 * 1024 };
bool source_rows(struct db *db, const char *topic, int partition, int64_t from, struct arena *a,
                 struct source_row_outbox rows[SOURCE_ROWS], size_t *count,
                 struct err *err) MUST_CHECK;

/* The row of a first start. *inserted false: another worker was faster, begin again. */
bool source_insert(struct db *db, const char *topic, int partition, const unsigned char owner[16],
                   int64_t next, const char *cluster, bool *inserted, struct err *err) MUST_CHECK;

/* Whether any partition of this topic has a row: then a new partition starts at its beginning. */
bool source_knows_topic(struct db *db, const char *topic, bool *known, struct err *err) MUST_CHECK;

/* What became of the records of one partition so far. */
struct source_account {
    int partition;
    int64_t stored, created, duplicate;
};

/* Of a topic's partitions that have a row, ascending; in the arena. */
bool source_accounts(struct db *db, const char *topic, struct arena *a,
                     struct source_account **accounts, size_t *count, struct err *err) MUST_CHECK;

/* Ratings that wait, and how long the oldest has (seconds): for the metrics. */
bool source_parked(struct db *db, int64_t *waiting, int64_t *oldest_seconds,
                   struct err *err) MUST_CHECK;
