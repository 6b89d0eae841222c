/* Attribute filters: a piece of the query string as a checked condition of its group. */
#include "base/instant.h"
#include "base/jsonr.h"
#include "usage/query_parts.h"

enum { EXPONENT_MAX = 3 }; /* digits: as in json_number() in SQL */

void *query_list_add(struct list *list, size_t item_bytes, struct arena *a)
{
    /* Grown by doubling, in the arena: a power of two is full. */
    size_t n = list->count;
    if ((n & (n - 1)) == 0) {
        void *grown = arena_alloc(a, (n ? 2 * n : 1) * item_bytes);
        if (n > 0)
            memcpy(grown, list->items, n * item_bytes);
        list->items = grown;
    }
    list->count++;
    return memset((char *)list->items + n * item_bytes, 0, item_bytes);
}

/* --- values ---------------------------------------------------------------------------------- */

bool query_is_number(struct text t)
{
    struct jsonr r = jsonr_start(t);
    struct text number;
    if (t.n > QUERY_NUMBER_MAX || !jsonr_number(&r, &number) || number.n != t.n)
        return false;
    const char *e = memchr(t.p, 'e', t.n), *end = t.p + t.n;
    if (!e)
        e = memchr(t.p, 'E', t.n);
    if (!e)
        return true;
    for (e++; e < end && (*e == '+' || *e == '-' || *e == '0'); e++)
        ;
    return end - e <= EXPONENT_MAX;
}

/* Does the text name a moment between two milliseconds? (Second 60 is one moment.) */
static bool below_milliseconds(struct text t)
{
    if (t.n < 20 || t.p[19] != '.' || (t.p[17] == '6' && t.p[18] == '0'))
        return false;
    for (size_t i = 20; i < t.n && t.p[i] >= '0' && t.p[i] <= '9'; i++)
        if (i >= 23 && t.p[i] != '0')
            return true;
    return false;
}

/* A '+' that the client forgot to encode reaches us as a blank. */
static struct text mend_offset(struct text t, struct arena *a)
{
    if (t.n < 25 || t.p[t.n - 6] != ' ')
        return t;
    char *mended = arena_copy(a, t.p, t.n);
    mended[t.n - 6] = '+';
    return (struct text){mended, t.n};
}

static void add_equal_date(struct query_condition *c, int64_t ms, bool between, struct arena *a)
{
    if (!between) /* what is stored has whole milliseconds */
        *(int64_t *)query_list_add(&c->values, sizeof ms, a) = ms;
}

/* Any of the values may match: the widest counts. With m the millisecond of the literal, ">
 * literal" is ">= m + 1" either way, and ">= literal" is ">= m + 1" only if it lies behind m. */
static void widen_bound(struct query_condition *c, enum query_op op, int64_t ms, bool between,
                        struct arena *a)
{
    bool lower = op == QUERY_GT || op == QUERY_GTE;
    int64_t edge = ms + (op == QUERY_GT || op == QUERY_LTE || between);
    int64_t *bound = c->values.items;
    c->op = lower ? QUERY_GTE : QUERY_LT;
    if (c->values.count == 0) {
        bound = query_list_add(&c->values, sizeof edge, a);
        *bound = edge;
    }
    if (lower ? edge < *bound : edge > *bound)
        *bound = edge;
}

static bool add_date(struct query_condition *c, enum query_op op, struct text name,
                     struct text value, struct arena *a, struct err *err)
{
    int64_t ms;
    struct text mended = mend_offset(value, a);
    if (!instant_parse(mended, &ms))
        return query_bad_value(err, name, value, "is no date-time like 2026-11-23T08:15:30.250Z");
    bool between = below_milliseconds(mended);
    if (op == QUERY_EQ || op == QUERY_NE)
        add_equal_date(c, ms, between, a);
    else
        widen_bound(c, op, ms, between, a);
    return true;
}

static bool is_order(enum query_op op)
{
    return op == QUERY_GT || op == QUERY_GTE || op == QUERY_LT || op == QUERY_LTE;
}

/* Is the text a value of this type? */
static bool check_value(enum attribute_type type, enum query_op op, struct text name,
                        struct text value, struct err *err)
{
    if (op == QUERY_REGEX)
        return value.n <= QUERY_REGEX_MAX ||
               query_bad_value(err, name, value,
                               "is longer than the 256 bytes that a regular "
                               "expression may have");
    if (type == ATTRIBUTE_STATUS && usage_status_of(value) == STATUS_COUNT)
        return query_bad_value(
            err, name, value,
            "is none of received, rejected, recycled, guided, rated, rerated, billed");
    if (type == ATTRIBUTE_TRUTH && !text_is(value, "true") && !text_is(value, "false"))
        return query_bad_value(err, name, value, "is neither true nor false");
    if ((type == ATTRIBUTE_NUMBER || (type == ATTRIBUTE_ANY && is_order(op))) &&
        !query_is_number(value))
        return query_bad_value(err, name, value,
                               "is no number like 12.5 (of at most 300 characters, with an "
                               "exponent of at most 3 digits)");
    return true;
}

static bool add_value(struct query_condition *c, enum query_op op, struct text name,
                      struct text value, struct arena *a, struct err *err)
{
    enum attribute_type type = attribute_last(&c->path)->type;
    if (type == ATTRIBUTE_DATE && op != QUERY_REGEX)
        return add_date(c, op, name, value, a, err);
    if (!check_value(type, op, name, value, err))
        return false;
    *(struct text *)query_list_add(&c->values, sizeof value, a) = value;
    return true;
}

static bool add_values(struct query_condition *c, const struct query_piece *piece, struct arena *a,
                       struct query_count *count, struct err *err)
{
    struct text rest = piece->raw;
    do {
        struct text value;
        if (!query_next_value(piece->name, &rest, a, &value, err) ||
            !add_value(c, piece->op, piece->name, value, a, err))
            return false;
        if (++count->values > QUERY_VALUES_MAX)
            return query_bad(err, 400, piece->name, "more than 10000 values in a query");
        if (piece->op == QUERY_REGEX && ++count->regexes > QUERY_REGEXES_MAX)
            return query_bad(err, 400, piece->name, "more than 16 regular expressions in a query");
    } while (rest.p);
    return true;
}

/* --- conditions ------------------------------------------------------------------------------ */

/* The name may end with an operator, unless there is an attribute of that name: "regex" is one of
 * a characteristic's specification. */
static bool resolve(const struct query_resource *resource, struct query_piece *piece,
                    struct attribute_path *path, struct err *err)
{
    bool found = attribute_find(resource, piece->name, path);
    if (!found || !attribute_is_scalar(attribute_last(path))) {
        struct query_piece cut = *piece;
        struct attribute_path other;
        if (query_piece_suffix(&cut)) {
            *piece = cut;
            found = attribute_find(resource, cut.name, &other);
            *path = other;
        }
    }
    if (!found)
        return query_bad(err, 400, piece->name, "not an attribute that can be filtered by");
    if (!attribute_is_scalar(attribute_last(path)))
        return query_bad(err, 400, piece->name,
                         attribute_last(path)->type == ATTRIBUTE_ARRAY
                             ? "an array cannot be filtered by, but what is in its elements can"
                             : "an object cannot be filtered by, but what is inside can");
    return true;
}

/* The name once more is "or" for equality, and "and" for all else. */
static struct query_condition *same_equality(struct query_group *group,
                                             const struct attribute_path *path)
{
    struct query_condition *c = group->conditions.items;
    for (size_t i = 0; i < group->conditions.count; i++)
        if (c[i].op == QUERY_EQ && attribute_same(&c[i].path, path))
            return &c[i];
    return NULL;
}

bool query_filter_add(const struct query_resource *resource, const struct query_piece *piece,
                      struct arena *a, struct query_group *group, struct query_count *count,
                      struct err *err)
{
    struct query_piece p = *piece;
    struct attribute_path path;
    struct query_condition *c;
    if (++count->conditions > QUERY_CONDITIONS_MAX)
        return query_bad(err, 400, p.name, "more than 1000 conditions in a query");
    if (!resolve(resource, &p, &path, err))
        return false;
    c = p.op == QUERY_EQ ? same_equality(group, &path) : NULL;
    if (!c) {
        c = query_list_add(&group->conditions, sizeof *c, a);
        c->path = path;
        c->op = p.op;
    }
    return add_values(c, &p, a, count, err);
}
