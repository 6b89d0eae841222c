/* consumer - one member of the group: polls, answers rebalances, seeks. One thread; callbacks run
 * inside consumer_poll(), on that thread.
 *
 * The group metadata is taken in the assign callback, at every ASSIGN, and nowhere else; it is
 * dropped at every REVOKE. Whoever publishes uses the metadata under which its batch was polled
 * (consumer_member()).
 */
#pragma once

#include "base/value.h"
#include "io/kafka.h"

/* The metadata of one assignment; counted, so that a batch may keep it past a rebalance. */
struct consumer_member;
struct consumer_member *consumer_member_keep(struct consumer_member *m);
void consumer_member_drop(struct consumer_member *m); /* NULL is allowed */
const rd_kafka_consumer_group_metadata_t *consumer_member_metadata(const struct consumer_member *m);

/* For the offsets of a group that has no members: nothing but the producer's epoch fences them. */
struct consumer_member *consumer_member_outside(const char *group);

struct consumer;

struct consumer_options {
    const struct kafka_property *properties;
    size_t property_count;
    const char *group;
    const char *const *topics;
    size_t topic_count;
    /* ASSIGN: gives each element its start offset and leaves out those that are refused; false: it
     * could not find out, then nothing is read before the caller has taken over from its loop and
     * calls consumer_seek(). */
    bool (*assigned)(void *arg, rd_kafka_topic_partition_list_t *parts);
    /* REVOKE: nothing of this assignment may be published or stored any more. */
    void (*revoked)(void *arg);
    void *arg;
};

struct consumer *consumer_new(const struct consumer_options *options, struct err *err);

/* Leaves the group; callbacks may run. NULL is allowed. */
void consumer_free(struct consumer *c);

/* A message, or the end of a partition (consumer_is_end()); NULL if none came in wait_ms. Errors of
 * the library are told by err->kind: ERR_NONE none, ERR_RETRY a fetch position that is no longer
 * there (take over again), ERR_FATAL a right that was missing from the start. The caller destroys
 * the message. */
rd_kafka_message_t *consumer_poll(struct consumer *c, int wait_ms, struct err *err);

/* No message: all that a reader of committed records gets has come, up to m->offset. That is behind
 * the markers of transactions, and behind what was aborted. Told once each time. */
bool consumer_is_end(const rd_kafka_message_t *m);

/* Metadata of the present assignment; NULL while there is none. Borrowed: keep it to keep it. */
struct consumer_member *consumer_member(const struct consumer *c);

/* To explicit offsets in partitions that are held; resumes those that were paused. After an ASSIGN
 * that could not be answered, or with a partition that was refused then: `parts` are all that is to
 * be read from now on. Between an ASSIGN and the REVOKE of its partitions. */
bool consumer_seek(struct consumer *c, rd_kafka_topic_partition_list_t *parts,
                   struct err *err) MUST_CHECK;

/* The same with all that is held, from the ground up. It does what a seek cannot: a partition whose
 * topic was made anew meanwhile is another one to librdkafka, and cannot be sought in until it is
 * assigned. Costs what is under way. */
bool consumer_begin(struct consumer *c, const rd_kafka_topic_partition_list_t *parts,
                    struct err *err) MUST_CHECK;

/* Pause what is named. librdkafka drops what it has prefetched of it. */
void consumer_pause(struct consumer *c, const char *topic, int partition);
void consumer_pause_all(struct consumer *c);

/* The group's committed offsets, waiting for open transactions (read_committed): each element gets
 * its offset, or RD_KAFKA_OFFSET_INVALID for none. An answer only if true. */
bool consumer_committed(struct consumer *c, rd_kafka_topic_partition_list_t *parts, int wait_ms,
                        struct err *err) MUST_CHECK;

/* Low and high watermark, from the broker, each within wait_ms. NULL: not wanted. A question waits
 * behind what the broker is asked to fetch, half a second if there is nothing: of many partitions
 * it is asked at once, and low[i] and high[i] are those of parts->elems[i]. */
bool consumer_bounds_all(struct consumer *c, const rd_kafka_topic_partition_list_t *parts,
                         int wait_ms, int64_t *low, int64_t *high, struct err *err) MUST_CHECK;
bool consumer_bounds(struct consumer *c, const char *topic, int partition, int wait_ms,
                     int64_t *low, int64_t *high, struct err *err) MUST_CHECK;

/* The cluster's id, NULL while no broker has told it. Valid as long as the consumer. */
const char *consumer_cluster(struct consumer *c, int wait_ms);

rd_kafka_t *consumer_client(struct consumer *c);
