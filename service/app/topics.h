/* topics - whether Kafka's topics are there and fit: `usaged topics`, and the start of `run`. */
#pragma once

#include "app/settings.h"

struct topics_options {
    bool create;                 /* those that are missing */
    int partitions, replication; /* of those; 0: the brokers' defaults */
};

/* Returns the exit code: 0 if all are there and fit. A line a topic on standard output. */
int topics_run(const struct settings *s, const struct topics_options *options);

/* Whether each outbound topic is there, is not compacted and takes the largest message. ERR_FATAL:
 * no, with the topic, the setting and both numbers, or the right that is missing; ERR_RETRY: Kafka
 * is away. Blocks for some seconds at most. */
bool topics_check(const struct settings *s, rd_kafka_t *client, struct err *err) MUST_CHECK;

/* How many of the inbound topics are to be seen; -1: Kafka is away. */
int topics_inbound_present(const struct settings *s, rd_kafka_t *client, struct err *err);
