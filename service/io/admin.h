/* admin - questions to Kafka beside the records' way, and the making of topics.
 *
 * Each waits for at most wait_ms and looks at the stop meanwhile. ERR_RETRY: Kafka is away;
 * ERR_FATAL: a right is missing, and the text names it; err->code is Kafka's, so that a service
 * that has had the right can wait for it. Any client of librdkafka's will do; of one of admin_new()
 * the errors of its connections are read, which say why a login is refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "io/kafka.h"

/* A client for commands: no group, no transactions; for rd_kafka_destroy(). NULL: ERR_FATAL. */
rd_kafka_t *admin_new(const struct kafka_property *properties, size_t n, struct err *err);

struct admin_topic {
    const char *name; /* the caller's */
    int partitions;   /* 0: not to be seen */
    bool described;   /* admin_describe() found it; the next two are set then */
    char cleanup_policy[64];
    int64_t max_message_bytes;
};

/* Fills in `partitions`. Asks for all topics of the cluster: one that is asked for by name may be
 * made by that. */
bool admin_partitions(rd_kafka_t *client, struct admin_topic *topics, size_t n, int wait_ms,
                      struct err *err) MUST_CHECK;

/* Fills in the configuration of those that exist. */
bool admin_describe(rd_kafka_t *client, struct admin_topic *topics, size_t n, int wait_ms,
                    struct err *err) MUST_CHECK;

/* What a topic takes that says nothing of its own: the brokers' message.max.bytes; -1 if this may
 * not be asked. */
int64_t admin_default_max_bytes(rd_kafka_t *client, int wait_ms);

/* Makes topics, each with max_message_bytes unless that is 0; partitions and replication 0: the
 * brokers' defaults. One that exists is left as it is. */
bool admin_create(rd_kafka_t *client, const struct admin_topic *topics, size_t n, int partitions,
                  int replication, int wait_ms, struct err *err) MUST_CHECK;

/* The group's committed offsets, once no open transaction holds them: each element gets its offset,
 * negative for none. */
bool admin_committed(const struct kafka_property *properties, size_t n, const char *group,
                     rd_kafka_topic_partition_list_t *parts, int wait_ms,
                     struct err *err) MUST_CHECK;

/* How many members the group has; 0 also for one that nobody knows. */
bool admin_group_members(rd_kafka_t *client, const char *group, int wait_ms, int *members,
                         struct err *err) MUST_CHECK;

/* Commits an offset for a group, as a tool that resets it does: ERR_RETRY, and nothing has changed,
 * while it has members. */
bool admin_commit(const struct kafka_property *properties, size_t n, const char *group,
                  const char *topic, int partition, int64_t offset, struct err *err) MUST_CHECK;

/* The end of all partitions of these topics, for whoever wants all that is committed from now on:
 * the last stable offset, since the messages of a transaction that is still open lie in front of
 * the high watermark. The caller destroys the list. NULL: ERR_RETRY. Any thread. */
rd_kafka_topic_partition_list_t *admin_ends(rd_kafka_t *client, const char *const *topics, size_t n,
                                            int wait_ms, struct err *err);
