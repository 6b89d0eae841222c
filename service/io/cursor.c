#include "io/cursor.h"

#include <stdlib.h>
#include <string.h>

enum { TOPICS_MAX = 64 };

struct cursors {
    rd_kafka_t *client;
    rd_kafka_topic_t *topics[TOPICS_MAX];
    int topic_count;
};

struct cursor {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic; /* its cursors' */
    int partition;
};

static bool configure(rd_kafka_conf_t *conf, struct err *err)
{
    return kafka_conf_set(conf, "auto.offset.reset", "error", err) &&
           kafka_conf_set(conf, "isolation.level", "read_committed", err) &&
           kafka_conf_set(conf, "check.crcs", "true", err) &&
           kafka_conf_set(conf, "enable.partition.eof", "true", err) &&
           kafka_conf_set(conf, "queued.min.messages", "1000", err) &&
           kafka_conf_set(conf, "queued.max.messages.kbytes", "2048", err);
}

struct cursors *cursors_new(const struct kafka_property *properties, size_t n, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(properties, n, err);
    if (!conf)
        return NULL;
    rd_kafka_t *client = NULL;
    if (configure(conf, err)) {
        client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
        if (!client)
            err_set(err, ERR_FATAL, "Kafka consumer: %s", text);
    }
    if (!client) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    struct cursors *cs = calloc(1, sizeof *cs);
    if (!cs)
        abort();
    cs->client = client;
    return cs;
}

void cursors_free(struct cursors *cs)
{
    if (!cs)
        return;
    for (int i = 0; i < cs->topic_count; i++)
        rd_kafka_topic_destroy(cs->topics[i]);
    kafka_end(cs->client);
    free(cs);
}

static rd_kafka_topic_t *topic_of(struct cursors *cs, const char *name)
{
    for (int i = 0; i < cs->topic_count; i++)
        if (strcmp(rd_kafka_topic_name(cs->topics[i]), name) == 0)
            return cs->topics[i];
    rd_kafka_topic_t *topic =
        cs->topic_count < TOPICS_MAX ? rd_kafka_topic_new(cs->client, name, NULL) : NULL;
    if (topic)
        cs->topics[cs->topic_count++] = topic;
    return topic;
}

struct cursor *cursor_open(struct cursors *cs, const char *topic, int partition, int64_t offset,
                           struct err *err)
{
    rd_kafka_topic_t *t = topic_of(cs, topic);
    if (!t || rd_kafka_consume_start(t, partition, offset) != 0) {
        kafka_err(err, rd_kafka_last_error(), "read from an offset");
        return NULL;
    }
    struct cursor *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    *c = (struct cursor){cs->client, t, partition};
    return c;
}

void cursor_close(struct cursor *c)
{
    if (!c)
        return;
    rd_kafka_consume_stop(c->topic, c->partition);
    free(c);
}

rd_kafka_message_t *cursor_next(struct cursor *c, int64_t *end, struct err *err)
{
    *end = -1;
    err_clear(err);
    rd_kafka_poll(c->client, 0);
    rd_kafka_message_t *m = rd_kafka_consume(c->topic, c->partition, 0);
    if (!m || !m->err)
        return m;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        *end = m->offset;
    else if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        err_set(err, ERR_RETRY, "%s", rd_kafka_message_errstr(m));
    rd_kafka_message_destroy(m);
    return NULL;
}
