/* scan - reads partitions of a topic from given offsets on, only what is committed, as a member of
 * no group. One thread.
 */
#pragma once

#include <stdint.h>

#include "io/kafka.h"

struct scan;

/* `group` is for the brokers' sake: nothing is committed. NULL: ERR_FATAL. */
struct scan *scan_new(const struct kafka_property *properties, size_t n, const char *group,
                      struct err *err);
void scan_free(struct scan *s); /* NULL is allowed */

/* The watermarks, behind what an open transaction hides too; each within wait_ms. */
bool scan_bounds(struct scan *s, const char *topic, int partition, int wait_ms, int64_t *low,
                 int64_t *high, struct err *err) MUST_CHECK;

/* The offset of the first record that is not older than `ms`; -1: all are. */
bool scan_offset_at(struct scan *s, const char *topic, int partition, int64_t ms, int wait_ms,
                    int64_t *offset, struct err *err) MUST_CHECK;

/* Reads these partitions from their offsets on, and no others. Where retention has removed the
 * offset, from the low watermark on. */
bool scan_start(struct scan *s, const rd_kafka_topic_partition_list_t *parts,
                struct err *err) MUST_CHECK;

/* A message, which the caller destroys; its `err` is RD_KAFKA_RESP_ERR__PARTITION_EOF when the
 * partition has nothing to read at its `offset` now. NULL: nothing in wait_ms (ERR_NONE), Kafka is
 * away, which passes by itself (ERR_RETRY), or a right is missing (ERR_FATAL). */
rd_kafka_message_t *scan_poll(struct scan *s, int wait_ms, struct err *err);
