/* store_sweep - ratings and usages that missed each other, and ratings that have waited too long.
 *
 * A rating is parked when its usage is not visible, and a usage applies what is visible of the
 * parked ones: two transactions at once may each miss the other. So each rating is looked at once
 * more, when every transaction is over that was open at some moment at which the rating was
 * committed: those that began later must see it. (That the rating's own transaction, and all with
 * lower numbers, are over is not enough: the usage's may have a higher number, have looked before
 * the rating was committed, and still be open.) What is found is written through the source @http
 * (http_source.h), in the lock order of store.h, that source last.
 *
 * One thread; two sweeps at once do no harm (docs/protocol, Parking). Errors as of store.h.
 */
#pragma once

#include "usage/store.h"

struct sweep; /* its memory: of one thread */

struct sweep *sweep_new(struct db *db, const struct changes_settings *settings);
void sweep_free(struct sweep *s);

/* Ratings whose transaction number is another server's, after a dump was restored. At the start. */
bool sweep_begin(struct sweep *s, struct err *err) MUST_CHECK;

/* One transaction's worth of what is due, at most SWEEP_USAGES usages. *more: call again at once.
 * *changes: what was done, for the metrics, valid until the next call; NULL when nothing was due.
 */
enum { SWEEP_USAGES = 500 };
bool sweep_once(struct sweep *s, const struct changes **changes, bool *more,
                struct err *err) MUST_CHECK;
