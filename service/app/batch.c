#include "app/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/batch_schema.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"
#include "io/framing.h"
#include "io/reader.h"

/* What the records of a batch may become in memory: a few hundred kB of Avro can hold a hundred
 * thousand tiny items. */
enum { DECODED_MAX = 32 * 1024 * 1024 };

/* What is told of a batch is seldom more than twice what was read. */
enum { TOLD_FACTOR = 2 };

enum { TAIL_MS = 5000 };

enum { HEADERS_MAX = OUTBOX_HEADERS_MAX - 24 };

void batch_init(struct batch *b, const struct settings *s)
{
    *b = (struct batch){0};
    b->pieces = calloc((size_t)s->batch_records, sizeof *b->pieces);
    b->arrivals = calloc((size_t)s->batch_records, sizeof *b->arrivals);
    if (!b->pieces || !b->arrivals)
        abort();
}

void batch_fini(struct batch *b)
{
    for (size_t i = 0; i < b->part_size; i++)
        buf_fini(&b->parts[i].messages);
    free(b->pieces);
    free(b->arrivals);
    free(b->parts);
    free(b->part_slots);
    free(b->store_parts);
}

/* --- polling --- */

/* What a message is in memory: headers as well, which may be more than all the rest. */
static size_t piece_bytes(rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    size_t n = m->len + m->key_len;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return n;
    for (size_t i = 0; i < rd_kafka_header_cnt(headers); i++) {
        const char *name;
        const void *value;
        size_t size;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
            n += strlen(name) + size;
    }
    return n;
}

static void take_rest(struct worker *w, struct batch *b)
{
    for (size_t i = 0; i < w->rest_count; i++) {
        b->pieces[b->piece_count++] = w->rest[i];
        b->bytes += piece_bytes(w->rest[i].message);
    }
    w->rest_count = 0;
}

static void add(struct worker *w, struct batch *b, rd_kafka_message_t *m)
{
    struct slot *slot = worker_slot(w, rd_kafka_topic_name(m->rkt), m->partition);
    if (!slot || slot->state != SLOT_RUNNING || m->offset < slot->next) {
        rd_kafka_message_destroy(m); /* of a partition that is not ours any more, or again */
        return;
    }
    slot->next = m->offset + 1;
    b->pieces[b->piece_count++] = (struct piece){m, (int)(slot - w->slots)};
    b->bytes += piece_bytes(m);
}

static void note_end(struct worker *w, const rd_kafka_message_t *m)
{
    struct slot *slot = worker_slot(w, rd_kafka_topic_name(m->rkt), m->partition);
    if (!slot || slot->state != SLOT_RUNNING || m->offset <= slot->next)
        return;
    if (slot->end_from != slot->next)
        slot->end_at = instant_ticks();
    slot->end_from = slot->next;
    slot->end = m->offset;
}

/* Behind its last record a partition ends with the markers of its producer's transactions. They are
 * stored too, as records that are none, or retention would find something that nobody has read; but
 * only where nothing has followed them for a while, or there would be twice as many batches. */
static bool has_tail(const struct slot *slot)
{
    return slot->state == SLOT_RUNNING && slot->stored == slot->next &&
           slot->end_from == slot->next && slot->end > slot->next &&
           instant_ticks() - slot->end_at >= TAIL_MS;
}

static bool has_tails(const struct worker *w)
{
    for (int i = 0; i < w->slot_count; i++)
        if (has_tail(&w->slots[i]))
            return true;
    return false;
}

/* What is there already costs no look at the clock. */
static rd_kafka_message_t *take_message(struct worker *w, int64_t end, struct err *err)
{
    rd_kafka_message_t *m = consumer_poll(w->consumer, 0, err);
    if (m || err->kind != ERR_NONE)
        return m;
    int64_t left = end - instant_ticks();
    return left > 0 ? consumer_poll(w->consumer, (int)left, err) : NULL;
}

bool batch_collect(struct worker *w, struct batch *b, int wait_ms, struct err *err)
{
    const struct settings *s = w->settings;
    uint64_t generation = w->generation;
    err_clear(err);
    b->piece_count = b->bytes = 0;
    take_rest(w, b);
    int64_t start = instant_ticks(), end = start + (b->piece_count > 0 ? 0 : wait_ms);
    while (b->piece_count < (size_t)w->records_max && (int64_t)b->bytes < s->batch_bytes &&
           !stop_asked()) {
        rd_kafka_message_t *m = take_message(w, end, err);
        if (w->generation != generation) { /* a rebalance: the unfinished batch is forgotten */
            /* its messages were destroyed by the callback (rebalance.c) */
            b->piece_count = b->bytes = 0;
            generation = w->generation;
        }
        if (err->kind != ERR_NONE)
            return false;
        if (m && consumer_is_end(m)) {
            note_end(w, m);
            rd_kafka_message_destroy(m);
        } else if (m) {
            if (b->piece_count == 0)
                end = instant_ticks() + s->batch_wait_ms;
            add(w, b, m);
        } else if (instant_ticks() >= end) {
            break;
        }
    }
    b->generation = w->generation;
    b->polled_at = instant_ticks();
    if (b->piece_count == 0 && !has_tails(w))
        return false;
    batch_drop_member(b);
    b->member = consumer_member_keep(consumer_member(w->consumer));
    metrics_stage(STAGE_POLL, (double)(b->polled_at - start) / 1000);
    return true;
}

void batch_drop_member(struct batch *b)
{
    consumer_member_drop(b->member);
    b->member = NULL;
}

void batch_release(struct worker *w, struct batch *b)
{
    for (size_t i = 0; i < b->piece_count; i++)
        if (b->pieces[i].message)
            rd_kafka_message_destroy(b->pieces[i].message);
    b->piece_count = b->bytes = 0;
    arena_reset(w->arena);
}

/* --- decoding one record --- */

static void die(struct worker *w, struct entry *e, enum reason reason, const char *text)
{
    e->reason = reason;
    e->text = arena_copy(w->arena, text, strlen(text));
}

static void read_headers(struct worker *w, rd_kafka_message_t *m, struct inbound *in)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t n = rd_kafka_header_cnt(headers);
    struct outbox_header *out = arena_alloc(w->arena, (n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t size;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        out[i] = (struct outbox_header){text_of(name), {value, size}};
        in->header_count = i + 1;
    }
    in->headers = out;
}

static void fill_inbound(struct worker *w, const struct slot *slot, rd_kafka_message_t *m,
                         struct inbound *in)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    *in = (struct inbound){.topic = slot->topic,
                           .partition = m->partition,
                           .offset = m->offset,
                           .timestamp = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp,
                           .key = {m->key, m->key_len},
                           .value = {m->payload, m->len}};
    read_headers(w, m, in);
}

static bool too_large(struct worker *w, struct entry *e)
{
    const struct inbound *in = &e->in;
    struct inbound_own own = inbound_own(in);
    const char *text = NULL;
    if ((int64_t)in->value.n > w->settings->record_max_bytes)
        text = arena_printf(w->arena, "the value has %zu bytes, record.max-bytes is %" PRId64,
                            in->value.n, w->settings->record_max_bytes);
    else if (in->key.n > INBOUND_KEY_MAX)
        text = arena_printf(w->arena, "the key has %zu bytes, the limit is %d", in->key.n,
                            INBOUND_KEY_MAX);
    else if (own.header_bytes > INBOUND_HEADERS_BYTES_MAX)
        text = arena_printf(w->arena, "the headers have %zu bytes, the limit is %d",
                            own.header_bytes, INBOUND_HEADERS_BYTES_MAX);
    else if (own.headers > HEADERS_MAX)
        text = arena_printf(w->arena, "the record has %zu headers, the limit is %d", own.headers,
                            HEADERS_MAX);
    if (text)
        die(w, e, REASON_TOO_LARGE, text);
    return text != NULL;
}

static bool map_record(struct worker *w, enum settings_inbound kind, const void *record,
                       struct entry *e, struct err *why)
{
    int64_t now = w->batches[w->current].changes.now_ms, timestamp = e->in.timestamp;
    switch (kind) {
    case INBOUND_RATED:
        return mapping_rated(&w->mapping, record, timestamp, now, w->arena, &e->change, why);
    case INBOUND_IMPORT:
        return mapping_document(&w->mapping, record, timestamp, now, w->arena, &e->change, why);
    default:
        return mapping_raw(&w->mapping, record, timestamp, now, w->arena, &e->change, why);
    }
}

static void map(struct worker *w, const struct slot *slot, struct entry *e, struct err *why)
{
    const struct registry_schema *schema = slot->schema;
    const struct shape *shape = plan_shape(schema->plan);
    static const struct shape *const shapes[INBOUNDS] = {[INBOUND_RAW] = &record_raw_usage,
                                                         [INBOUND_RATED] = &record_rated_usage,
                                                         [INBOUND_IMPORT] = &record_usage_document};
    const struct shape *wanted = shapes[slot->kind];
    if (shape != wanted) {
        die(w, e, REASON_SCHEMA_UNSUPPORTED,
            arena_printf(w->arena, "schema %" PRIu32 " is of a record %s, and topic %s takes %s",
                         (uint32_t)schema->id, shape->name, slot->topic, wanted->name));
        return;
    }
    err_clear(why);
    /* All but a rated record are mapped into copies, so it stands where the one before it stood, in
     * the processor's cache: a batch then takes half the memory, and a tenth less of our CPU. */
    struct arena *a = slot->kind == INBOUND_RATED ? w->arena : w->scratch;
    arena_reset(w->scratch);
    void *record = arena_zero(a, shape->bytes);
    struct text value = e->in.value;
    if (!reader_read(schema->plan, value.p + FRAMING_BYTES, value.n - FRAMING_BYTES, a, record,
                     why)) {
        die(w, e, why->code == READER_TEXT ? REASON_TEXT : REASON_MALFORMED, why->text);
        return;
    }
    if (map_record(w, slot->kind, record, e, why))
        changes_check(&w->batches[w->current].changes, e);
    else
        die(w, e, (enum reason)why->code, why->text);
}

static void die_unknown(struct worker *w, struct entry *e, int32_t id)
{
    die(w, e, REASON_SCHEMA_UNKNOWN,
        arena_printf(w->arena,
                     "the registry does not know schema id %" PRIu32
                     ", asked for registry.unknown-wait (%" PRId64 " ms)%s",
                     (uint32_t)id, w->settings->registry_unknown_wait_ms,
                     id == 0 ? "; it looks like the framing with ids of 8 bytes" : ""));
}

/* False: the record has to wait, and with it all behind it in its partition. */
static bool decode(struct worker *w, struct slot *slot, struct entry *e, struct batch_look *look,
                   struct err *why)
{
    int32_t id;
    if (too_large(w, e))
        return true;
    if (!framing_read(e->in.value, &id, why)) {
        die(w, e, REASON_FRAMING, why->text);
        return true;
    }
    enum registry_answer answer = batch_schema_find(w, slot, e->in.offset, id, look, why);
    switch (answer) {
    case REGISTRY_FOUND:
        if (slot->schema->plan)
            map(w, slot, e, why);
        else
            die(w, e, REASON_SCHEMA_UNSUPPORTED,
                arena_printf(w->arena, "schema %" PRIu32 ": %s", (uint32_t)id,
                             slot->schema->why.text));
        return true;
    case REGISTRY_UNKNOWN:
        die_unknown(w, e, id);
        return true;
    case REGISTRY_NOT_YET:
    case REGISTRY_AWAY:
        break;
    }
    batch_schema_hold(w, slot, look, e->in.offset, id, answer == REGISTRY_NOT_YET, why->text);
    return false;
}

/* --- decoding a batch --- */

static void size_parts(struct batch *b, size_t n)
{
    if (n <= b->part_size)
        return;
    b->parts = realloc(b->parts, n * sizeof *b->parts);
    b->part_slots = realloc(b->part_slots, n * sizeof *b->part_slots);
    b->store_parts = realloc(b->store_parts, n * sizeof *b->store_parts);
    if (!b->parts || !b->part_slots || !b->store_parts)
        abort();
    for (size_t i = b->part_size; i < n; i++)
        b->parts[i] = (struct part){0};
    b->part_size = n;
}

/* A part for each slot that has records left, or a tail, in the slots' order. */
static void make_parts(struct worker *w, struct batch *b, const int64_t *last)
{
    size_parts(b, (size_t)w->slot_count);
    b->part_count = 0;
    for (int i = 0; i < w->slot_count; i++) {
        const struct slot *slot = &w->slots[i];
        if (last[i] < 0 && !has_tail(slot))
            continue;
        struct part *p = &b->parts[b->part_count];
        p->topic = slot->topic;
        p->topic_index = slot->topic_index;
        p->partition = slot->partition;
        p->from = slot->stored;
        p->to = last[i] < 0 ? slot->end : last[i] + 1;
        memcpy(b->store_parts[b->part_count].owner, slot->owner, sizeof slot->owner);
        b->store_parts[b->part_count].published = slot->published;
        b->part_slots[b->part_count++] = i;
    }
}

/* The batch has become too big: from piece `first` on it is left to the next one. */
static void leave_rest(struct worker *w, struct batch *b, size_t first)
{
    for (size_t i = first; i < b->piece_count; i++) {
        if (w->slots[b->pieces[i].slot].state != SLOT_RUNNING)
            continue; /* fetched again after its seek */
        w->rest[w->rest_count++] = b->pieces[i];
        b->pieces[i].message = NULL;
    }
}

void batch_forget_rest(struct worker *w)
{
    for (size_t i = 0; i < w->rest_count; i++)
        rd_kafka_message_destroy(w->rest[i].message);
    w->rest_count = 0;
}

bool batch_decode(struct worker *w, struct batch *b)
{
    struct changes *c = &b->changes;
    *c = (struct changes){.settings = w->changes_settings,
                          .a = w->arena,
                          .now_ms = instant_now(),
                          .messages_max = TOLD_FACTOR * (size_t)w->settings->batch_bytes};
    c->entries = arena_zero(w->arena, (b->piece_count + 1) * sizeof *c->entries);
    int64_t *last = arena_alloc(w->arena, ((size_t)w->slot_count + 1) * sizeof *last);
    for (int i = 0; i < w->slot_count; i++)
        last[i] = -1;
    struct batch_look look = batch_look();
    struct err why = {0};
    size_t decoded_max = arena_bytes(w->arena) + DECODED_MAX;
    b->arrival_count = 0;
    for (size_t i = 0; i < b->piece_count; i++) {
        struct slot *slot = &w->slots[b->pieces[i].slot];
        struct entry *e = &c->entries[c->entry_count];
        if (slot->state == SLOT_HELD)
            continue;
        if (arena_bytes(w->arena) > decoded_max) {
            leave_rest(w, b, i);
            break;
        }
        fill_inbound(w, slot, b->pieces[i].message, &e->in);
        if (!decode(w, slot, e, &look, &why)) {
            *e = (struct entry){0};
            continue;
        }
        e->part = b->pieces[i].slot; /* for now: make_parts() knows the part */
        last[b->pieces[i].slot] = e->in.offset;
        if (e->in.timestamp >= 0)
            b->arrivals[b->arrival_count++] = e->in.timestamp;
        c->entry_count++;
    }
    make_parts(w, b, last);
    int *part_of = arena_alloc(w->arena, ((size_t)w->slot_count + 1) * sizeof *part_of);
    for (size_t i = 0; i < b->part_count; i++)
        part_of[b->part_slots[i]] = (int)i;
    for (size_t i = 0; i < c->entry_count; i++)
        c->entries[i].part = part_of[c->entries[i].part];
    c->parts = b->parts;
    c->part_count = b->part_count;
    changes_group(c);
    metrics_batch(c->entry_count);
    metrics_stage(STAGE_DECODE, (double)(instant_ticks() - b->polled_at) / 1000);
    return b->part_count > 0;
}
