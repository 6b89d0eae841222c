#include "base/json_merge.h"

#include <stdlib.h>

#include "base/jsonr.h"
#include "base/jsonw.h"

/* A member of an object: key unescaped and as it stands with its quotes. */
struct pair {
    struct text key, raw_key, value;
    bool done; /* of a patch: written, removed, or not the last of its key */
};

struct patch {
    struct pair *pairs;
    size_t count;
    struct pair **sorted; /* one for each key */
    size_t keys;
};

static bool is_object(struct text json)
{
    return json.n > 0 && json.p[0] == '{';
}

static bool is_null(struct text json)
{
    return json.p[0] == 'n';
}

/* The next member; the reader has entered the object. Both texts were checked whole. */
static bool next_pair(struct jsonr *r, struct arena *a, struct pair *out)
{
    const char *before = r->p;
    if (!jsonr_next_key(r, a, &out->key))
        return false;
    const char *first = memchr(before, '"', (size_t)(r->p - before)), *last = r->p - 1;
    while (*last != '"') /* r->p is behind the colon */
        last--;
    out->raw_key = (struct text){first, (size_t)(last + 1 - first)};
    out->done = false;
    return jsonr_skip(r, &out->value);
}

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = *(struct pair *const *)a, *y = *(struct pair *const *)b;
    int order = text_compare(x->key, y->key);
    return order != 0 ? order : (x > y) - (x < y);
}

static int find_order(const void *key, const void *b)
{
    return text_compare(*(const struct text *)key, (*(struct pair *const *)b)->key);
}

static struct pair *find(const struct patch *p, struct text key)
{
    struct pair **found =
        p->keys > 0 ? bsearch(&key, p->sorted, p->keys, sizeof *p->sorted, find_order) : NULL;
    return found ? *found : NULL;
}

static void read_pairs(struct text object, struct arena *a, struct patch *p)
{
    struct jsonr r = jsonr_start(object);
    struct pair one;
    size_t room = 0;
    jsonr_enter(&r, JSONR_OBJECT);
    while (next_pair(&r, a, &one)) {
        if (p->count == room) {
            room = room ? room * 2 : 8;
            struct pair *more = arena_alloc(a, room * sizeof *more);
            if (p->count > 0)
                memcpy(more, p->pairs, p->count * sizeof *more);
            p->pairs = more;
        }
        p->pairs[p->count++] = one;
    }
}

static struct patch read_patch(struct text object, struct arena *a)
{
    struct patch p = {0};
    read_pairs(object, a, &p);
    p.sorted = arena_alloc(a, (p.count + 1) * sizeof(struct pair *));
    for (size_t i = 0; i < p.count; i++)
        p.sorted[i] = &p.pairs[i];
    qsort(p.sorted, p.count, sizeof(struct pair *), pair_order);
    for (size_t i = 0; i < p.count; i++) {
        bool last = i + 1 == p.count || !text_eq(p.sorted[i]->key, p.sorted[i + 1]->key);
        if (last)
            p.sorted[p.keys++] = p.sorted[i];
        else
            p.sorted[i]->done = true;
    }
    return p;
}

static void write_key(struct jsonw *w, struct text raw_key)
{
    jsonw_raw(w, raw_key);
    buf_byte(w->b, ':');
    w->comma = false;
}

static void merge(struct jsonw *w, struct text target, struct text patch, struct arena *a);

static void merge_members(struct jsonw *w, struct text target, struct patch *p, struct arena *a)
{
    struct jsonr r = jsonr_start(target);
    struct pair one;
    jsonr_enter(&r, JSONR_OBJECT);
    while (next_pair(&r, a, &one)) {
        struct pair *with = find(p, one.key);
        if (with)
            with->done = true;
        if (with && is_null(with->value))
            continue;
        write_key(w, one.raw_key);
        if (with)
            merge(w, one.value, with->value, a);
        else
            jsonw_raw(w, one.value);
    }
}

/* Recursion is bounded: both were checked not to be deeper than JSONR_DEPTH_MAX. */
static void merge(struct jsonw *w, struct text target, struct text patch, struct arena *a)
{
    if (!is_object(patch)) {
        jsonw_raw(w, patch);
        return;
    }
    struct patch p = read_patch(patch, a);
    jsonw_object(w);
    if (is_object(target))
        merge_members(w, target, &p, a);
    for (size_t i = 0; i < p.count; i++) {
        if (!p.pairs[i].done && !is_null(p.pairs[i].value)) {
            write_key(w, p.pairs[i].raw_key);
            merge(w, (struct text){0}, p.pairs[i].value, a);
        }
    }
    jsonw_end(w);
}

static bool check(struct text json, struct text *value)
{
    struct jsonr r = jsonr_start(json);
    return jsonr_skip(&r, value) && jsonr_done(&r);
}

bool json_merge(struct text target, struct text patch, struct arena *a, struct buf *out)
{
    struct text from = {0}, with;
    if ((target.n > 0 && !check(target, &from)) || !check(patch, &with))
        return false;
    struct jsonw w = jsonw_start(out);
    merge(&w, from, with, a);
    return true;
}
