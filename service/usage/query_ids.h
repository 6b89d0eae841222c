/* query_ids - what a group of conditions says of the ids of usages: a range of them, or a list.
 *
 * An id begins with usageDate, so a window of dates is a range, and partitions are ranges too.
 * Pure; any thread.
 */
#pragma once

#include "usage/id.h"
#include "usage/query.h"

/* Ids that are asked for by name. given and none: no usage has such an id. */
struct query_ids {
    bool given;
    struct list list; /* struct usage_id */
};

struct query_range {
    bool empty;
    struct usage_id low, high; /* both are inside */
    struct query_ids ids;      /* inside the range; if given the range says no more than they */
};

/* usageDate from `from` to before `to`, ms. */
struct query_range query_range_of_dates(int64_t from, int64_t to);

/* What usageDate, id and href of a group say together; of other collections than usages nothing. */
struct query_range query_range_of(const struct query *q, const struct query_group *g,
                                  struct arena *a);

/* From the lowest to the highest of all groups; without ids. */
struct query_range query_range_of_groups(const struct query *q, struct arena *a);

/* A bound as a text; false: it is open. */
bool query_range_low(const struct query_range *range, struct arena *a, struct text *out);
bool query_range_high(const struct query_range *range, struct arena *a, struct text *out);

/* The values of an (in)equality of id or href that can be a usage's. */
struct query_ids query_ids_of(const struct query *q, const struct query_condition *c,
                              struct arena *a);
struct list query_ids_texts(const struct query_ids *ids, struct arena *a);

/* The condition is one that query_range_of() has taken into its range or ids, wholly. */
bool query_ids_decide(const struct query *q, const struct query_condition *c);
