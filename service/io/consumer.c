#include "io/consumer.h"

#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"

struct consumer_member {
    int count;
    rd_kafka_consumer_group_metadata_t *metadata;
};

struct consumer {
    rd_kafka_t *client;
    struct consumer_options options;
    struct consumer_member *member;
    rd_kafka_topic_partition_list_t *held;    /* what is assigned */
    rd_kafka_topic_partition_list_t *paused;  /* a pause survives a rebalance: it is ours to undo */
    rd_kafka_topic_partition_list_t *read;    /* topics of which a message has come */
    rd_kafka_topic_partition_list_t *missing; /* topics that were said not to be there */
    const rd_kafka_topic_t *last;             /* the last message's */
    bool joined; /* the group has given us something, if only nothing */
    bool begun;  /* .. and it is being read */
    char *cluster;
};

struct consumer_member *consumer_member_keep(struct consumer_member *m)
{
    if (m)
        m->count++;
    return m;
}

void consumer_member_drop(struct consumer_member *m)
{
    if (!m || --m->count > 0)
        return;
    rd_kafka_consumer_group_metadata_destroy(m->metadata);
    free(m);
}

const rd_kafka_consumer_group_metadata_t *consumer_member_metadata(const struct consumer_member *m)
{
    return m->metadata;
}

static struct consumer_member *member_of(rd_kafka_consumer_group_metadata_t *metadata)
{
    if (!metadata)
        return NULL;
    struct consumer_member *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    m->count = 1;
    m->metadata = metadata;
    return m;
}

struct consumer_member *consumer_member_outside(const char *group)
{
    return member_of(rd_kafka_consumer_group_metadata_new(group));
}

static void forget_held(struct consumer *c)
{
    if (c->held)
        rd_kafka_topic_partition_list_destroy(c->held);
    c->held = NULL;
}

/* Resumes the partitions of `parts` that we have paused, and only those: resuming one that is not
 * paused may read again from an old position. */
static void resume(struct consumer *c, const rd_kafka_topic_partition_list_t *parts)
{
    for (int i = c->paused->cnt - 1; i >= 0; i--) {
        const rd_kafka_topic_partition_t *p = &c->paused->elems[i];
        if (!rd_kafka_topic_partition_list_find(parts, p->topic, p->partition))
            continue;
        rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(one, p->topic, p->partition);
        rd_kafka_resume_partitions(c->client, one);
        rd_kafka_topic_partition_list_destroy(one);
        rd_kafka_topic_partition_list_del_by_idx(c->paused, i);
    }
}

/* ASSIGN is always answered with rd_kafka_assign(list), an empty list when nothing can be read (all
 * is refused, or not taken over yet): assign(NULL) here can leave the consumer outside the group
 * for ever.
 *
 * What is not taken over yet has no offset to begin at, and a logical one must not stand in for it:
 * librdkafka asks the broker what it is, a seek meanwhile makes the answer outdated, and half a
 * second later it asks again and goes there, past the records that have come between. */
static void assign(struct consumer *c, rd_kafka_topic_partition_list_t *given)
{
    forget_held(c);
    c->joined = true;
    consumer_member_drop(c->member);
    c->member = member_of(rd_kafka_consumer_group_metadata(c->client));
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_copy(given);
    bool taken = c->options.assigned(c->options.arg, parts);
    if (!taken) {
        rd_kafka_topic_partition_list_destroy(parts);
        parts = rd_kafka_topic_partition_list_new(1);
    }
    rd_kafka_assign(c->client, parts);
    c->held = parts;
    c->begun = taken;
    if (taken)
        resume(c, parts);
}

static void revoke(struct consumer *c)
{
    c->options.revoked(c->options.arg);
    consumer_member_drop(c->member);
    c->member = NULL;
    rd_kafka_assign(c->client, NULL);
    forget_held(c);
    c->begun = false;
}

static void rebalance_cb(rd_kafka_t *client, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *parts, void *arg)
{
    (void)client;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        assign(arg, parts);
    else
        revoke(arg);
}

static bool configure(rd_kafka_conf_t *conf, const struct consumer_options *o, struct err *err)
{
    return kafka_conf_set(conf, "group.id", o->group, err) &&
           kafka_conf_set(conf, "enable.auto.commit", "false", err) &&
           kafka_conf_set(conf, "enable.auto.offset.store", "false", err) &&
           kafka_conf_set(conf, "auto.offset.reset", "error", err) &&
           kafka_conf_set(conf, "isolation.level", "read_committed", err) &&
           kafka_conf_set(conf, "check.crcs", "true", err) &&
           kafka_conf_set(conf, "enable.partition.eof", "true", err) &&
           kafka_conf_set(conf, "partition.assignment.strategy", "range", err);
}

static bool subscribe(struct consumer *c, struct err *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)c->options.topic_count);
    for (size_t i = 0; i < c->options.topic_count; i++)
        rd_kafka_topic_partition_list_add(list, c->options.topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? kafka_err(err, code, "subscribe") : true;
}

struct consumer *consumer_new(const struct consumer_options *options, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(options->properties, options->property_count, err);
    if (!conf)
        return NULL;
    struct consumer *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->options = *options;
    c->paused = rd_kafka_topic_partition_list_new(4);
    c->read = rd_kafka_topic_partition_list_new(4);
    c->missing = rd_kafka_topic_partition_list_new(4);
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_rebalance_cb(conf, rebalance_cb);
    if (!configure(conf, options, err)) {
        rd_kafka_conf_destroy(conf);
        consumer_free(c);
        return NULL;
    }
    c->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!c->client) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_FATAL, "Kafka consumer: %s", text);
        consumer_free(c);
        return NULL;
    }
    rd_kafka_poll_set_consumer(c->client);
    if (!subscribe(c, err)) {
        consumer_free(c);
        return NULL;
    }
    c->options.topics = NULL; /* the caller's, like the names: not kept */
    c->options.group = NULL;
    return c;
}

void consumer_free(struct consumer *c)
{
    if (!c)
        return;
    if (c->client) {
        rd_kafka_consumer_close(c->client);
        kafka_end(c->client);
    }
    consumer_member_drop(c->member);
    forget_held(c);
    rd_kafka_topic_partition_list_destroy(c->paused);
    rd_kafka_topic_partition_list_destroy(c->read);
    rd_kafka_topic_partition_list_destroy(c->missing);
    free(c->cluster);
    free(c);
}

static bool was_read(const struct consumer *c, const char *topic)
{
    return rd_kafka_topic_partition_list_find(c->read, topic, RD_KAFKA_PARTITION_UA) != NULL;
}

static void note_read(struct consumer *c, const rd_kafka_topic_t *topic)
{
    const char *name = rd_kafka_topic_name(topic);
    c->last = topic;
    if (!was_read(c, name))
        rd_kafka_topic_partition_list_add(c->read, name, RD_KAFKA_PARTITION_UA);
}

/* At the start it must be granted first; a right that we have had may come back. */
static bool right_missing(const struct consumer *c, rd_kafka_resp_err_t code, const char *topic,
                          struct err *err)
{
    char group[256] = "";
    size_t n = sizeof group;
    bool of_topic = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    rd_kafka_conf_get(rd_kafka_conf(c->client), "group.id", group, &n);
    bool had = of_topic ? was_read(c, topic) : c->joined;
    err_set(err, !had && kafka_is_starting() ? ERR_FATAL : ERR_RETRY,
            "Kafka does not let us: grant Read on %s %s", of_topic ? "topic" : "group",
            of_topic ? topic : group);
    err->code = code;
    err->part = "kafka";
    return false;
}

/* Once: it may come at any time, and may as well be a slip of the pen. */
static void say_missing(struct consumer *c, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;
    if (!topic || rd_kafka_topic_partition_list_find(c->missing, topic, 0))
        return;
    rd_kafka_topic_partition_list_add(c->missing, topic, 0);
    log_line(LOG_WARNING, "a topic is not there: it is read as soon as it is", "topic=%s", topic);
}

static void classify(struct consumer *c, const rd_kafka_message_t *m, struct err *err)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: /* an inbound topic that is not there yet is
                                                     waited for */
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        say_missing(c, m);
        return;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        consumer_member_drop(c->member);
        c->member = NULL;
        err_set(err, ERR_LOST, "max.poll.interval.ms has passed without a poll");
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        err_set(err, ERR_RETRY, "%s[%d]: no such offset any more: %s",
                m->rkt ? rd_kafka_topic_name(m->rkt) : "?", (int)m->partition,
                rd_kafka_message_errstr(m));
        return;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        right_missing(c, m->err, m->rkt ? rd_kafka_topic_name(m->rkt) : "?", err);
        return;
    default: /* something new: the operator should see it */
        err_set(err, ERR_RETRY, "%s", rd_kafka_message_errstr(m));
        err->code = m->err;
        err->part = "kafka";
    }
}

rd_kafka_message_t *consumer_poll(struct consumer *c, int wait_ms, struct err *err)
{
    err_clear(err);
    rd_kafka_message_t *m = rd_kafka_consumer_poll(c->client, wait_ms);
    if (m && !m->err && m->rkt != c->last)
        note_read(c, m->rkt);
    if (!m || !m->err || consumer_is_end(m))
        return m;
    classify(c, m, err);
    rd_kafka_message_destroy(m);
    return NULL;
}

bool consumer_is_end(const rd_kafka_message_t *m)
{
    return m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
}

struct consumer_member *consumer_member(const struct consumer *c)
{
    return c->member;
}

/* librdkafka 2.0.2 takes the timeout of a seek in microseconds: five seconds are five million. */
enum { SEEK_US = 5000000, SEEK_TRIES = 40, SEEK_AGAIN_MS = 50 };

static bool seek_once(struct consumer *c, rd_kafka_topic_partition_list_t *parts, struct err *err)
{
    rd_kafka_error_t *error = rd_kafka_seek_partitions(c->client, parts, SEEK_US);
    if (error) {
        kafka_txn_err(err, error, "seek");
        err->kind = ERR_RETRY;
        return false;
    }
    for (int i = 0; i < parts->cnt; i++)
        if (parts->elems[i].err)
            return kafka_err(err, parts->elems[i].err, "seek");
    return true;
}

static bool holds_all(const struct consumer *c, rd_kafka_topic_partition_list_t *parts)
{
    for (int i = 0; i < parts->cnt; i++)
        if (!rd_kafka_topic_partition_list_find(c->held, parts->elems[i].topic,
                                                parts->elems[i].partition))
            return false;
    return true;
}

/* What an ASSIGN has given and nobody has read yet, or one more that was refused before. */
bool consumer_begin(struct consumer *c, const rd_kafka_topic_partition_list_t *parts,
                    struct err *err)
{
    c->begun = false;
    rd_kafka_resp_err_t code = rd_kafka_assign(c->client, parts);
    if (code)
        return kafka_err(err, code, "assign");
    forget_held(c);
    c->held = rd_kafka_topic_partition_list_copy(parts);
    c->begun = true;
    resume(c, parts);
    return true;
}

bool consumer_seek(struct consumer *c, rd_kafka_topic_partition_list_t *parts, struct err *err)
{
    if (parts->cnt == 0)
        return true;
    if (!c->begun || !holds_all(c, parts))
        return consumer_begin(c, parts, err);
    for (int i = 0; !seek_once(c, parts, err); i++)
        if (i == SEEK_TRIES ||
            stop_wait(SEEK_AGAIN_MS)) /* a partition just assigned has not started yet */
            return false;
    resume(c, parts);
    return true;
}

void consumer_pause(struct consumer *c, const char *topic, int partition)
{
    if (rd_kafka_topic_partition_list_find(c->paused, topic, partition))
        return;
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, topic, partition);
    rd_kafka_pause_partitions(c->client, one);
    rd_kafka_topic_partition_list_destroy(one);
    rd_kafka_topic_partition_list_add(c->paused, topic, partition);
}

void consumer_pause_all(struct consumer *c)
{
    for (int i = 0; c->held && i < c->held->cnt; i++)
        consumer_pause(c, c->held->elems[i].topic, c->held->elems[i].partition);
}

bool consumer_committed(struct consumer *c, rd_kafka_topic_partition_list_t *parts, int wait_ms,
                        struct err *err)
{
    if (parts->cnt == 0)
        return true;
    rd_kafka_resp_err_t code = rd_kafka_committed(c->client, parts, wait_ms);
    int i = 0; /* the part that has the error */
    while (!code && i < parts->cnt && !(code = parts->elems[i].err))
        i++;
    if (kafka_is_right_missing(code))
        return right_missing(c, code, i < parts->cnt ? parts->elems[i].topic : "?", err);
    return code ? kafka_err(err, code, "committed offsets") : true;
}

/* Not rd_kafka_query_watermark_offsets(): librdkafka 2.0.2 forgets that call's timeout, and a
 * broker that is silent holds the thread for a minute and more. This one sends the same request and
 * keeps it. */
static bool bounds(struct consumer *c, const rd_kafka_topic_partition_list_t *parts, int64_t which,
                   int wait_ms, int64_t *out, struct err *err)
{
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_copy(parts);
    for (int i = 0; i < asked->cnt; i++)
        asked->elems[i].offset = which;
    rd_kafka_resp_err_t code =
        asked->cnt > 0 ? rd_kafka_offsets_for_times(c->client, asked, wait_ms) : 0;
    for (int i = 0; i < asked->cnt; i++) {
        code = code ? code : asked->elems[i].err;
        out[i] = asked->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(asked);
    return code ? kafka_err(err, code, "watermarks") : true;
}

bool consumer_bounds_all(struct consumer *c, const rd_kafka_topic_partition_list_t *parts,
                         int wait_ms, int64_t *low, int64_t *high, struct err *err)
{
    return (!low || bounds(c, parts, RD_KAFKA_OFFSET_BEGINNING, wait_ms, low, err)) &&
           (!high || bounds(c, parts, RD_KAFKA_OFFSET_END, wait_ms, high, err));
}

bool consumer_bounds(struct consumer *c, const char *topic, int partition, int wait_ms,
                     int64_t *low, int64_t *high, struct err *err)
{
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, topic, partition);
    bool good = consumer_bounds_all(c, one, wait_ms, low, high, err);
    rd_kafka_topic_partition_list_destroy(one);
    return good;
}

const char *consumer_cluster(struct consumer *c, int wait_ms)
{
    if (!c->cluster) {
        char *id = rd_kafka_clusterid(c->client, wait_ms);
        if (id) {
            c->cluster = strdup(id);
            rd_kafka_mem_free(c->client, id);
        }
    }
    return c->cluster;
}

rd_kafka_t *consumer_client(struct consumer *c)
{
    return c->client;
}
