/* Bodies as they come in, and what is made of them: `body`, or `err`. Include behind all others. */
#pragma once

#include "usage/body.h"
#include "usage/render.h"
#include "usage_samples.h"

static struct arena *a;
static struct mapping_settings settings;
static struct body body;
static struct err err;

static inline int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    settings = sample_settings();
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static inline void taken(const char *json)
{
    if (!body_usage(text_of(json), &settings, SAMPLE_NOW, a, &body, &err))
        fail_msg("%s: %s", json, err.text);
}

/* `took`: what body_...() has returned, with `err`. */
static inline void is_refused(bool took, enum reason reason, const char *text)
{
    if (took)
        fail_msg("not refused: %s %s", reason_name(reason), text);
    if (err.code != (int)reason || !strstr(err.text, text))
        fail_msg("%s: \"%s\", expected %s: \"%s\"", reason_name((enum reason)err.code), err.text,
                 reason_name(reason), text);
    assert_int_equal(err.kind, ERR_DATA);
}

static inline void refused(const char *json, enum reason reason, const char *text)
{
    is_refused(body_usage(text_of(json), &settings, SAMPLE_NOW, a, &body, &err), reason, text);
}

/* The resource as GET shows it. */
static inline const char *shown(const struct usage *u)
{
    struct buf document = {0}, ratings = {0}, b = {0};
    render_document(&document, u);
    render_ratings(&ratings, &u->ratings);
    struct render_row row = {.id = u->id,
                             .status = text_of(usage_status_names[u->status]),
                             .description = u->description,
                             .ratings = {ratings.data, ratings.len},
                             .document = {document.data, document.len}};
    render_usage(&b, &row, "https://x", NULL);
    const char *text = arena_copy(a, b.data, b.len);
    buf_fini(&document);
    buf_fini(&ratings);
    buf_fini(&b);
    return text;
}

/* The same from the description on: without id and href. */
static inline const char *shown_attributes(const struct usage *u)
{
    const char *text = shown(u);
    return strchr(strstr(text, "\"href\":"), ',') + 1;
}
