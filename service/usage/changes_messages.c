/* Messages of changes.h: the events, the outbox bytes and the counts of each part. */
#include "usage/changes_parts.h"
#include "usage/id.h"

/* A broker takes any number as a record's timestamp; readers do not. */
static bool is_a_date(int64_t ms)
{
    return ms >= 0 && ms <= INT64_C(253402300799999); /* the end of the year 9999 */
}

static void event_of(const struct changes *c, const struct effect *f, struct event *out)
{
    *out =
        (struct event){.type = f->type,
                       .schema_id = c->settings->schema_ids[f->type],
                       .usage = f->after,
                       .base_url = c->settings->base_url,
                       .event_time = c->now_ms,
                       .occurred = is_a_date(f->cause->timestamp) ? f->cause->timestamp : c->now_ms,
                       .source = f->source,
                       .record_id = f->record_id,
                       .previous = f->previous,
                       .field_path = f->field_path};
}

/* Only an event that may pass the limit is written twice, once to be measured. */
bool changes_event_too_large(const struct changes *c, const struct effect *f)
{
    struct event event;
    event_of(c, f, &event);
    if ((int64_t)event_bytes_max(&event) <= c->settings->event_max)
        return false;
    struct buf b = {0};
    event_write(&b, &event);
    bool large = (int64_t)b.len > c->settings->event_max;
    buf_fini(&b);
    return large;
}

/* The event's key. */
static struct text key_of(const struct changes *c, const struct usage *u, char id[37])
{
    const struct related_party *party = c->settings->key_is_id ? NULL : usage_subscriber(u);
    if (party)
        return party->id;
    id_print(&u->id, id);
    return text_of(id);
}

static void write_dead(struct changes *c, struct part *part, const struct inbound *in,
                       enum reason reason, const char *text)
{
    inbound_dead_letter(&part->messages, in, reason, text, c->settings->event_max);
    part->events[OUTBOX_DEAD]++;
}

static void write_effect(struct changes *c, struct part *part, const struct effect *f)
{
    char id[37];
    struct event event;
    if (f->dead != REASON_NONE) {
        write_dead(c, part, f->cause, f->dead, f->dead_text);
        c->parked_dead++;
        return;
    }
    struct inbound_trace trace = inbound_trace(f->cause);
    outbox_begin(&part->messages, (int)f->type, key_of(c, f->after, id), trace.headers,
                 trace.count);
    size_t mark = outbox_value_begin(&part->messages);
    event_of(c, f, &event);
    event_write(&part->messages, &event);
    outbox_value_end(&part->messages, mark);
    part->events[f->type]++;
}

void changes_messages(struct changes *c)
{
    c->parked_dead = 0;
    for (size_t i = 0; i < c->part_count; i++) {
        struct part *p = &c->parts[i];
        buf_reset(&p->messages);
        memset(p->outcomes, 0, sizeof p->outcomes);
        memset(p->dead, 0, sizeof p->dead);
        memset(p->events, 0, sizeof p->events);
    }
    size_t bytes = 0;
    for (c->told = 0; c->told < c->entry_count; c->told++) {
        struct entry *e = &c->entries[c->told];
        struct part *part = &c->parts[e->part];
        if (c->messages_max > 0 && bytes > c->messages_max)
            return;
        size_t before = part->messages.len;
        if (e->outcome != OUTCOME_COUNT)
            part->outcomes[e->outcome]++;
        if (e->outcome == OUTCOME_DEAD) {
            write_dead(c, part, &e->in, e->reason, e->text);
            part->dead[e->reason]++;
        }
        for (const struct effect *f = e->effects; f; f = f->next)
            write_effect(c, part, f);
        bytes += part->messages.len - before;
    }
}
