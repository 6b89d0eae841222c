/* registry_parts - what registry.c and registry_ask.c share: what is known of each id, and the
 * queue of those that are to be asked for. Private to them.
 */
#pragma once

#include <pthread.h>
#define uthash_fatal(message) abort()
#include <uthash.h>

#include "io/fetch.h"
#include "io/registry.h"

#define REGISTRY_ACCEPTED "application/vnd.schemaregistry.v1+json, application/json"

enum { REGISTRY_UNKNOWN_KEPT_MS = 60000 };

/* Times are instant_ticks(); 0: not so. */
struct entry {
    uint32_t id;
    struct registry_schema *schema; /* NULL until found; then nothing changes any more */
    bool queued;                    /* somebody wants an answer that is newer */
    int64_t asking_since;           /* one is on its way */
    int waiting;                    /* callers that hold a pointer to it */
    int64_t kept_until;             /* somebody comes back for it */
    int64_t ask_at;                 /* not before */
    int64_t answered;               /* when the last answer, whatever it says, was asked for */
    int64_t
        first_unknown; /* since when the registry says, without a break, that there is no such id */
    int64_t unknown_until; /* it has said so for long enough */
    int pause_ms;          /* before it is asked again */
    struct err why;        /* of the last one that was no schema */
    UT_hash_handle hh;
    struct entry *prev, *next; /* of the queue */
};

/* A thread that fetches, with a connection of its own. */
struct asker {
    struct registry *registry;
    struct fetch *fetch;
    pthread_t thread;
};

struct registry {
    char *url;
    const struct shape *const *shapes;
    int unknown_wait_ms;

    pthread_mutex_t lock; /* for all up to `askers` */
    pthread_cond_t work, answered;
    struct entry *entries;
    struct entry *queue; /* in the order in which they are asked for */
    int asking;          /* answers that are on their way */
    bool quit;
    int64_t silent_until; /* it does not answer at all: nothing is asked before */
    int silent_pause_ms;  /* 0: it does */
    uint64_t silences;    /* so far */
    struct err silent_why;

    struct asker askers[REGISTRY_ASKERS];
    int asker_count;
    pthread_mutex_t subject_lock;
    struct fetch *subject_fetch;
};

/* False: the system has no more threads. Either way registry_askers_end() ends those that run. */
bool registry_askers_start(struct registry *r, const struct registry_options *options);
void registry_askers_end(struct registry *r);

/* With the lock, which is let go meanwhile; `ticks` as instant_ticks(). */
void registry_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ticks);

void registry_schema_free(struct registry_schema *s); /* NULL is allowed */
