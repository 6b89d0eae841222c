#include "app/replay_places.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { WAIT_MS = 10000 };

void replay_places_init(struct replay_places *p, const char *topic, int count,
                        const struct replay_wish *wish)
{
    *p = (struct replay_places){.topic = topic,
                                .wish = wish,
                                .memories = arena_new(64 * 1024),
                                .all = calloc((size_t)count, sizeof *p->all),
                                .count = count};
    if (!p->all)
        abort();
    for (int i = 0; i < count; i++)
        p->all[i].sent = -1;
}

void replay_places_fini(struct replay_places *p)
{
    free(p->all);
    arena_free(p->memories);
}

static bool ask_one(struct replay_places *places, int partition, struct scan *scan, struct err *err)
{
    const struct replay_wish *w = places->wish;
    struct replay_place *p = &places->all[partition];
    bool has_from = w->from_ms != INT64_MIN, has_to = w->to_ms != INT64_MAX;
    int64_t from = 0, to = -1;
    if (!scan_bounds(scan, places->topic, partition, WAIT_MS, &p->low, &p->end, err) ||
        (has_from &&
         !scan_offset_at(scan, places->topic, partition, w->from_ms, WAIT_MS, &from, err)) ||
        (has_to && !scan_offset_at(scan, places->topic, partition, w->to_ms, WAIT_MS, &to, err)))
        return false;
    if (from < 0 || from > p->end) /* all are older */
        from = p->end;
    p->base = from > p->low ? from : p->low;
    if (to >= 0 && to < p->end)
        p->end = to;
    return true;
}

bool replay_places_ask(struct replay_places *p, struct scan *scan, struct err *err)
{
    for (int i = 0; i < p->count; i++)
        if (!ask_one(p, i, scan, err))
            return false;
    return true;
}

/* --- what is remembered --------------------------------------------------------------------- */

static bool is_remembered(const struct replay_places *places)
{
    bool any = false;
    for (int i = 0; i < places->count; i++) {
        const struct replay_place *p = &places->all[i];
        any = any || p->sent >= 0;
        if (p->sent >= 0 && replay_memory_begin(&p->memory, &places->wish->what, p->base) < p->sent)
            return false;
    }
    return any;
}

bool replay_places_read(struct replay_places *places,
                        const rd_kafka_topic_partition_list_t *committed, bool *remembered,
                        struct err *err)
{
    const struct replay_wish *w = places->wish;
    arena_reset(places->memories);
    for (int i = 0; i < committed->cnt; i++) {
        const rd_kafka_topic_partition_t *part = &committed->elems[i];
        struct replay_place *p = &places->all[part->partition];
        struct text bytes = {part->metadata, part->offset < 0 ? 0 : part->metadata_size};
        if (!replay_memory_read(&p->memory, bytes, places->memories, err))
            return err_wrap(err, "%s[%d]", part->topic, (int)part->partition);
        replay_memory_forget(&p->memory, p->low);
    }
    *remembered = is_remembered(places);
    for (int i = 0; i < places->count; i++) {
        struct replay_place *p = &places->all[i];
        /* A dry run looks at everything, so that it counts what was sent back before. */
        p->start = w->dry_run ? p->base : replay_memory_begin(&p->memory, &w->what, p->base);
        p->first = p->next ? p->first : p->start;
        p->next = p->start;
        p->sent = -1;
    }
    return true;
}

bool replay_places_start(const struct replay_places *places, struct scan *scan, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(places->count);
    for (int i = 0; i < places->count; i++) {
        const struct replay_place *p = &places->all[i];
        if (p->next < p->end)
            rd_kafka_topic_partition_list_add(parts, places->topic, i)->offset = p->next;
    }
    bool good = scan_start(scan, parts, err);
    rd_kafka_topic_partition_list_destroy(parts);
    return good;
}

bool replay_places_offsets(struct replay_places *places, rd_kafka_topic_partition_list_t *parts,
                           struct err *err)
{
    for (int i = 0; i < places->count; i++) {
        struct replay_place *p = &places->all[i];
        struct buf b = {0};
        replay_memory_add(&p->memory, &places->wish->what, p->start, p->next, places->memories);
        bool good = replay_memory_write(&p->memory, &b, err);
        if (good && p->memory.count > 0) {
            rd_kafka_topic_partition_t *part =
                rd_kafka_topic_partition_list_add(parts, places->topic, i);
            part->offset = p->next;
            part->metadata = strdup(buf_text(&b)); /* librdkafka frees it */
            part->metadata_size = b.len;
            p->sent = p->next;
        }
        buf_fini(&b);
        if (!good)
            return err_wrap(err, "%s[%d]", places->topic, i);
    }
    return true;
}

void replay_places_committed(struct replay_places *places)
{
    for (int i = 0; i < places->count; i++)
        places->all[i].sent = -1;
}

/* --- how far it is -------------------------------------------------------------------------- */

bool replay_places_done(const struct replay_places *places)
{
    for (int i = 0; i < places->count; i++)
        if (places->all[i].next < places->all[i].end)
            return false;
    return true;
}

void replay_places_progress(const struct replay_places *places, int64_t *looked, int64_t *of)
{
    *looked = *of = 0;
    for (int i = 0; i < places->count; i++) {
        const struct replay_place *p = &places->all[i];
        *looked += p->next - p->first;
        *of += p->end > p->first ? p->end - p->first : 0;
    }
}
