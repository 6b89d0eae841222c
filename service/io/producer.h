/* producer - one transactional producer. One thread.
 *
 * A transaction is begin, send ..., (other work: the messages travel meanwhile), commit; or abort.
 * Errors are told by their remedy: ERR_LOST when the group has moved on, ERR_FATAL when another
 * process runs under the same transactional.id (a twin) or a right is missing at the start, else
 * ERR_RETRY. After any error of send or commit call producer_settle() before anything else: it
 * aborts, and rebuilds the producer where only that helps.
 */
#pragma once

#include "base/text.h"
#include "io/consumer.h"

struct producer;

struct producer_options {
    const struct kafka_property *properties;
    size_t property_count;
    const char *transactional_id;
    int transaction_timeout_ms;
    /* Several processes take turns under this id: being fenced is ERR_LOST, no twin; and
     * producer_begin() makes no handle anew, since that fences whoever's turn it is. */
    bool shared;
    void (*idle)(void *arg,
                 int waited_ms); /* every few seconds while one step waits for the broker */
    void *idle_arg;
    const char *twin; /* what to say of another process with this id; NULL: what a worker says */
    /* Messages that go together have no more bytes than this, and no more than kafka.batch.size:
     * the broker compares what a topic takes with them, not with one message. 0: any. */
    int64_t batch_bytes;
};

struct producer *producer_new(const struct producer_options *options);
void producer_free(struct producer *p); /* does not abort: settle first. NULL is allowed */

/* Connects and ends what a dead predecessor with this id left open. Waits while the broker is away,
 * until the stop (ERR_RETRY). */
bool producer_open(struct producer *p, struct err *err) MUST_CHECK;

/* Lets the handle go, without abort: the next producer_open() makes another one. What was learnt
 * stays, the time-out of the next transaction above all: it is doubled when one has ended by its
 * time-out, at most to 16 times the option, and is the option's again once one with messages was
 * committed. */
void producer_drop(struct producer *p);

/* The handle has a longer time-out than the next one will have. A shared one keeps it until it is
 * dropped; else producer_begin() makes another. */
bool producer_is_long(const struct producer *p);

struct producer_header {
    struct text name, value;
};

struct producer_message {
    const char *topic;
    struct text key, value; /* p = NULL: none */
    const struct producer_header *headers;
    size_t header_count;
    const int *partition; /* of a message with headers; NULL: by its key */
};

bool producer_begin(struct producer *p, struct err *err) MUST_CHECK;
bool producer_send(struct producer *p, const struct producer_message *m,
                   struct err *err) MUST_CHECK; /* copies */

/* Flushes, puts the source offsets into the transaction as the member `m`, and commits. */
bool producer_commit(struct producer *p, const rd_kafka_topic_partition_list_t *offsets,
                     const struct consumer_member *m, struct err *err) MUST_CHECK;

/* Ends the own transaction, whatever state it is in. False: not yet (ERR_RETRY: again later;
 * ERR_FATAL: a twin, or a right that was missing from the start). */
bool producer_settle(struct producer *p, struct err *err) MUST_CHECK;

/* Why the first message that was refused since producer_begin() was; 0: none was. */
rd_kafka_resp_err_t producer_report(const struct producer *p);

bool producer_is_open(const struct producer *p); /* a transaction has begun */
rd_kafka_t *producer_client(struct producer *p);
