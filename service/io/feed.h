/* feed - records into one topic, of each of which is known whether the brokers have it. Any thread.
 *
 * One idempotent producer for all threads, without transactions: acks=all, so an acknowledged
 * record is durable, and is there once. One that is not acknowledged in time may be there or not.
 */
#pragma once

#include "base/text.h"
#include "io/kafka.h"

struct feed;

struct feed_options {
    const struct kafka_property *properties;
    size_t property_count;
    const char *topic;
    const char *header; /* the name of a record's one header; NULL: none has one */
    int timeout_ms;     /* of a record */
    /* Called once of each feed_send() that has waited for slow_ms, on its thread; NULL: not. */
    void (*slow)(void *arg, const char *why);
    void *slow_arg;
    int slow_ms;
};

struct feed *feed_new(const struct feed_options *options, struct err *err);
void feed_free(struct feed *f); /* NULL is allowed */

/* Whether a broker answers now, and the topic is to be seen; asks for wait_ms at most. ERR_RETRY:
 * no; ERR_FATAL: the topic is not there or a right is missing, the text says the remedy. */
bool feed_ready(struct feed *f, int wait_ms, struct err *err) MUST_CHECK;

struct feed_record {
    struct text key, value;
    struct text header;        /* under feed_options.header; absent: none */
    rd_kafka_resp_err_t error; /* 0: acknowledged */
    int partition;             /* then */
    int64_t offset;            /* then; -1: it was there already from a try before */
};

/* Sends all and waits for what became of each: at most for the time-out, a second at the stop. */
void feed_send(struct feed *f, struct feed_record *records, size_t n);

/* It is the record's fault, which no second try mends: it is too large. */
bool feed_is_too_large(rd_kafka_resp_err_t error);
