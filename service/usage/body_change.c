/* What a PATCH has changed, and what it may not change. */
#include <stdlib.h>

#include "base/instant.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "usage/body_parts.h"
#include "usage/digest.h"
#include "usage/id.h"
#include "usage/mapping_parts.h"
#include "usage/render.h"

static bool refuse(struct err *err, const char *attribute, const char *is, const char *was)
{
    err_set(err, ERR_DATA, "%s cannot become %s, it is %s: it is the usage's identity", attribute,
            is, was);
    err->code = REASON_VALUE;
    return false;
}

static bool same_part(const struct usage *before, const struct usage *after, struct text name,
                      struct err *err)
{
    struct text was = body_key_part(before, name, SIZE_MAX),
                is = body_key_part(after, name, SIZE_MAX);
    if (text_eq(was, is))
        return true;
    char quoted_was[TEXT_QUOTED], quoted_is[TEXT_QUOTED], attribute[64] = "usageCharacteristic ";
    memcpy(attribute + strlen(attribute), name.p, name.n + 1); /* a literal */
    return refuse(err, attribute, is.p ? text_quote(is, quoted_is) : "absent",
                  was.p ? text_quote(was, quoted_was) : "absent");
}

bool body_same_identity(const struct usage *before, const struct usage *after, struct err *err)
{
    if (before->usage_date != after->usage_date) {
        char was[INSTANT_CHARS], is[INSTANT_CHARS];
        instant_print(before->usage_date, was);
        instant_print(after->usage_date, is);
        return refuse(err, "usageDate", is, was);
    }
    return id_version(&before->id) != 8 || (same_part(before, after, MAPPING_SOURCE_NAME, err) &&
                                            same_part(before, after, MAPPING_RECORD_ID_NAME, err));
}

/* --- fieldPath --- */

/* An attribute of one of the two, in the order of its JSON. */
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

static int name_order(struct text a, struct text b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int attribute_order(const void *a, const void *b)
{
    const struct attribute *x = *(struct attribute *const *)a, *y = *(struct attribute *const *)b;
    int order = name_order(x->name, y->name);
    return order != 0 ? order : (x > y) - (x < y);
}

static int find_order(const void *name, const void *b)
{
    return name_order(*(const struct text *)name, (*(struct attribute *const *)b)->name);
}

static struct attribute *find(const struct attributes *l, struct text name)
{
    struct attribute **found =
        bsearch(&name, l->sorted, l->names, sizeof(struct attribute *), find_order);
    return found ? *found : NULL;
}

/* As render_usage() shows it; id and href are those of nobody, and so the same in both. */
static struct text print(const struct usage *u, struct arena *a)
{
    struct buf b = {0}, ratings = {0}, document = {0};
    render_ratings(&ratings, &u->ratings);
    render_document(&document, u);
    struct render_row row = {.status = text_of(usage_status_names[u->status]),
                             .description = u->description,
                             .ratings = {ratings.data, ratings.len},
                             .document = {document.data, document.len}};
    render_usage(&b, &row, "", NULL);
    struct text printed = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    buf_fini(&ratings);
    buf_fini(&document);
    return printed;
}

static struct attributes list_attributes(const struct usage *u, struct arena *a)
{
    struct attributes l = {0};
    struct attribute one = {0};
    struct jsonr r = jsonr_start(print(u, a));
    size_t room = 0;
    jsonr_enter(&r, JSONR_OBJECT);
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

/* By meaning, as records are compared: numbers count by value, the order of members does not. */
static bool same_value(struct text x, struct text y, struct arena *a)
{
    return text_eq(x, y) || digest_json(x, a) == digest_json(y, a);
}

/* Marks what differs; what only `after` has is marked there. */
static void compare(struct attributes *before, struct attributes *after, struct arena *a)
{
    for (size_t i = 0; i < before->names; i++) {
        struct attribute *b = before->sorted[i], *x = find(after, b->name);
        b->differs = !x || !same_value(b->json, x->json, a);
    }
    for (size_t i = 0; i < after->names; i++)
        after->sorted[i]->differs = !find(before, after->sorted[i]->name);
}

static const struct text known[] = {
    TEXT("description"),  TEXT("usageDate"),          TEXT("usageType"),
    TEXT("status"),       TEXT("usageSpecification"), TEXT("usageCharacteristic"),
    TEXT("relatedParty"), TEXT("ratedProductUsage"),  TEXT("@type"),
    TEXT("@baseType"),    TEXT("@schemaLocation"),
};
enum { KNOWN = sizeof known / sizeof known[0] };

static void add_name(struct buf *b, struct attribute *x)
{
    if (!x || !x->differs)
        return;
    if (b->len > 0)
        buf_byte(b, ',');
    buf_add(b, x->name.p, x->name.n);
    x->differs = false; /* named */
}

const char *body_field_path(const struct usage *before, const struct usage *after, struct arena *a)
{
    struct attributes x = list_attributes(before, a), y = list_attributes(after, a);
    struct buf b = {0};
    compare(&x, &y, a);
    for (size_t i = 0; i < KNOWN; i++) {
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
