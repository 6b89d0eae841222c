#include "io/producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/stop.h"

enum { CALL_MS = 1000, DROP_MS = 200, LONGER_MAX = 16 };

struct producer {
    struct producer_options options;
    char *id;
    rd_kafka_t *client;
    bool open;                  /* a transaction has begun */
    bool rebuild;               /* only a new handle helps */
    bool has_twin;              /* for good: a new handle would fence the other one */
    bool sent;                  /* this transaction has a message */
    bool proved;                /* one with a message was committed: no right was missing then */
    rd_kafka_resp_err_t why;    /* the last error of a call */
    int failures;               /* transactions aborted in a row */
    int timeout_ms;             /* of the next handle: doubled after an abort by time-out */
    int handle_ms;              /* of this one */
    int64_t begun_ms;           /* CLOCK_BOOTTIME: it counts a suspended machine too */
    rd_kafka_resp_err_t report; /* first failed delivery of this transaction */
    char report_topic[250];     /* .. and where to */
    rd_kafka_topic_t *topics[16];
    const char *topic_names[16];
    int topic_count;
};

static int64_t boot_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *m, void *arg)
{
    (void)client;
    struct producer *p = arg;
    if (!m->err || p->report)
        return;
    p->report = m->err;
    snprintf(p->report_topic, sizeof p->report_topic, "%s", rd_kafka_topic_name(m->rkt));
}

struct producer *producer_new(const struct producer_options *options)
{
    struct producer *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->options = *options;
    p->id = strdup(options->transactional_id);
    if (!p->id)
        abort();
    p->timeout_ms = options->transaction_timeout_ms;
    return p;
}

/* librdkafka 2.0.2 frees the text of a transaction's error at the end of its main thread, while the
 * threads of its brokers go on; a refusal that comes then frees the text once more, and the heap is
 * broken. So nothing may be under way any more: what waits is dropped, and what is half sent has a
 * moment. */
static void drop_messages(struct producer *p)
{
    rd_kafka_resp_err_t report = p->report;
    if (rd_kafka_outq_len(p->client) == 0)
        return;
    rd_kafka_purge(p->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->client, DROP_MS);
    p->report = report; /* what is dropped here was not refused */
}

static void destroy_client(struct producer *p)
{
    if (p->client)
        drop_messages(p);
    for (int i = 0; i < p->topic_count; i++)
        rd_kafka_topic_destroy(p->topics[i]);
    p->topic_count = 0;
    if (p->client)
        rd_kafka_destroy(p->client);
    p->client = NULL;
    p->open = p->rebuild = false;
}

void producer_drop(struct producer *p)
{
    destroy_client(p);
}

void producer_free(struct producer *p)
{
    if (!p)
        return;
    destroy_client(p);
    free(p->id);
    free(p);
}

/* A message that is larger goes alone. */
static bool limit_batch(const struct producer *p, rd_kafka_conf_t *conf, struct err *err)
{
    char bytes[24];
    size_t size = sizeof bytes;
    int64_t wanted = p->options.batch_bytes;
    if (wanted == 0 || (rd_kafka_conf_get(conf, "batch.size", bytes, &size) == RD_KAFKA_CONF_OK &&
                        strtoll(bytes, NULL, 10) <= wanted))
        return true;
    snprintf(bytes, sizeof bytes, "%lld", (long long)wanted);
    return kafka_conf_set(conf, "batch.size", bytes, err);
}

static bool configure(struct producer *p, rd_kafka_conf_t *conf, struct err *err)
{
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", p->timeout_ms);
    return kafka_conf_set(conf, "transactional.id", p->id, err) &&
           kafka_conf_set(conf, "transaction.timeout.ms", timeout, err) &&
           kafka_conf_set(conf, "delivery.report.only.error", "true", err) &&
           kafka_conf_set(conf, "partitioner", "murmur2_random", err) && limit_batch(p, conf, err);
}

static bool make_client(struct producer *p, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(p->options.properties, p->options.property_count, err);
    if (!conf)
        return false;
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    if (!configure(p, conf, err)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    p->handle_ms = p->timeout_ms;
    p->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!p->client) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, ERR_FATAL, "Kafka producer: %s", text);
    }
    return true;
}

static void idle(const struct producer *p, int64_t since)
{
    if (p->options.idle)
        p->options.idle(p->options.idle_arg, (int)(boot_ms() - since));
}

/* Calls again while the library says that this is right; between, the caller's idle work and a look
 * at the stop. A commit that was sent is decided by the broker alone, so nothing else may follow a
 * retriable error. */
#define AGAIN(error, call)                                                                         \
    for (int64_t since_ = boot_ms();                                                               \
         ((error) = (call)) && rd_kafka_error_is_retriable(error) && !stop_asked_for(p);           \
         idle(p, since_))                                                                          \
    rd_kafka_error_destroy(error)

/* A stop gives a call two more seconds: the successor's takeover finds out what happened. */
static bool stop_asked_for(const struct producer *p)
{
    (void)p;
    static _Thread_local int64_t since;
    if (!stop_asked()) {
        since = 0;
        return false;
    }
    if (since == 0)
        since = boot_ms();
    return boot_ms() - since > 2000;
}

static bool twin(struct producer *p, struct err *err)
{
    if (p->options.shared) {
        p->rebuild = true;
        return err_set(err, ERR_LOST, "another process has taken transactional.id %s over", p->id);
    }
    p->has_twin = true;
    if (p->options.twin)
        return err_set(err, ERR_FATAL, "%s", p->options.twin);
    return err_set(err, ERR_FATAL,
                   "another process runs with transactional.id %s: give each its own instance.id",
                   p->id);
}

/* Puts in front what to grant. At the start that must be done first; a right that we have had may
 * come back. */
static bool right_missing(const struct producer *p, struct err *err)
{
    if (err->kind == ERR_LOST) /* out of the group: nothing else counts */
        return false;
    if (p->report == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        err_wrap(err, "Kafka does not let us: grant Write on topic %s", p->report_topic);
    else if (err->code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        err_wrap(err,
                 "Kafka does not let us: grant Write on transactional id %s, or on the prefix "
                 "of all, which is kafka.group.id and a dash",
                 p->id);
    else if (err->code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        err_wrap(err, "Kafka does not let us: grant Read on the group");
    else if (err->code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        err_wrap(err, "Kafka does not let us: grant Read on the inbound topics and Write on the "
                      "outbound ones");
    else
        return false;
    err->kind = !p->proved && kafka_is_starting() ? ERR_FATAL : ERR_RETRY;
    return true;
}

bool producer_open(struct producer *p, struct err *err)
{
    if (p->has_twin)
        return twin(p, err);
    if (p->client && !p->rebuild)
        return true;
    destroy_client(p);
    if (!make_client(p, err))
        return false;
    p->report = RD_KAFKA_RESP_ERR_NO_ERROR; /* was of the handle before */
    rd_kafka_error_t *error = NULL;
    error = rd_kafka_init_transactions(p->client, 5 * CALL_MS);
    if (!error) {
        if (p->handle_ms != p->options.transaction_timeout_ms)
            log_line(LOG_INFO, "a transaction may take longer",
                     "transactional.id=%s transaction.timeout.ms=%d", p->id, p->handle_ms);
        return true;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    kafka_txn_err(err, error, "init_transactions");
    destroy_client(p);
    if (code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT &&
        p->timeout_ms > p->options.transaction_timeout_ms)
        p->timeout_ms = p->options.transaction_timeout_ms;
    else if (code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT)
        err->kind = ERR_FATAL;
    else
        right_missing(p, err);
    return false;
}

/* The broker may have ended our transaction for its age. */
static bool is_too_old(const struct producer *p)
{
    return p->open && boot_ms() - p->begun_ms >= p->handle_ms;
}

/* Two things look the same to librdkafka: the broker has ended our transaction since it was too
 * old, or another process uses our transactional.id. Only our own clock can tell: rebuilding
 * against a twin would fence *it*, and so on without end. */
static bool is_twin(const struct producer *p, rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FENCED && (p->options.shared || !is_too_old(p));
}

/* After the end of a transaction by its time-out the next one gets twice the time. */
static void take_longer(struct producer *p, rd_kafka_resp_err_t code)
{
    bool by_time = (code == RD_KAFKA_RESP_ERR__FENCED && is_too_old(p)) ||
                   code == RD_KAFKA_RESP_ERR_INVALID_TXN_STATE ||
                   p->report == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
    if (!by_time || p->handle_ms >= p->options.transaction_timeout_ms * LONGER_MAX)
        return;
    p->timeout_ms = 2 * p->handle_ms;
    p->rebuild = true;
}

static bool failed(struct producer *p, rd_kafka_error_t *error, const char *what, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool fatal = rd_kafka_error_is_fatal(error);
    rd_kafka_poll(p->client, 0); /* a message that was too late has its report only now */
    kafka_txn_err(err, error, what);
    p->why = code;
    if (p->report &&
        err->kind == ERR_RETRY) /* the commit says only "inconsistent"; the report says why */
        err_wrap(err, "delivery failed (%s)", rd_kafka_err2name(p->report));
    if (fatal || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING || p->failures > 0)
        p->rebuild = true;
    take_longer(p, code);
    if (is_twin(p, code))
        return twin(p, err);
    right_missing(p, err);
    return false;
}

bool producer_begin(struct producer *p, struct err *err)
{
    if (p->options.shared && (!p->client || p->rebuild))
        return err_set(err, ERR_LOST, "transactional.id %s is to be taken over first", p->id);
    if (!producer_open(p, err))
        return false;
    p->report = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(p->client);
    if (error)
        return failed(p, error, "begin_transaction", err);
    p->open = true;
    p->sent = false;
    p->begun_ms = boot_ms();
    return true;
}

static rd_kafka_topic_t *topic_of(struct producer *p, const char *name)
{
    for (int i = 0; i < p->topic_count; i++)
        if (p->topic_names[i] == name || strcmp(p->topic_names[i], name) == 0)
            return p->topics[i];
    if (p->topic_count == (int)(sizeof p->topics / sizeof p->topics[0]))
        return NULL;
    rd_kafka_topic_t *t = rd_kafka_topic_new(p->client, name, NULL);
    if (t) {
        p->topics[p->topic_count] = t;
        p->topic_names[p->topic_count++] = rd_kafka_topic_name(t);
    }
    return t;
}

static rd_kafka_resp_err_t produce_plain(struct producer *p, const struct producer_message *m)
{
    rd_kafka_topic_t *topic = topic_of(p, m->topic);
    if (!topic)
        return rd_kafka_last_error();
    /* The values' cast is safe: with F_COPY the library reads only. */
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                         (void *)(uintptr_t)m->value.p, m->value.n, m->key.p, m->key.n, NULL) == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    return rd_kafka_last_error();
}

/* With headers: the varargs form, since rd_kafka_produceva() with headers crashes on an unknown
 * partition. */
static rd_kafka_resp_err_t produce_headers(struct producer *p, const struct producer_message *m)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(m->header_count);
    for (size_t i = 0; i < m->header_count; i++) {
        const struct producer_header *h = &m->headers[i];
        rd_kafka_header_add(headers, h->name.p, (ssize_t)h->name.n, h->value.p,
                            (ssize_t)h->value.n);
    }
    rd_kafka_resp_err_t code = rd_kafka_producev(
        p->client, RD_KAFKA_V_TOPIC(m->topic),
        RD_KAFKA_V_PARTITION(m->partition ? *m->partition : RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(m->key.p, m->key.n),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)m->value.p, m->value.n), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}

/* Once the handle is done for, produce says only that, and the handle why. */
static bool refused(struct producer *p, rd_kafka_resp_err_t code, const char *topic,
                    struct err *err)
{
    char text[256];
    rd_kafka_poll(p->client, 0); /* why the transaction failed may be known already */
    rd_kafka_resp_err_t why = rd_kafka_fatal_error(p->client, text, sizeof text);
    take_longer(p, why ? why : code);
    if (why) {
        p->rebuild = true;
        p->why = why;
        if (is_twin(p, why))
            return twin(p, err);
        kafka_err(err, why, "produce");
    } else {
        kafka_err(err, code, "produce");
    }
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        p->report = code;
        snprintf(p->report_topic, sizeof p->report_topic, "%s", topic);
    }
    return right_missing(p, err) ? false : err_wrap(err, "%s", topic);
}

bool producer_send(struct producer *p, const struct producer_message *m, struct err *err)
{
    for (int64_t since = 0;;) {
        rd_kafka_resp_err_t code = m->header_count ? produce_headers(p, m) : produce_plain(p, m);
        if (!code)
            return p->sent = true;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || stop_asked_for(p))
            return refused(p, code, m->topic, err);
        if (since == 0)
            since = boot_ms();
        rd_kafka_poll(p->client, 100); /* full: let some go out */
        idle(p, since);
    }
}

bool producer_commit(struct producer *p, const rd_kafka_topic_partition_list_t *offsets,
                     const struct consumer_member *m, struct err *err)
{
    rd_kafka_error_t *error;
    rd_kafka_poll(p->client, 0);
    failpoint(p->options.shared ? "http-before-send-offsets" : "before-send-offsets");
    AGAIN(error, rd_kafka_send_offsets_to_transaction(p->client, offsets,
                                                      consumer_member_metadata(m), CALL_MS));
    if (error)
        return failed(p, error, "send_offsets_to_transaction", err);
    failpoint(p->options.shared ? "http-before-kafka-commit" : "before-kafka-commit");
    AGAIN(error, rd_kafka_commit_transaction(p->client, CALL_MS));
    if (error)
        return failed(p, error, "commit_transaction", err);
    failpoint(p->options.shared ? "http-after-kafka-commit" : "after-kafka-commit");
    p->open = false;
    p->proved = p->proved || p->sent;
    p->failures = 0;
    if (p->sent && p->timeout_ms != p->options.transaction_timeout_ms) {
        p->timeout_ms = p->options.transaction_timeout_ms;
        p->rebuild = !p->options.shared; /* the short time-out again, from the next one on */
    }
    return true;
}

bool producer_settle(struct producer *p, struct err *err)
{
    rd_kafka_error_t *error = NULL;
    if (p->has_twin)
        return twin(p, err);
    if (p->client && p->open && !p->rebuild) {
        p->failures++;
        AGAIN(error, rd_kafka_abort_transaction(p->client, CALL_MS));
        if (error && !failed(p, error, "abort_transaction", err) && err->kind == ERR_FATAL)
            return false;
        if (!error)
            p->open = false;
        else if (!p->rebuild)
            return false;
    }
    if (p->rebuild) {
        log_line(LOG_INFO, "producer is made anew", "transactional.id=%s why=%s", p->id,
                 rd_kafka_err2name(p->why));
        destroy_client(p);
        p->failures = 0;
    }
    return producer_open(p, err);
}

rd_kafka_resp_err_t producer_report(const struct producer *p)
{
    return p->report;
}

bool producer_is_long(const struct producer *p)
{
    return p->client && p->handle_ms > p->timeout_ms;
}

bool producer_is_open(const struct producer *p)
{
    return p->open;
}

rd_kafka_t *producer_client(struct producer *p)
{
    return p->client;
}
