/* usage_checks - what holds of every usage that was taken, whatever it came from. */
#pragma once

#include <math.h>

#include "base/jsonr.h"
#include "fuzz.h"
#include "usage/event.h"
#include "usage/mapping.h"
#include "usage/render.h"

static const int64_t now_ms = 1795421730250; /* 2026-11-23 */

static const struct mapping_settings settings = {"default", INT64_C(10) * 365 * 86400000, 86400000};

static inline void check_json(const struct buf *b)
{
    struct jsonr r = jsonr_start((struct text){b->data, b->len});
    bool sound = jsonr_skip(&r, NULL) && jsonr_done(&r);
    assert(sound);
}

/* As it is stored; the caller ends the two. */
static inline struct render_row row_of(const struct usage *u, struct buf *document,
                                       struct buf *ratings)
{
    render_document(document, u);
    render_ratings(ratings, &u->ratings);
    return (struct render_row){u->id,
                               text_of(usage_status_names[u->status]),
                               u->description,
                               {ratings->data, ratings->len},
                               {document->data, document->len}};
}

/* What was stored is read as it was, and shown as JSON. */
static inline void check_document(const struct usage *u, struct arena *a)
{
    struct buf document = {0}, again = {0}, ratings = {0}, shown = {0};
    struct err err = {0};
    struct usage back = {0};
    struct render_row row = row_of(u, &document, &ratings);
    bool sound = render_read(&row, a, &back, &err);
    assert(sound);
    render_document(&again, &back);
    assert(again.len == document.len && memcmp(again.data, document.data, again.len) == 0);
    assert(usage_ratings_equal(&u->ratings, &back.ratings));
    render_usage(&shown, &row, "http://x", &(struct render_fields){.all = true});
    check_json(&shown);
    buf_fini(&document);
    buf_fini(&again);
    buf_fini(&ratings);
    buf_fini(&shown);
}

static inline void check_event(const struct usage *u, enum event_type type)
{
    struct buf b = {0};
    struct event event = {.type = type,
                          .schema_id = 7,
                          .usage = u,
                          .base_url = "http://x",
                          .event_time = now_ms,
                          .occurred = now_ms,
                          .previous = STATUS_RECEIVED,
                          .field_path = "ratedProductUsage"};
    size_t most = event_bytes_max(&event);
    event_write(&b, &event);
    assert(b.len > 0 && b.len <= most);
    buf_fini(&b);
}

/* The writers of documents and events take no more than these. */
static inline void check_values(const struct usage *u)
{
    const struct characteristic *c = u->characteristics.items;
    for (size_t i = 0; i < u->characteristics.count; i++) {
        enum value_kind kind = c[i].value.kind;
        assert(kind != VALUE_ABSENT && kind != VALUE_WIDE);
        assert(kind != VALUE_REAL || isfinite(c[i].value.real));
    }
}
