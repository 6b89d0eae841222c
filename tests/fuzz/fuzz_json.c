/* JSON by our own reader, against jansson; and as a stored document. Input: the JSON. */
#include <jansson.h>
#include <stdlib.h>

#include "base/jsonr.h"
#include "fuzz.h"
#include "usage/render.h"

static bool is_sound(struct text json, struct jsonr *r)
{
    *r = jsonr_start(json);
    bool sound = jsonr_skip(r, NULL) && jsonr_done(r);
    assert(sound == (r->fault == NULL));
    return sound;
}

/* Both take the same, but for numbers that are none of C's (we keep their digits), depth (theirs
 * is 2,048), a text that holds NUL (we take none), and a byte 0 behind the value, where jansson
 * stops. */
static void check_alike(struct text json)
{
    struct jsonr r;
    json_error_t error;
    bool ours = is_sound(json, &r);
    json_t *theirs = json_loadb(json.p, json.n,
                                JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
    if (ours)
        assert(theirs || json_error_code(&error) == json_error_numeric_overflow);
    else if (theirs)
        assert(r.bad_text || strstr(r.fault, "deep") || memchr(json.p, 0, json.n));
    json_decref(theirs);
}

/* Every value taken by the call of its kind, as whoever reads a document does. */
static void walk(struct jsonr *r, struct arena *a)
{
    struct text text;
    bool truth;
    switch (jsonr_peek(r)) {
    case JSONR_OBJECT:
        for (bool in = jsonr_enter(r, JSONR_OBJECT); in && jsonr_next_key(r, a, &text);)
            walk(r, a);
        break;
    case JSONR_ARRAY:
        for (bool in = jsonr_enter(r, JSONR_ARRAY); in && jsonr_next_item(r);)
            walk(r, a);
        break;
    case JSONR_TEXT:
        if (jsonr_text(r, a, &text))
            assert(text_is_utf8(text.p, text.n));
        break;
    case JSONR_NUMBER:
        jsonr_number(r, &text);
        break;
    case JSONR_NULL:
        jsonr_null(r);
        break;
    default:
        jsonr_truth(r, &truth);
    }
}

static void check_walk(struct text json, struct arena *a)
{
    struct jsonr skipped, walked = jsonr_start(json);
    bool sound = is_sound(json, &skipped);
    walk(&walked, a);
    assert(jsonr_done(&walked) == sound);
}

/* A document that is taken is written the same way each time. */
static void check_document(struct text json, struct arena *a)
{
    struct err err = {0};
    struct usage u = {0}, back = {0};
    struct buf once = {0}, twice = {0};
    struct render_row row = {.status = TEXT("rated"), .document = json};
    if (render_read(&row, a, &u, &err)) {
        render_document(&once, &u);
        row.document = (struct text){once.data, once.len};
        bool sound = render_read(&row, a, &back, &err);
        assert(sound);
        render_document(&twice, &back);
        assert(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
        buf_fini(&once);
        buf_fini(&twice);
    } else {
        assert(err.kind == ERR_FATAL && err.text[0]);
    }
}

/* The same of ratings; but an amount without its value, which is none of ours, is written as one
 * that is refused. */
static void check_ratings(struct text json, struct arena *a)
{
    struct err err = {0};
    struct list list, back;
    struct buf once = {0}, twice = {0};
    if (!render_read_ratings(json, a, &list, &err)) {
        assert(err.kind == ERR_FATAL && err.text[0]);
        return;
    }
    render_ratings(&once, &list);
    if (render_read_ratings((struct text){once.data, once.len}, a, &back, &err)) {
        render_ratings(&twice, &back);
        assert(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    }
    buf_fini(&once);
    buf_fini(&twice);
}

FUZZ(json)
{
    struct arena *a = arena_new(4096);
    char *exact = malloc(size + 1);
    assert(exact);
    if (size > 0)
        memcpy(exact, data, size);
    struct text json = {exact, size};
    check_alike(json);
    check_walk(json, a);
    check_document(json, a);
    check_ratings(json, a);
    free(exact);
    arena_free(a);
    return 0;
}
