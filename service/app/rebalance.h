/* rebalance - a worker's place in the group: what an ASSIGN and a REVOKE do to it. Both run inside
 * consumer_poll().
 *
 * ASSIGN takes the partitions over at once, so that they start at explicit offsets; when it comes
 * inside another wait, or cannot finish, they are assigned paused, and recover.c takes them over
 * from the loop.
 */
#pragma once

#include "app/worker.h"

/* The worker's member of the group. NULL: ERR_FATAL. */
struct consumer *rebalance_consumer(struct worker *w, struct err *err);

/* The messages of a batch that is not being stored: a seek, or an ASSIGN, must follow. */
void rebalance_forget_messages(struct worker *w);

/* Slots of former assignments; from the loop, where nobody holds one. */
void rebalance_free_retired(struct worker *w);

/* All partitions: nothing of them may be stored or published any more. */
void rebalance_forget_slots(struct worker *w);
