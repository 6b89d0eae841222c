/* recover - the one way back to a safe state after any error, and what is said meanwhile.
 *
 * Abort what is open, forget the batch, wait with back-off, take the partitions over as if they had
 * just been assigned, go to what is stored. One thing differs: when the group itself says that we
 * are out, nothing is taken over (that would rob the legitimate successor), and the next ASSIGN is
 * waited for.
 */
#pragma once

#include "app/worker.h"

/* Decides what an error of a step leads to: the end of the service, a wait for the next ASSIGN, or
 * recover(). */
void recover_on_error(struct worker *w, const struct err *err);

/* One attempt; call it again while w->must_take_over. */
void recover(struct worker *w);

/* Out of the group (w->lost_since): settles what is open; after a minute a new consumer. */
void recover_wait_for_assign(struct worker *w);

/* All running partitions to `next`, the others paused. */
bool recover_seek(struct worker *w, struct err *err) MUST_CHECK;

/* What /readyz and the log say. */
void recover_waits_for(struct worker *w, const struct err *err);
void recover_all_well(struct worker *w);
void recover_postgres_is_well(struct worker *w);
