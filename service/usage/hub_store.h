/* hub_store - listeners of the hub and their places in the outbound topics, in PostgreSQL
 * (migrations/0006_hub.sql). Each call is one transaction; ERR_RETRY is the database's.
 */
#pragma once

#include "io/db.h"
#include "usage/usage.h"

struct hub_listener {
    struct usage_id id;
    struct text callback, query; /* query absent: every event */
    bool suspended;
    int64_t backlog; /* events, over all partitions */
};

/* A listener's place in a partition. */
struct hub_position {
    struct usage_id listener;
    struct text topic;
    int partition;
    int64_t next, high; /* offsets */
    int failures;
    int64_t retry_at; /* ms; INSTANT_NONE: at once */
};

/* A new one, with its places. */
bool hub_store_add(struct db *db, const struct hub_listener *l, struct text token,
                   const struct hub_position *positions, size_t n, struct err *err) MUST_CHECK;
bool hub_store_remove(struct db *db, const struct usage_id *id, bool *found,
                      struct err *err) MUST_CHECK;

/* It is not there when this has succeeded, nor will be, though an addition of it may have been
 * under way on a connection that is lost. */
bool hub_store_forget(struct db *db, const struct usage_id *id, struct err *err) MUST_CHECK;

/* All of them, and the places of those that are not suspended. All is in the arena. */
bool hub_store_listeners(struct db *db, struct arena *a, struct hub_listener **out, size_t *n,
                         struct err *err) MUST_CHECK;
bool hub_store_positions(struct db *db, struct arena *a, struct hub_position **out, size_t *n,
                         struct err *err) MUST_CHECK;

/* Moves places, never back; one that is not there is made. Those of a listener that is gone are
 * passed over. */
bool hub_store_keep(struct db *db, const struct hub_position *positions, size_t n,
                    struct err *err) MUST_CHECK;

/* Back to `next`, whatever it was: the partition was made anew. */
bool hub_store_reset(struct db *db, const struct hub_position *position,
                     struct err *err) MUST_CHECK;

/* Suspends those that are more than `backlog` events behind, and gives those that it has. */
bool hub_store_suspend(struct db *db, int64_t backlog, struct arena *a, struct hub_listener **out,
                       size_t *n, struct err *err) MUST_CHECK;
