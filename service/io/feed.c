#include "io/feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/instant.h"
#include "base/stop.h"

enum { POLL_MS = 20, AGAIN_MS = 100, STOP_MS = 1000 };

struct feed {
    struct feed_options options;
    pthread_mutex_t lock; /* guards the two below: a client is made anew while nobody sends */
    rd_kafka_t *client;
    int senders;
};

/* One call of feed_send(). */
struct load {
    atomic_size_t left;
    int64_t begun;
    bool told; /* that it is slow */
};

/* What a report leads to; its record is the message's opaque. */
struct sent {
    struct load *load;
    struct feed_record *record;
};

/* Runs on whichever thread polls: another one may wait for this record. */
static void reported(rd_kafka_t *client, const rd_kafka_message_t *m, void *arg)
{
    (void)client;
    (void)arg;
    struct sent *s = m->_private;
    s->record->error = m->err;
    s->record->partition = m->partition;
    s->record->offset = m->offset >= 0 ? m->offset : -1;
    atomic_fetch_sub(&s->load->left, 1);
}

/* The broker compares what a topic takes with all that is sent at once, not with one record. */
#define FEED_TOGETHER "65536"

static bool configure(const struct feed *f, rd_kafka_conf_t *conf, struct err *err)
{
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", f->options.timeout_ms);
    return kafka_conf_set(conf, "enable.idempotence", "true", err) &&
           kafka_conf_set(conf, "message.timeout.ms", timeout, err) &&
           kafka_conf_set(conf, "linger.ms", "1", err) &&
           kafka_conf_set(conf, "batch.size", FEED_TOGETHER, err) &&
           kafka_conf_set(conf, "partitioner", "murmur2_random", err);
}

static rd_kafka_t *make_client(struct feed *f, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(f->options.properties, f->options.property_count, err);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_dr_msg_cb(conf, reported);
    if (!configure(f, conf, err)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_FATAL, "Kafka producer: %s", text);
    }
    return client;
}

struct feed *feed_new(const struct feed_options *options, struct err *err)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->options = *options;
    pthread_mutex_init(&f->lock, NULL);
    f->client = make_client(f, err);
    if (f->client)
        return f;
    feed_free(f);
    return NULL;
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    if (f->client)
        rd_kafka_destroy(f->client);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* A fatal error ends an idempotent client for good; what it was may have been mended. */
static bool renew(struct feed *f, struct err *err)
{
    char text[256];
    bool good = true;
    pthread_mutex_lock(&f->lock);
    if (f->senders == 0 && rd_kafka_fatal_error(f->client, text, sizeof text)) {
        rd_kafka_t *client = make_client(f, err);
        good = client != NULL;
        if (good) {
            rd_kafka_destroy(f->client);
            f->client = client;
        }
    }
    f->senders += good;
    pthread_mutex_unlock(&f->lock);
    return good;
}

static void leave(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->senders--;
    pthread_mutex_unlock(&f->lock);
}

static bool judge_topic(const struct feed *f, const struct rd_kafka_metadata *m, struct err *err)
{
    const char *topic = f->options.topic;
    rd_kafka_resp_err_t code = m->topic_cnt > 0 ? m->topics[0].err : RD_KAFKA_RESP_ERR__FAIL;
    if (kafka_is_right_missing(code))
        return err_set(err, ERR_FATAL, "Kafka does not let us: grant Write on topic %s", topic);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        (!code && m->topics[0].partition_cnt == 0))
        return err_set(err, ERR_FATAL, "topic %s does not exist: `usaged topics --create` makes it",
                       topic);
    return !code || kafka_err(err, code, topic);
}

static bool ask(struct feed *f, rd_kafka_topic_t *topic, int wait_ms, struct err *err)
{
    const struct rd_kafka_metadata *m = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(f->client, 0, topic, &m, wait_ms);
    if (code)
        return kafka_err(err, code, "no broker answers");
    bool good = judge_topic(f, m, err);
    rd_kafka_metadata_destroy(m);
    return good;
}

/* A question fails at once when its connection ends, which may be an old one. */
bool feed_ready(struct feed *f, int wait_ms, struct err *err)
{
    int64_t end = instant_ticks() + wait_ms;
    if (!renew(f, err))
        return false;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(f->client, f->options.topic, NULL);
    bool good;
    do {
        int64_t left = end - instant_ticks();
        good = ask(f, topic, left > AGAIN_MS ? (int)left : AGAIN_MS, err);
    } while (!good && err->kind == ERR_RETRY && instant_ticks() < end - AGAIN_MS &&
             !stop_wait(AGAIN_MS));
    rd_kafka_topic_destroy(topic);
    leave(f);
    return good;
}

static void send_one(struct feed *f, struct sent *s)
{
    rd_kafka_resp_err_t code;
    struct feed_record *r = s->record;
    rd_kafka_headers_t *headers = NULL;
    if (f->options.header && r->header.p) {
        headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, f->options.header, -1, r->header.p, (ssize_t)r->header.n);
    }
    do {
        code = rd_kafka_producev(f->client, RD_KAFKA_V_TOPIC(f->options.topic),
                                 RD_KAFKA_V_KEY(r->key.p, r->key.n),
                                 RD_KAFKA_V_VALUE((void *)r->value.p, r->value.n),
                                 RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(s), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) /* others send too */
            rd_kafka_poll(f->client, POLL_MS);
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && !stop_asked());
    if (!code)
        return; /* the headers are librdkafka's now */
    if (headers)
        rd_kafka_headers_destroy(headers);
    r->error = code;
    atomic_fetch_sub(&s->load->left, 1);
}

static bool is_slow(const struct feed *f, const struct load *load, int64_t now)
{
    return f->options.slow && !load->told && now - load->begun >= f->options.slow_ms;
}

/* The values are not copied, so nothing returns before the last report; librdkafka gives each. */
static void wait_for(struct feed *f, struct load *load)
{
    int64_t stopped = 0;
    while (atomic_load(&load->left) > 0) {
        rd_kafka_poll(f->client, POLL_MS);
        int64_t now = instant_ticks();
        if (is_slow(f, load, now)) {
            load->told = true;
            f->options.slow(f->options.slow_arg, "the brokers acknowledge nothing");
        }
        if (!stop_asked())
            continue;
        stopped = stopped ? stopped : now;
        if (now - stopped >= STOP_MS) {
            rd_kafka_purge(f->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
            stopped = now;
        }
    }
}

void feed_send(struct feed *f, struct feed_record *records, size_t n)
{
    struct err err;
    struct load load = {.begun = instant_ticks()};
    atomic_init(&load.left, n);
    struct sent *sent = calloc(n + 1, sizeof *sent);
    if (!sent)
        abort();
    if (!renew(f, &err)) {
        for (size_t i = 0; i < n; i++)
            records[i].error = RD_KAFKA_RESP_ERR__FAIL;
        free(sent);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        sent[i] = (struct sent){&load, &records[i]};
        send_one(f, &sent[i]);
    }
    wait_for(f, &load);
    leave(f);
    free(sent);
}

bool feed_is_too_large(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}
