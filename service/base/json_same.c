#include "base/json_same.h"

#include "base/jsonr.h"

static bool same_texts(struct jsonr *a, struct jsonr *b, struct arena *arena)
{
    struct text x, y;
    return jsonr_text(a, arena, &x) && jsonr_text(b, arena, &y) && text_eq(x, y);
}

static bool same_raw(struct jsonr *a, struct jsonr *b)
{
    struct text x, y;
    return jsonr_skip(a, &x) && jsonr_skip(b, &y) && text_eq(x, y);
}

static bool same(struct jsonr *a, struct jsonr *b, struct arena *arena);

static bool same_members(struct jsonr *a, struct jsonr *b, struct arena *arena)
{
    struct text x, y;
    if (!jsonr_enter(a, JSONR_OBJECT) || !jsonr_enter(b, JSONR_OBJECT))
        return false;
    while (jsonr_next_key(a, arena, &x))
        if (!jsonr_next_key(b, arena, &y) || !text_eq(x, y) || !same(a, b, arena))
            return false;
    return !jsonr_next_key(b, arena, &y);
}

static bool same_items(struct jsonr *a, struct jsonr *b, struct arena *arena)
{
    if (!jsonr_enter(a, JSONR_ARRAY) || !jsonr_enter(b, JSONR_ARRAY))
        return false;
    while (jsonr_next_item(a))
        if (!jsonr_next_item(b) || !same(a, b, arena))
            return false;
    return !jsonr_next_item(b);
}

static bool same(struct jsonr *a, struct jsonr *b, struct arena *arena)
{
    enum jsonr_kind kind = jsonr_peek(a);
    if (jsonr_peek(b) != kind)
        return false;
    switch (kind) {
    case JSONR_OBJECT:
        return same_members(a, b, arena);
    case JSONR_ARRAY:
        return same_items(a, b, arena);
    case JSONR_TEXT:
        return same_texts(a, b, arena);
    default:
        return same_raw(a, b);
    }
}

bool json_same(struct text a, struct text b, struct arena *arena)
{
    struct jsonr x = jsonr_start(a), y = jsonr_start(b);
    return same(&x, &y, arena) && jsonr_done(&x) && jsonr_done(&y);
}
