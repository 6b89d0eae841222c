#include "app/publish.h"

#include "base/failpoint.h"
#include "base/instant.h"

static const char *topic_name(const struct settings *s, int topic)
{
    return topic == OUTBOX_DEAD            ? s->topic_dead_letter
           : topic == OUTBOX_SPECIFICATION ? s->topic_specification
                                           : s->topic_events[topic];
}

bool publish_send(struct producer *p, const struct settings *s, struct text bytes,
                  uint64_t counts[OUTBOX_TOPICS], struct err *err)
{
    struct outbox_message m; /* its headers are structs of the same two texts */
    _Static_assert(sizeof(struct outbox_header) == sizeof(struct producer_header),
                   "headers are passed on as they are");
    size_t at = 0;
    while (outbox_next(bytes, &at, &m, err)) {
        struct producer_message out = {.topic = topic_name(s, m.topic),
                                       .key = m.key,
                                       .value = m.value,
                                       .headers = (const struct producer_header *)m.headers,
                                       .header_count = m.header_count};
        if (!producer_send(p, &out, err))
            return false;
        counts[m.topic]++;
    }
    return err->kind == ERR_NONE;
}

void publish_count(const uint64_t counts[OUTBOX_TOPICS])
{
    for (int i = 0; i < OUTBOX_TOPICS; i++)
        if (counts[i] > 0)
            metrics_events(i, counts[i]);
}

bool publish_begin(struct worker *w, struct batch *b, struct err *err)
{
    uint64_t counts[OUTBOX_TOPICS] = {0};
    if (!b->member)
        return err_set(err, ERR_LOST, "the group has taken the partitions away");
    w->publishing = b;
    w->busy = true;
    bool ok = producer_begin(w->producer, err);
    for (size_t i = 0; ok && i < b->part_count; i++)
        ok = publish_send(w->producer, w->settings,
                          (struct text){b->parts[i].messages.data, b->parts[i].messages.len},
                          counts, err);
    w->busy = false;
    return ok;
}

static void note_published(struct worker *w, const struct batch *b)
{
    for (size_t i = 0; i < b->part_count; i++) {
        struct slot *slot = &w->slots[b->part_slots[i]];
        slot->published = b->parts[i].to;
        metrics_offset(slot->topic_index, slot->partition, MARK_PUBLISHED, slot->published);
    }
}

static void count_published(const struct batch *b)
{
    uint64_t counts[OUTBOX_TOPICS] = {0};
    for (size_t i = 0; i < b->part_count; i++)
        for (int t = 0; t < OUTBOX_TOPICS; t++)
            counts[t] += b->parts[i].events[t];
    publish_count(counts);
}

bool publish_finish(struct worker *w, struct err *err)
{
    struct batch *b = w->publishing;
    if (!b)
        return true;
    if (b->generation !=
        w->generation) { /* a rebalance: whoever has the partitions now publishes it */
        w->must_take_over = true;
        return true;
    }
    int64_t start = instant_ticks();
    rd_kafka_topic_partition_list_t *offsets =
        rd_kafka_topic_partition_list_new((int)b->part_count);
    for (size_t i = 0; i < b->part_count; i++)
        rd_kafka_topic_partition_list_add(offsets, b->parts[i].topic, b->parts[i].partition)
            ->offset = b->parts[i].to;
    w->busy = true;
    bool ok = producer_commit(w->producer, offsets, b->member, err);
    w->busy = false;
    rd_kafka_topic_partition_list_destroy(offsets);
    if (!ok)
        return false;
    w->publishing = NULL;
    worker_goes(w, HEALTH_KAFKA);
    if (b->generation == w->generation)
        note_published(w, b);
    count_published(b);
    metrics_stage(STAGE_PUBLISH, (double)(instant_ticks() - start) / 1000);
    metrics_delays(true, b->arrivals, b->arrival_count);
    return true;
}

/* As the member that began the takeover: the broker would let a later one pass, whoever has the
 * partitions now. */
static bool alone(struct worker *w, const rd_kafka_topic_partition_list_t *offsets,
                  struct text messages, struct err *err)
{
    uint64_t counts[OUTBOX_TOPICS] = {0};
    struct consumer_member *m = consumer_member(w->consumer);
    if (!m || w->generation != w->taking)
        return err_set(err, ERR_LOST, "the group has taken the partitions away");
    consumer_member_keep(m);
    bool ok = producer_begin(w->producer, err) &&
              publish_send(w->producer, w->settings, messages, counts, err) &&
              producer_commit(w->producer, offsets, m, err);
    consumer_member_drop(m);
    if (ok)
        publish_count(counts);
    return ok;
}

bool publish_left(struct worker *w, const char *topic, int partition, int64_t to,
                  struct text messages, struct err *err)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, topic, partition)->offset = to;
    bool ok = alone(w, offsets, messages, err);
    rd_kafka_topic_partition_list_destroy(offsets);
    return ok;
}

bool publish_offsets(struct worker *w, const rd_kafka_topic_partition_list_t *offsets,
                     struct err *err)
{
    return alone(w, offsets, (struct text){0}, err);
}
