/* A request body against the model, and the model against jansson. Input: a byte that says what it
 * is a body of, then the JSON. */
#include <jansson.h>
#include <stdlib.h>

#include "base/jsonr.h"
#include "fuzz.h"
#include "usage/model.h"

static bool is_sound(struct text json)
{
    struct jsonr r = jsonr_start(json);
    return jsonr_skip(&r, NULL) && jsonr_done(&r);
}

static bool repeats_a_key(struct text json)
{
    json_error_t error;
    json_t *root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    json_decref(root);
    return !root && json_error_code(&error) == json_error_duplicate_key;
}

/* What comes out is taken again, and comes out as it is. */
static void check_tidy(enum model_type type, struct text json, struct arena *a)
{
    struct err err = {0};
    struct buf once = {0}, twice = {0};
    model_tidy(type, json, a, &once);
    struct text made = {once.data, once.len};
    assert(model_check(type, made, a, &err));
    model_tidy(type, made, a, &twice);
    assert(text_eq(made, (struct text){twice.data, twice.len}));
    buf_fini(&once);
    buf_fini(&twice);
}

static bool check(enum model_type type, struct text json, struct arena *a)
{
    struct err err = {0};
    bool taken = model_check(type, json, a, &err);
    if (taken) {
        assert(is_sound(json) &&
               (type == MODEL_USAGE_MERGED || type == MODEL_USAGE_IMPORT || !repeats_a_key(json)));
        check_tidy(type, json, a);
    } else {
        assert(err.kind == ERR_DATA && err.code == 400 && err.text[0]);
        assert(text_is_utf8(err.text, strlen(err.text)));
    }
    return taken;
}

FUZZ(body)
{
    if (size == 0)
        return 0;
    struct arena *a = arena_new(4096);
    char *exact = malloc(size), *before = malloc(size);
    assert(exact && before);
    memcpy(exact, data, size);
    memcpy(before, data, size);
    enum model_type type = data[0] % MODEL_TYPES;
    struct text json = {exact + 1, size - 1};
    bool taken = check(type, json, a);
    /* Nothing that may be created is refused as a patch: all of it is allowed there, and no more is
     * needed. */
    if (taken && type == MODEL_USAGE_CREATE)
        assert(check(MODEL_USAGE_UPDATE, json, a) && check(MODEL_USAGE_MERGED, json, a) &&
               check(MODEL_USAGE_IMPORT, json, a));
    if (taken && type == MODEL_SPECIFICATION_CREATE)
        assert(check(MODEL_SPECIFICATION_UPDATE, json, a));
    assert(memcmp(exact, before, size) == 0);
    free(exact);
    free(before);
    arena_free(a);
    return 0;
}
