#include "usage/field_path.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/jsonr.h"
#include "usage/digest.h"

/* A member of one of the two, in the order of its JSON. */
struct attribute {
    struct text name, json;
    bool differs;
};

struct attributes {
    struct attribute *items;
    size_t count;
    struct attribute **sorted; /* by name; of one that is there twice the last */
    size_t names;
};

static int attribute_order(const void *a, const void *b)
{
    const struct attribute *x = *(struct attribute *const *)a, *y = *(struct attribute *const *)b;
    int order = text_compare(x->name, y->name);
    return order != 0 ? order : (x > y) - (x < y);
}

static int find_order(const void *name, const void *b)
{
    return text_compare(*(const struct text *)name, (*(struct attribute *const *)b)->name);
}

static struct attribute *find(const struct attributes *l, struct text name)
{
    struct attribute **found =
        bsearch(&name, l->sorted, l->names, sizeof(struct attribute *), find_order);
    return found ? *found : NULL;
}

static struct attributes list_attributes(struct text json, struct arena *a)
{
    struct attributes l = {0};
    struct attribute one = {0};
    struct jsonr r = jsonr_start(json);
    size_t room = 0;
    if (jsonr_enter(&r, JSONR_OBJECT))
        while (jsonr_next_key(&r, a, &one.name) && jsonr_skip(&r, &one.json)) {
            if (l.count == room) {
                room = room ? room * 2 : 16;
                struct attribute *more = arena_alloc(a, room * sizeof *more);
                if (l.count > 0)
                    memcpy(more, l.items, l.count * sizeof *more);
                l.items = more;
            }
            l.items[l.count++] = one;
        }
    l.sorted = arena_alloc(a, (l.count + 1) * sizeof *l.sorted);
    for (size_t i = 0; i < l.count; i++)
        l.sorted[i] = &l.items[i];
    qsort(l.sorted, l.count, sizeof(struct attribute *), attribute_order);
    for (size_t i = 0; i < l.count; i++)
        if (i + 1 == l.count || !text_eq(l.sorted[i]->name, l.sorted[i + 1]->name))
            l.sorted[l.names++] = l.sorted[i];
    return l;
}

static bool is_same(struct text x, struct text y, struct arena *a)
{
    return text_eq(x, y) || digest_json(x, a) == digest_json(y, a);
}

/* Marks what differs; what only `after` has is marked there. */
static void compare(struct attributes *before, struct attributes *after, struct arena *a)
{
    for (size_t i = 0; i < before->names; i++) {
        struct attribute *b = before->sorted[i], *x = find(after, b->name);
        b->differs = !x || !is_same(b->json, x->json, a);
    }
    for (size_t i = 0; i < after->names; i++)
        after->sorted[i]->differs = !find(before, after->sorted[i]->name);
}

static void add_name(struct buf *b, struct attribute *x)
{
    if (!x || !x->differs)
        return;
    if (b->len > 0)
        buf_byte(b, ',');
    if (x->name.n > 0)
        buf_add(b, x->name.p, x->name.n);
    else
        buf_str(b, "\"\""); /* "" says that nothing differs */
    x->differs = false;     /* named */
}

const char *field_path(struct text before, struct text after, const struct text *known,
                       size_t known_count, struct arena *a)
{
    struct attributes x = list_attributes(before, a), y = list_attributes(after, a);
    struct buf b = {0};
    compare(&x, &y, a);
    for (size_t i = 0; i < known_count; i++) {
        add_name(&b, find(&x, known[i]));
        add_name(&b, find(&y, known[i]));
    }
    for (size_t i = 0; i < x.count; i++) /* what is left are extensions */
        add_name(&b, &x.items[i]);
    for (size_t i = 0; i < y.count; i++)
        add_name(&b, &y.items[i]);
    const char *path = b.len > 0 ? arena_copy(a, b.data, b.len) : "";
    buf_fini(&b);
    return path;
}
