/* A merge patch by ours, against RFC 7396's own words carried out on jansson's trees. Input: the
 * target, a byte 0, the patch. */
#include <jansson.h>
#include <stdlib.h>

#include "base/json_merge.h"
#include "base/jsonr.h"
#include "fuzz.h"

static json_t *load(struct text json)
{
    return json_loadb(json.p, json.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}

/* MergePatch(Target, Patch) of section 2; takes the reference of `target`. */
static json_t *their_merge(json_t *target, json_t *patch)
{
    const char *name;
    json_t *value;
    if (!json_is_object(patch)) {
        json_decref(target);
        return json_incref(patch);
    }
    if (!json_is_object(target)) {
        json_decref(target);
        target = json_object();
    }
    json_object_foreach(patch, name, value)
    {
        if (json_is_null(value))
            json_object_del(target, name);
        else
            json_object_set_new(target, name,
                                their_merge(json_incref(json_object_get(target, name)), value));
    }
    return target;
}

static bool is_sound(struct text json)
{
    struct jsonr r = jsonr_start(json);
    return jsonr_skip(&r, NULL) && jsonr_done(&r);
}

static void check_alike(struct text target, struct text patch, struct text merged)
{
    json_t *from = load(target), *with = load(patch), *made = load(merged);
    if (with && (from || target.n == 0)) { /* what they refuse are numbers that are none of C's */
        from = their_merge(from, with);
        assert(made && json_equal(made, from));
    }
    json_decref(from);
    json_decref(with);
    json_decref(made);
}

/* To merge once more changes nothing, but for keys that are twice in the patch's new members: they
 * are once in the result. */
static void check_again(struct text merged, struct text patch, struct arena *a)
{
    struct buf again = {0};
    bool ok = json_merge(merged, patch, a, &again);
    assert(ok && again.len == merged.n && memcmp(again.data, merged.p, merged.n) == 0);
    buf_fini(&again);
}

FUZZ(merge)
{
    struct text target = fuzz_part(&data, &size), patch = {(const char *)data, size};
    struct arena *a = arena_new(4096);
    struct buf merged = {0};
    if (json_merge(target, patch, a, &merged)) {
        struct text made = {merged.data, merged.len};
        assert((target.n == 0 || is_sound(target)) && is_sound(patch) && is_sound(made));
        check_alike(target, patch, made);
        check_again(made, patch, a);
    } else {
        assert(merged.len == 0 && (!is_sound(patch) || (target.n > 0 && !is_sound(target))));
    }
    buf_fini(&merged);
    arena_free(a);
    return 0;
}
