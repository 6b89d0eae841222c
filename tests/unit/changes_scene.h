/* A batch without its database: records, ratings and what is parked, as the store would hand them
 * to changes. Include behind all others. */
#pragma once

#include "usage/changes.h"
#include "usage/id.h"
#include "usage_samples.h"

/* A batch of one or two partitions: usage.rated[0] is part 0, usage.raw[0] is part 1 ("rated" <
 * "raw" is the order of names). */
static struct arena *a;
static struct part parts[2];
static struct entry entries[16];
static struct changes_settings settings;
static struct changes c;

enum { RATED, RAW };

static inline int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    settings = (struct changes_settings){.base_url = "http://h", .event_max = 900 * 1024};
    memset(entries, 0, sizeof entries);
    c = (struct changes){.settings = &settings,
                         .a = a,
                         .now_ms = SAMPLE_NOW,
                         .parts = parts,
                         .part_count = 2,
                         .entries = entries};
    parts[RATED] = (struct part){.topic = "usage.rated", .from = 0, .to = 1};
    parts[RAW] = (struct part){.topic = "usage.raw", .from = 0, .to = 1};
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        buf_fini(&parts[i].messages);
    arena_free(a);
    return 0;
}

static inline struct entry *add(int part, int64_t offset)
{
    struct entry *e = &entries[c.entry_count++];
    e->part = part;
    e->in = (struct inbound){.topic = parts[part].topic,
                             .offset = offset,
                             .timestamp = SAMPLE_NOW,
                             .key = TEXT("k"),
                             .value = TEXT("bytes")};
    return e;
}

static inline struct entry *add_raw(int64_t offset, const char *record_id, const char *type)
{
    struct entry *e = add(RAW, offset);
    struct raw_usage *raw = sample_call(a);
    struct mapping_settings s = sample_settings();
    struct err err;
    raw->record_id = text_of(record_id);
    raw->usage_type = text_of(type);
    assert_true(mapping_raw(&s, raw, -1, SAMPLE_NOW, a, &e->change, &err));
    return e;
}

static inline struct change rating_of(const char *record_id, enum usage_status status,
                                      struct list ratings)
{
    struct rated_usage rated = {.source = TEXT("med-gz-02"),
                                .record_id = text_of(record_id),
                                .usage_date = SAMPLE_DATE,
                                .ratings = ratings};
    struct mapping_settings s = sample_settings();
    struct change change;
    struct err err;
    rated.status = (struct symbol){(int)status, text_of(usage_status_names[status])};
    assert_true(mapping_rated(&s, &rated, -1, SAMPLE_NOW, a, &change, &err));
    return change;
}

static inline struct change rating(const char *record_id, enum usage_status status, int64_t date)
{
    struct rating *r = sample_rating(a);
    r->rating_date = date;
    return rating_of(record_id, status, (struct list){r, 1});
}

/* One that brings no rating, so it has no date. */
static inline struct change undated(const char *record_id, enum usage_status status)
{
    return rating_of(record_id, status, (struct list){0});
}

/* One that brings its usage. */
static inline struct entry *add_whole(int64_t offset, const char *record_id,
                                      enum usage_status status, struct list ratings)
{
    struct entry *e = add(RATED, offset);
    struct raw_usage *raw = sample_call(a);
    struct rated_usage rated = {.usage_date = INSTANT_NONE, .usage = raw, .ratings = ratings};
    struct mapping_settings s = sample_settings();
    struct err err;
    raw->record_id = text_of(record_id);
    rated.status = (struct symbol){(int)status, text_of(usage_status_names[status])};
    assert_true(mapping_rated(&s, &rated, -1, SAMPLE_NOW, a, &e->change, &err));
    return e;
}

static inline struct entry *add_rated(int64_t offset, const char *record_id,
                                      enum usage_status status, int64_t date)
{
    struct entry *e = add(RATED, offset);
    e->change = rating(record_id, status, date);
    return e;
}

static inline void park(struct group *g, struct change change, int64_t offset)
{
    struct parked *p = arena_zero(a, sizeof *p), **list = &g->parked;
    p->in = (struct inbound){
        .topic = "usage.rated", .offset = offset, .timestamp = SAMPLE_NOW, .value = TEXT("parked")};
    p->change = change;
    while (*list)
        list = &(*list)->next;
    *list = p;
}

/* As store.c says it when all candidates are new. */
static inline void all_new(void)
{
    for (size_t i = 0; i < c.group_count; i++)
        c.groups[i].inserted = c.groups[i].creator != NULL;
}

static inline void decide(void)
{
    changes_decide(&c);
    changes_messages(&c);
}

/* A batch of which nothing stands in the table. */
static inline void take_new(void)
{
    changes_group(&c);
    all_new();
    decide();
}

/* The message of a part that stands behind `skipped` others. */
static inline const struct outbox_message *message(int part, int skipped)
{
    struct outbox_message *m = arena_alloc(a, sizeof *m);
    struct text bytes = {parts[part].messages.data, parts[part].messages.len};
    struct err err;
    size_t at = 0;
    for (int i = 0; i <= skipped; i++)
        assert_true(outbox_next(bytes, &at, m, &err));
    return m;
}

/* The topics of a part's messages, a letter each: c(reate), s(tate), a(ttribute), d(elete), x dead
 * letter. */
static inline const char *messages(int part)
{
    static char out[32];
    struct outbox_message *m = arena_alloc(a, sizeof *m);
    struct text bytes = {parts[part].messages.data, parts[part].messages.len};
    struct err err;
    size_t at = 0, n = 0;
    while (outbox_next(bytes, &at, m, &err))
        out[n++] = "csadx"[m->topic];
    assert_int_equal(err.kind, ERR_NONE);
    out[n] = 0;
    return out;
}
