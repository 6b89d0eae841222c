#include "io/scan.h"

#include <stdlib.h>

/* Two handles, since a handle's isolation.level decides what it is told to be the end. */
struct scan {
    rd_kafka_t *reader; /* read_committed */
    rd_kafka_t *asker;  /* read_uncommitted */
};

static rd_kafka_t *client_new(const struct kafka_property *properties, size_t n, const char *group,
                              const char *isolation, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(properties, n, err);
    if (!conf)
        return NULL;
    rd_kafka_t *client = NULL;
    bool set = kafka_conf_set(conf, "group.id", group, err) &&
               kafka_conf_set(conf, "enable.auto.commit", "false", err) &&
               kafka_conf_set(conf, "enable.auto.offset.store", "false", err) &&
               kafka_conf_set(conf, "enable.partition.eof", "true", err) &&
               kafka_conf_set(conf, "auto.offset.reset", "earliest", err) &&
               kafka_conf_set(conf, "check.crcs", "true", err) &&
               kafka_conf_set(conf, "isolation.level", isolation, err);
    if (set && !(client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text)))
        err_set(err, ERR_FATAL, "librdkafka: %s", text);
    if (client)
        rd_kafka_poll_set_consumer(client);
    else
        rd_kafka_conf_destroy(conf);
    return client;
}

struct scan *scan_new(const struct kafka_property *properties, size_t n, const char *group,
                      struct err *err)
{
    struct scan *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    if ((s->reader = client_new(properties, n, group, "read_committed", err)) &&
        (s->asker = client_new(properties, n, group, "read_uncommitted", err)))
        return s;
    scan_free(s);
    return NULL;
}

void scan_free(struct scan *s)
{
    if (!s)
        return;
    if (s->reader)
        rd_kafka_consumer_close(s->reader);
    if (s->reader)
        rd_kafka_destroy(s->reader);
    if (s->asker)
        rd_kafka_destroy(s->asker);
    free(s);
}

static bool right_missing(rd_kafka_resp_err_t code, const char *topic, struct err *err)
{
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return err_set(err, ERR_FATAL, "Kafka does not let us: grant Read on topic %s", topic);
    return kafka_err(err, code, topic);
}

/* Why not rd_kafka_query_watermark_offsets(): see consumer_bounds(). */
bool scan_offset_at(struct scan *s, const char *topic, int partition, int64_t ms, int wait_ms,
                    int64_t *offset, struct err *err)
{
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, topic, partition)->offset = ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(s->asker, one, wait_ms);
    if (!code)
        code = one->elems[0].err;
    *offset = one->elems[0].offset < 0 ? -1 : one->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(one);
    return code ? right_missing(code, topic, err) : true;
}

bool scan_bounds(struct scan *s, const char *topic, int partition, int wait_ms, int64_t *low,
                 int64_t *high, struct err *err)
{
    return scan_offset_at(s, topic, partition, RD_KAFKA_OFFSET_BEGINNING, wait_ms, low, err) &&
           scan_offset_at(s, topic, partition, RD_KAFKA_OFFSET_END, wait_ms, high, err);
}

bool scan_start(struct scan *s, const rd_kafka_topic_partition_list_t *parts, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_assign(s->reader, NULL);
    if (!code && parts->cnt > 0)
        code = rd_kafka_assign(s->reader, parts);
    return code ? kafka_err(err, code, "assign") : true;
}

rd_kafka_message_t *scan_poll(struct scan *s, int wait_ms, struct err *err)
{
    err_clear(err);
    rd_kafka_message_t *m = rd_kafka_consumer_poll(s->reader, wait_ms);
    if (!m || !m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return m;
    if (m->rkt)
        right_missing(m->err, rd_kafka_topic_name(m->rkt), err);
    else
        kafka_err(err, m->err, "reading");
    rd_kafka_message_destroy(m);
    return NULL;
}
