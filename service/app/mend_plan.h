/* mend_plan - what `usaged offsets --mend TOPIC:PARTITION --at OFFSET` makes of a partition. Pure.
 *
 * The rule: OFFSET is where the partition goes on.
 *   - The outbox holds everything from OFFSET up to `stored`: `published` goes to OFFSET, `stored`
 *     stays, and the next takeover publishes these rows.
 *   - OFFSET is above `stored`, and the outbox holds all that lies between the two marks: `stored`
 *     goes to OFFSET, and the next takeover publishes these rows.
 *   - Else both marks go to OFFSET, and the partition's outbox is given up.
 * After each the two marks fit together, so the next takeover finds `equal` or `ahead`.
 */
#pragma once

#include "app/verdict.h"
#include "base/buf.h"

enum mend_kind {
    MEND_NOTHING, /* it is so already */
    MEND_PUBLISH, /* the first of the three, .. */
    MEND_SKIP,
    MEND_BOTH,
    MEND_OUTSIDE /* OFFSET is not within [low, high] */
};

struct mend_plan {
    enum mend_kind kind;
    int64_t stored, published;  /* afterwards */
    int64_t keep_from, keep_to; /* the outbox rows within are kept, the others removed */
    size_t kept, given_up;      /* rows; what is given up may not have been published */
    size_t removed;             /* with those that are known to be published */
};

/* False: MEND_OUTSIDE, and nothing else is set. */
bool mend_plan_of(const struct verdict_input *in, int64_t at, struct mend_plan *out);

/* Whether this row is one of `given_up`. */
bool mend_plan_gives_up(const struct mend_plan *plan, const struct verdict_input *in,
                        const struct verdict_range *row);

/* Lines that tell an operator what happens, in words; the counts are of messages. */
void mend_plan_say(const struct mend_plan *plan, const struct verdict_input *in, int64_t kept,
                   int64_t given_up, struct buf *out);
