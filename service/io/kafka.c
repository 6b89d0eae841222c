#include "io/kafka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/log.h"

enum { START_MS = 60000 };

/* A refused login does not pass by itself. Of a worker's two clients one says it; of the start and
 * of a command admin.c does. A connection that is closed in the middle of a login calls that one
 * too.
 */
static bool is_refused_login(const rd_kafka_t *client, const char *text)
{
    return rd_kafka_type(client) == RD_KAFKA_CONSUMER &&
           strstr(text, "SASL authentication error") && !strstr(text, "failed: Local:");
}

/* librdkafka says "broker down" and "transaction failed" in many words and often; one line from us
 * says it better (app/health.h). */
static void log_cb(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    static const char *const noise[] = {"FAIL",   "ERROR",    "CONFWARN",  "ADDOFFSETS", "ADDPARTS",
                                        "GETPID", "REQTMOUT", "TERMINATE", "TXNERR"};
    enum log_level ours = level <= 3 ? LOG_ERROR : level <= 4 ? LOG_WARNING : LOG_DEBUG;
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++)
        if (strcmp(facility, noise[i]) == 0 && !is_refused_login(client, text))
            ours = LOG_DEBUG;
    log_line(ours, "librdkafka", "facility=%s text=\"%s\"", facility, text);
}

static void *end(void *client)
{
    rd_kafka_destroy(client);
    return NULL;
}

void kafka_end(rd_kafka_t *client)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end, client) != 0)
        abort();
    pthread_detach(thread);
}

bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char text[512];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        return err_set(err, ERR_FATAL, "setting kafka.%s: %s", name, text);
    return true;
}

rd_kafka_conf_t *kafka_conf(const struct kafka_property *properties, size_t n, struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kafka_is_starting(); /* from the first client on */
    rd_kafka_conf_set_log_cb(conf, log_cb);
    for (size_t i = 0; i < n; i++)
        if (!kafka_conf_set(conf, properties[i].name, properties[i].value, err)) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    /* A producer's is true, and Kafka's own setting as well: asking for a topic would make it. */
    if (!kafka_conf_set(conf, "allow.auto.create.topics", "false", err)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}

static enum err_kind remedy(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
        return ERR_LOST;
    default:
        return ERR_RETRY;
    }
}

bool kafka_err(struct err *err, rd_kafka_resp_err_t code, const char *what)
{
    err_set(err, remedy(code), "%s: %s (%s)", what, rd_kafka_err2str(code),
            rd_kafka_err2name(code));
    err->code = code;
    err->part = "kafka";
    return false;
}

bool kafka_txn_err(struct err *err, rd_kafka_error_t *error, const char *what)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    err_set(err, remedy(code), "%s: %s (%s)", what, rd_kafka_error_string(error),
            rd_kafka_err2name(code));
    err->code = code;
    err->part = "kafka";
    rd_kafka_error_destroy(error);
    return false;
}

bool kafka_is_starting(void)
{
    static _Atomic int64_t first;
    int64_t now = instant_ticks(), none = 0;
    atomic_compare_exchange_strong(&first, &none, now);
    return now - first < START_MS;
}

bool kafka_is_right_missing(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return true;
    default:
        return false;
    }
}
