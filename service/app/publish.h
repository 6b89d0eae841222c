/* publish - the Kafka half of a batch: its messages and its source offsets in one transaction. */
#pragma once

#include "app/worker.h"

/* Produces the messages of one outbox row in the open transaction, and adds them to `counts`; the
 * metrics get these once it is committed. */
bool publish_send(struct producer *p, const struct settings *s, struct text bytes,
                  uint64_t counts[OUTBOX_TOPICS], struct err *err) MUST_CHECK;
void publish_count(const uint64_t counts[OUTBOX_TOPICS]);

/* Begins the transaction and produces the batch's messages; they travel while the next batch is
 * stored. */
bool publish_begin(struct worker *w, struct batch *b, struct err *err) MUST_CHECK;

/* Commits it with the source offsets, and notes the published marks. No-op when nothing is under
 * way. */
bool publish_finish(struct worker *w, struct err *err) MUST_CHECK;

/* Both of these are a takeover's. ERR_LOST: a rebalance has come since it began (w->taking). */

/* Outbox bytes that it found, up to `to`, in a transaction of their own. */
bool publish_left(struct worker *w, const char *topic, int partition, int64_t to,
                  struct text messages, struct err *err) MUST_CHECK;

/* Only offsets: partitions' first starts, and those whose offset Kafka has forgotten. */
bool publish_offsets(struct worker *w, const rd_kafka_topic_partition_list_t *offsets,
                     struct err *err) MUST_CHECK;
