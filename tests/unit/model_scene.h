/* Bodies that are taken, and bodies that are refused with a text, row by row. Include behind all
 * others. */
#pragma once

#include <stdlib.h>

#include "base/buf.h"
#include "usage/model.h"

#include "arena_scene.h"

/* In a buffer of exactly its size, so that the sanitizer sees a read behind it; and untouched
 * afterwards. */
static inline bool takes_text(enum model_type type, struct text json, struct err *err)
{
    char *exact = malloc(json.n ? json.n : 1);
    memcpy(exact, json.p, json.n);
    *err = (struct err){0};
    bool taken = model_check(type, (struct text){exact, json.n}, a, err);
    assert_memory_equal(exact, json.p, json.n);
    free(exact);
    if (!taken) {
        assert_int_equal(err->kind, ERR_DATA);
        assert_int_equal(err->code, 400);
        assert_true(text_is_utf8(err->text, strlen(err->text)));
    }
    arena_reset(a);
    return taken;
}

struct refused_row {
    const char *json, *why;
};

static inline void check_taken(enum model_type type, const char *const *rows, size_t count)
{
    struct err err;
    for (size_t i = 0; i < count; i++)
        if (!takes_text(type, text_of(rows[i]), &err))
            fail_msg("%s\n%s", rows[i], err.text);
}

static inline void check_refused(enum model_type type, const struct refused_row *rows, size_t count)
{
    struct err err;
    for (size_t i = 0; i < count; i++) {
        if (takes_text(type, text_of(rows[i].json), &err))
            fail_msg("taken: %s", rows[i].json);
        if (strcmp(err.text, rows[i].why) != 0)
            fail_msg("%s\nis:       %s\nexpected: %s", rows[i].json, err.text, rows[i].why);
    }
}

#define TAKEN(type, rows) check_taken(type, rows, sizeof rows / sizeof *rows)
#define REFUSED(type, rows) check_refused(type, rows, sizeof rows / sizeof *rows)

#define SPEC "\"usageSpecification\":{\"id\":\"x\"}"
