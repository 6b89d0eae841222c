#include "app/http_mark.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/admin.h"

enum { SWEEP_MS = 15000 }; /* how much later than its time-out the broker ends a transaction */

struct http_mark {
    const struct settings *settings;
    char group[260];
    struct producer *producer;
    struct consumer_member *member;
    bool proved; /* it was committed: no right was missing then */
};

struct http_mark *http_mark_new(const struct settings *s, void (*idle)(void *arg, int waited_ms),
                                void *arg)
{
    struct http_mark *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    m->settings = s;
    snprintf(m->group, sizeof m->group, "%s-http", s->group);
    m->member = consumer_member_outside(m->group);
    m->producer = producer_new(
        &(struct producer_options){.properties = (const struct kafka_property *)s->kafka,
                                   .property_count = (size_t)s->kafka_count,
                                   .transactional_id = m->group,
                                   .transaction_timeout_ms = s->transaction_timeout_ms,
                                   .shared = true,
                                   .idle = idle,
                                   .idle_arg = arg,
                                   .batch_bytes = settings_largest_message(s)});
    return m;
}

void http_mark_free(struct http_mark *m)
{
    if (!m)
        return;
    producer_free(m->producer);
    consumer_member_drop(m->member);
    free(m);
}

bool http_mark_take(struct http_mark *m, struct err *err)
{
    producer_drop(m->producer);
    return producer_open(m->producer, err);
}

void http_mark_let_go(struct http_mark *m)
{
    producer_drop(m->producer);
}

struct producer *http_mark_producer(const struct http_mark *m)
{
    return m->producer;
}

static rd_kafka_topic_partition_list_t *place(const struct http_mark *m, int64_t position)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(parts, m->settings->topic_events[EVENT_CREATE], 0)->offset =
        position;
    return parts;
}

/* At the start a right must be granted first; one that we have had may come back. */
static bool right_missing(const struct http_mark *m, struct err *err)
{
    if (m->proved || !kafka_is_starting())
        err->kind = ERR_RETRY;
    return false;
}

bool http_mark_read(const struct http_mark *m, int64_t *position, struct err *err)
{
    const struct settings *s = m->settings;
    rd_kafka_topic_partition_list_t *parts = place(m, RD_KAFKA_OFFSET_INVALID);
    bool ok = admin_committed((const struct kafka_property *)s->kafka, (size_t)s->kafka_count,
                              m->group, parts, s->transaction_timeout_ms + SWEEP_MS, err);
    if (ok)
        *position = parts->elems[0].offset < 0 ? -1 : parts->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(parts);
    return ok || (kafka_is_right_missing(err->code) && right_missing(m, err));
}

/* The producer does not know what the offset is of. */
static bool name_right(const struct http_mark *m, struct err *err)
{
    if (err->code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        return err_wrap(err, "Kafka does not let us: grant Read on group %s", m->group) ||
               right_missing(m, err);
    if (err->code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return err_wrap(err, "Kafka does not let us: grant Read on topic %s",
                        m->settings->topic_events[EVENT_CREATE]);
    return false;
}

bool http_mark_commit(struct http_mark *m, int64_t position, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = place(m, position);
    bool ok = producer_commit(m->producer, parts, m->member, err);
    rd_kafka_topic_partition_list_destroy(parts);
    m->proved = m->proved || ok;
    return ok || name_right(m, err);
}

bool http_mark_commit_alone(struct http_mark *m, int64_t position, struct err *err)
{
    return producer_begin(m->producer, err) && http_mark_commit(m, position, err);
}
