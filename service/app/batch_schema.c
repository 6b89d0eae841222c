#include "app/batch_schema.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/instant.h"
#include "base/log.h"
#include "io/framing.h"

enum { HOLD_MS = 200, FIRST_LOOK_MS = 1000, HELD_QUIET_MS = 60000 };

struct batch_look batch_look(void)
{
    return (struct batch_look){.left_ms = FIRST_LOOK_MS};
}

void batch_schema_hold(struct worker *w, struct slot *slot, struct batch_look *look, int64_t offset,
                       int32_t schema, bool unknown, const char *why)
{
    look->left_ms = 0; /* one wait a batch: all ids that it lacks are fetched meanwhile */
    if (offset >= slot->asked_end) {
        slot->asked_since = w->batches[w->current].polled_at;
        slot->asked_end = slot->next;
    }
    slot->state = SLOT_HELD;
    slot->next = offset;
    slot->held_schema = schema;
    slot->held_unknown = unknown;
    slot->held_until = instant_ticks() + HOLD_MS;
    consumer_pause(w->consumer, slot->topic, slot->partition);
    char text[400];
    snprintf(text, sizeof text, "schema %" PRIu32 " of %s[%d]@%" PRId64 ": %.200s",
             (uint32_t)schema, slot->topic, slot->partition, offset, why);
    w->registry_waits = true;
    worker_waits(w, HEALTH_REGISTRY, text);
}

/* Once for each schema, whichever worker meets it first. */
static void say_schema(const struct slot *slot, const struct registry_schema *s)
{
    if (!registry_first_look(s))
        return;
    if (!s->plan)
        log_line(LOG_WARNING, "a writer's schema is not supported: its records are dead letters",
                 "topic=%s schema=%" PRIu32 " why=\"%s\"", slot->topic, (uint32_t)s->id,
                 s->why.text);
    else if (plan_skipped(s->plan)[0])
        log_line(LOG_INFO, "fields of a writer's schema are not read",
                 "topic=%s schema=%" PRIu32 " fields=\"%s\"", slot->topic, (uint32_t)s->id,
                 plan_skipped(s->plan));
}

/* What the registry said before a record came says nothing of it. Nor does what it said before the
 * partition had waited: only then, all of its ids are asked for again. */
static int64_t since(const struct worker *w, const struct slot *slot, int64_t offset)
{
    return offset < slot->asked_end ? slot->asked_since : w->batches[w->current].polled_at;
}

/* The first id of a batch that is not there has all others asked for, too: the registry answers
 * some at once, and garbage that names a different one in each record would wait for each alone. */
static void ask_for_all(struct worker *w, const struct batch *b)
{
    struct err why = {0};
    int32_t id, before = 0;
    for (size_t i = 0; i < b->piece_count; i++) {
        const rd_kafka_message_t *m = b->pieces[i].message;
        const struct slot *slot = &w->slots[b->pieces[i].slot];
        if ((int64_t)m->len > w->settings->record_max_bytes ||
            !framing_read((struct text){m->payload, m->len}, &id, &why) || (i > 0 && id == before))
            continue;
        if (!slot->schema || slot->schema->id != id)
            registry_ask(w->registry, id, since(w, slot, m->offset));
        before = id;
    }
}

enum registry_answer batch_schema_find(struct worker *w, struct slot *slot, int64_t offset,
                                       int32_t id, struct batch_look *look, struct err *why)
{
    if (slot->schema && slot->schema->id == id) /* a schema that was found stays as it is */
        return REGISTRY_FOUND;
    int64_t from = since(w, slot, offset);
    enum registry_answer answer = registry_find(w->registry, id, from, 0, &slot->schema, why);
    if (answer == REGISTRY_AWAY || answer == REGISTRY_NOT_YET) {
        if (!look->asked)
            ask_for_all(w, &w->batches[w->current]);
        look->asked = true;
        int64_t asked = instant_ticks();
        answer = registry_find(w->registry, id, from, look->left_ms, &slot->schema, why);
        int64_t left = look->left_ms - (instant_ticks() - asked);
        look->left_ms = left > 0 ? (int)left : 0;
    }
    if (answer == REGISTRY_FOUND)
        say_schema(slot, slot->schema);
    return answer == REGISTRY_NOT_YET && instant_ticks() < slot->no_wait_until ? REGISTRY_UNKNOWN
                                                                               : answer;
}

bool batch_unhold(struct worker *w, struct err *err)
{
    if (!w->registry_waits)
        return true;
    rd_kafka_topic_partition_list_t *back = rd_kafka_topic_partition_list_new(1);
    int64_t now = instant_ticks();
    bool held = false;
    for (int i = 0; i < w->slot_count; i++) {
        struct slot *slot = &w->slots[i];
        const struct registry_schema *schema;
        struct err why = {0};
        if (slot->state != SLOT_HELD)
            continue;
        if (now < slot->held_until) {
            held = true;
            continue;
        }
        enum registry_answer answer =
            registry_again(w->registry, slot->held_schema, slot->asked_since, &schema, &why);
        bool unknown = answer == REGISTRY_NOT_YET;
        if (unknown)
            slot->held_unknown = true;
        if (answer == REGISTRY_AWAY || (unknown && now >= slot->no_wait_until)) {
            slot->held_until = now + HOLD_MS;
            held = true;
            continue;
        }
        if (answer == REGISTRY_UNKNOWN && slot->held_unknown) {
            slot->no_wait_until = now + HELD_QUIET_MS;
            slot->asked_since = now;
        }
        rd_kafka_topic_partition_list_add(back, slot->topic, slot->partition)->offset = slot->next;
    }
    bool ok = consumer_seek(w->consumer, back, err);
    for (int i = 0; ok && i < back->cnt; i++)
        worker_slot(w, back->elems[i].topic, back->elems[i].partition)->state = SLOT_RUNNING;
    rd_kafka_topic_partition_list_destroy(back);
    if (ok && !held) {
        w->registry_waits = false;
        worker_goes(w, HEALTH_REGISTRY);
    }
    return ok;
}
