/* store_sweep_find - what the sweep has to do: which usages have ratings that both missed, and
 * which ratings have waited too long. Reads only, but for its mark in parked_sweep; whoever acts on
 * it locks and looks again.
 *
 * A rating is looked at once more when every transaction is over that was open at some moment at
 * which the rating was committed: those that began later must see it. (That the rating's own
 * transaction, and all with lower numbers, are over is not enough: the usage's may have a higher
 * number, have looked before the rating was committed, and still be open.)
 *
 * One thread. Errors as of store.h. Private to store_sweep*.c.
 */
#pragma once

#include "usage/store_sweep_passed.h"

enum { SWEEP_USAGES = 500, SWEEP_BYTES = 32 * 1024 * 1024 /* of records and documents */ };

struct sweep_find {
    struct db *db;
    struct db_params params;
    struct sweep_passed passed;
    int64_t swept, high; /* what is looked at now: ratings parked by transactions [swept, high) */
    int64_t seen, after; /* all below `seen` were over when `after` began; 0: nothing is new */
    int64_t server;      /* when it was started, ms */
    int64_t ahead;       /* swept, but not noted in parked_sweep while a usage is passed over */
};

/* At most one of the two is not empty. */
struct sweep_due {
    /* Usages that are there, ascending: all that waits for them is to be applied. Together with it
     * they have at most SWEEP_BYTES, but for the first, of which nothing can be left out; those
     * that were passed over, at most SWEEP_PASSED_MAX, are not weighed. */
    struct usage_id ids[SWEEP_USAGES];
    size_t count;
    /* Ratings that have waited too long, of usages that are not there: usage_id, topic, partition,
     * record_offset, in this order. At most SWEEP_USAGES, and SWEEP_BYTES but for the first.
     * db_rows_fini() is the caller's. */
    struct db_rows old;
    bool more; /* there may be more than this */
};

/* A new connection: numbers of transactions are not another server's. The same server's are kept,
 * or a sweep that fails each time would have to wait, and look well, in between. */
bool sweep_find_begin(struct sweep_find *f, struct err *err) MUST_CHECK;
void sweep_find_fini(struct sweep_find *f);

/* `cutoff`: what was parked before it has waited too long, ms. */
bool sweep_find_due(struct sweep_find *f, int64_t cutoff, struct sweep_due *due,
                    struct err *err) MUST_CHECK;
