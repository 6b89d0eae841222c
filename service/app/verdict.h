/* verdict - what the two watermarks of a source partition say: the table of a takeover. Pure.
 *
 * Used by the takeover and by `usaged offsets`, so that an operator sees what the service will do.
 */
#pragma once

#include "app/metrics.h"

/* Room for a sentence with topics of the longest name: a call that is cut short is worse than none.
 */
enum { VERDICT_WHY = 1600 };

/* A row of the outbox: the messages of the records [from, to). */
struct verdict_range {
    int64_t from, to;
};

struct verdict_input {
    const char *topic; /* HTTP_SOURCE has no end: `low` is 0, `high` INT64_MAX */
    int partition;
    bool no_partition; /* Kafka does not have it, so `low`, `high` are 0 and `published` is -1 */
    bool has_row;      /* in source_offset; else `stored` and `row_cluster` are not looked at */
    int64_t stored;    /* next_offset */
    const char *row_cluster, *cluster;  /* the row's and Kafka's own */
    int64_t low, high;                  /* Kafka's watermarks */
    int64_t published;                  /* the group's committed offset, -1: none */
    const struct verdict_range *outbox; /* ascending */
    size_t outbox_count;
};

/* `why` gets one sentence: the numbers, what they mean and, of a refusal, the call that mends it.
 * "" for FOUND_EQUAL. */
enum metrics_found verdict_of(const struct verdict_input *in, char *why, size_t why_bytes);

/* Whether rows cover [from, stored) without a gap, the first beginning exactly at `from`. */
bool verdict_covers(const struct verdict_input *in, int64_t from);
