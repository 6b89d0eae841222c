/* kafka - what consumer and producer share: librdkafka's configuration, and which errors mean what.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/err.h"

struct kafka_property {
    const char *name, *value;
};

/* A configuration with `properties` set, log lines going to our log, by which no client makes a
 * topic. NULL: ERR_FATAL, librdkafka's words. */
rd_kafka_conf_t *kafka_conf(const struct kafka_property *properties, size_t n, struct err *err);
bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                    struct err *err) MUST_CHECK;

/* Ends a client on a thread of its own, and waits for nothing: librdkafka 2.0.2 may never be done
 * with it when a topic that it has read was deleted (confluentinc/librdkafka issues 3954 and 4362).
 * All that belongs to it (topics, queues, messages) is given back already, a consumer is closed. */
void kafka_end(rd_kafka_t *client);

/* The remedy of an error code: ERR_LOST when the group says that we are out, ERR_RETRY for all
 * else. */
bool kafka_err(struct err *err, rd_kafka_resp_err_t code, const char *what);

/* The same for the error of a transactional call; destroys `error`. */
bool kafka_txn_err(struct err *err, rd_kafka_error_t *error, const char *what);

/* A right that the operator must grant (wire contract section 8). */
bool kafka_is_right_missing(rd_kafka_resp_err_t code);

/* In the first minute of the process: what is missing then must be granted first; later it may come
 * back, and is waited for. Any thread. */
bool kafka_is_starting(void);
