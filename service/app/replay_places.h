/* replay_places - the partitions of the dead-letter topic in one run of `usaged replay`: from where
 * to where it looks, how far it is, and what is remembered of the runs before. One thread.
 */
#pragma once

#include "app/replay_memory.h"
#include "io/scan.h"

struct replay_place {
    int64_t low;
    int64_t base, end;   /* of the run: by --from and --to, and by where it ended at the start */
    int64_t first;       /* where the run began to look */
    int64_t start, next; /* since the memory was read: what was looked at */
    int64_t sent;        /* `next` of a commit whose answer is not known; -1: none */
    int64_t said;        /* up to here it was said what is left out */
    struct replay_memory memory;
};

struct replay_places {
    const char *topic;
    const struct replay_wish *wish;
    struct arena *memories;
    struct replay_place *all;
    int count;
};

void replay_places_init(struct replay_places *p, const char *topic, int count,
                        const struct replay_wish *wish);
void replay_places_fini(struct replay_places *p);

/* What the run is about; once. */
bool replay_places_ask(struct replay_places *p, struct scan *scan, struct err *err) MUST_CHECK;

/* Takes what the group has committed, and goes to where the run begins, or goes on: that is known
 * from the memory alone. *remembered: the commit whose answer was lost has happened. */
bool replay_places_read(struct replay_places *p, const rd_kafka_topic_partition_list_t *committed,
                        bool *remembered, struct err *err) MUST_CHECK;
bool replay_places_start(const struct replay_places *p, struct scan *scan,
                         struct err *err) MUST_CHECK;

/* The offsets to commit: with them it is remembered what was looked at. Then, once that is so,
 * replay_places_committed(). */
bool replay_places_offsets(struct replay_places *p, rd_kafka_topic_partition_list_t *parts,
                           struct err *err) MUST_CHECK;
void replay_places_committed(struct replay_places *p);

bool replay_places_done(const struct replay_places *p);
void replay_places_progress(const struct replay_places *p, int64_t *looked, int64_t *of);
