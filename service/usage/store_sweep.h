/* store_sweep - ratings and usages that missed each other, and ratings that have waited too long.
 *
 * A rating is parked when its usage is not visible, and a usage applies what is visible of the
 * parked ones: two transactions at once may each miss the other, so each rating is looked at once
 * more (store_sweep_find.h). What is found is written through the source @http (http_source.h), in
 * the lock order of store.h, that source last.
 *
 * A transaction either joins usages with all that waits for them, or ends ratings whose usages have
 * not come; of these it takes as many as it likes, so it is bounded by rows and bytes. Of a usage
 * that is there nothing is left out, since the ratings act in one order: what waits for it came
 * while it was being stored, so it is about one batch of each worker at most.
 *
 * What cannot be written: a rating whose data PostgreSQL refuses ends as a dead letter
 * (store_cull.h); a usage for which there is another reason is passed over for a while
 * (store_sweep_passed.h).
 *
 * One thread; two sweeps at once do no harm (docs/protocol, Parking). Errors as of store.h. A
 * search for what PostgreSQL refuses may take many seconds: it breathes (db_breathe()) and looks at
 * the stop.
 */
#pragma once

#include "usage/store.h"

struct sweep; /* its memory: of one thread */

struct sweep *sweep_new(struct db *db, const struct changes_settings *settings);
void sweep_free(struct sweep *s);

/* Ratings whose transaction number is another server's, after a dump was restored. At the start. */
bool sweep_begin(struct sweep *s, struct err *err) MUST_CHECK;

/* One transaction's worth of what is due. *more: call again at once. *changes: what was done, for
 * the metrics, valid until the next call; NULL when nothing was done.
 */
bool sweep_once(struct sweep *s, const struct changes **changes, bool *more,
                struct err *err) MUST_CHECK;
