/* store_sweep_passed - usages that the sweep passes over for half a minute: one that cannot be
 * swept must not stop it for all others.
 *
 * Not those whose ratings PostgreSQL refuses for their data: store_cull.h finds these ratings, and
 * they end. What is left is a trigger of the operator's that raises, or a text that cannot be read
 * as it is stored: nothing of the rating's, so it waits. In memory only: parked_sweep does not move
 * on meanwhile (store_sweep_find.h), so the next process finds out anew. One thread.
 */
#pragma once

#include "io/db.h"
#include "usage/usage.h"

/* SQLSTATE, ours: what is stored of a usage, or of a rating that waits for it, cannot be read. */
#define SWEEP_UNREADABLE "UR001"

enum { SWEEP_PASSED_MAX = 32, SWEEP_PASSED_MS = 30000 };

struct sweep_passed {
    struct sweep_passed_usage {
        struct usage_id id;
        int64_t until, said;    /* ticks */
    } usages[SWEEP_PASSED_MAX]; /* ascending */
    size_t count;
};

/* An error of the one usage that was tried: not of its data (store_is_data()), and not of a
 * database that is away, read-only, full, stopping or without the rights that we need. */
bool sweep_passed_is_of_usage(const struct err *err);

/* From now on it is passed over, and the log says so, of each usage every ten minutes. False: there
 * are so many that it is not they; *why says so. */
bool sweep_passed_add(struct sweep_passed *p, const struct usage_id *id, int64_t now,
                      struct err *why);

/* Those to be tried again, ascending: at most SWEEP_PASSED_MAX, returns how many. They stay until
 * sweep_passed_remove(). */
size_t sweep_passed_due(const struct sweep_passed *p, int64_t now, struct usage_id *ids);

/* They have been swept. `ids` ascending; others among them do no harm. */
void sweep_passed_remove(struct sweep_passed *p, const struct usage_id *ids, size_t n);

/* All, as a parameter. */
void sweep_passed_param(const struct sweep_passed *p, struct db_params *params);
