#include "usage/query_ids.h"

#include "usage/query_parts.h"

#define ID_DATE_LAST (((int64_t)1 << 48) - 1) /* the last millisecond that an id can name */

static const struct usage_id lowest = {0}, highest = {{255, 255, 255, 255, 255, 255, 255, 255, 255,
                                                       255, 255, 255, 255, 255, 255, 255}};

/* The id before, or behind; stays where there is none. */
static struct usage_id next_id(struct usage_id id, int step)
{
    struct usage_id end = step > 0 ? highest : lowest;
    if (id_compare(&id, &end) == 0)
        return id;
    for (int i = 15; i >= 0; i--) {
        id.bytes[i] = (unsigned char)(id.bytes[i] + step);
        if (id.bytes[i] != (step > 0 ? 0 : 255))
            break;
    }
    return id;
}

static void raise_low(struct query_range *r, struct usage_id low)
{
    if (id_compare(&low, &r->low) > 0)
        r->low = low;
}

static void lower_high(struct query_range *r, struct usage_id high)
{
    if (id_compare(&high, &r->high) < 0)
        r->high = high;
}

struct query_range query_range_of_dates(int64_t from, int64_t to)
{
    struct query_range r = {.low = lowest, .high = highest};
    r.empty = from > ID_DATE_LAST || to <= 0 || from >= to;
    if (r.empty)
        return r;
    if (from > 0)
        r.low = id_floor(from);
    if (to <= ID_DATE_LAST)
        r.high = next_id(id_floor(to), -1);
    return r;
}

/* --- conditions ------------------------------------------------------------------------------ */

/* usageDate: of several values from the first to the last. */
static void narrow_by_dates(struct query_range *r, const struct query_condition *c)
{
    const int64_t *ms = c->values.items;
    int64_t from = INT64_MAX, to = INT64_MIN;
    for (size_t i = 0; i < c->values.count; i++) {
        from = ms[i] < from ? ms[i] : from;
        to = ms[i] >= to ? ms[i] + 1 : to;
    }
    if (c->op == QUERY_GTE)
        to = INT64_MAX;
    else if (c->op == QUERY_LT)
        from = INT64_MIN, to = ms[0];
    struct query_range dates = query_range_of_dates(from, to);
    r->empty = r->empty || dates.empty;
    raise_low(r, dates.low);
    lower_high(r, dates.high);
}

static bool is_order(enum query_op op)
{
    return op == QUERY_GT || op == QUERY_GTE || op == QUERY_LT || op == QUERY_LTE;
}

/* "id.gt=a,b": any will do, so the widest counts. */
static void narrow_by_order(struct query_range *r, const struct query_condition *c)
{
    const struct text *t = c->values.items;
    bool lower = c->op == QUERY_GT || c->op == QUERY_GTE,
         open = c->op == QUERY_GT || c->op == QUERY_LT;
    struct usage_id id, bound = lower ? highest : lowest;
    for (size_t i = 0; i < c->values.count; i++)
        if (id_parse(t[i], &id) &&
            (lower ? id_compare(&id, &bound) <= 0 : id_compare(&id, &bound) >= 0))
            bound = id;
    struct usage_id end = lower ? highest : lowest;
    if (open && id_compare(&bound, &end) == 0)
        r->empty = true;
    if (open)
        bound = next_id(bound, lower ? 1 : -1);
    if (lower)
        raise_low(r, bound);
    else
        lower_high(r, bound);
}

/* The part of an href behind ".../usage/"; absent: it is no href of ours. */
static struct text id_of_href(const struct query *q, struct text href)
{
    const char *base = q->limits->base_url, *name = q->resource->name;
    size_t n = strlen(base), m = strlen(name);
    if (href.n < n + m + 2 || memcmp(href.p, base, n) != 0 || href.p[n] != '/' ||
        memcmp(href.p + n + 1, name, m) != 0 || href.p[n + 1 + m] != '/')
        return (struct text){0};
    return (struct text){href.p + n + m + 2, href.n - n - m - 2};
}

struct query_ids query_ids_of(const struct query *q, const struct query_condition *c,
                              struct arena *a)
{
    const struct text *t = c->values.items;
    bool href = attribute_last(&c->path)->role == ROLE_HREF;
    struct usage_id *ids = arena_alloc(a, c->values.count * sizeof *ids);
    struct query_ids out = {.given = true, .list.items = ids};
    for (size_t i = 0; i < c->values.count; i++)
        if (id_parse(href ? id_of_href(q, t[i]) : t[i], &ids[out.list.count]))
            out.list.count++; /* what is no UUID is no usage's id: it matches nothing */
    return out;
}

static bool contains(const struct query_ids *ids, const struct usage_id *id)
{
    const struct usage_id *all = ids->list.items;
    for (size_t i = 0; i < ids->list.count; i++)
        if (id_compare(&all[i], id) == 0)
            return true;
    return false;
}

/* id and href both asked for: what is in both. */
static void intersect(struct query_ids *ids, const struct query_ids *other)
{
    struct usage_id *all = ids->list.items;
    size_t n = 0;
    if (!ids->given) {
        *ids = *other;
        return;
    }
    for (size_t i = 0; i < ids->list.count; i++)
        if (contains(other, &all[i]))
            all[n++] = all[i];
    ids->list.count = n;
}

static bool all_uuids(const struct list *texts)
{
    const struct text *t = texts->items;
    struct usage_id id;
    for (size_t i = 0; i < texts->count; i++)
        if (!id_parse(t[i], &id))
            return false;
    return true;
}

bool query_ids_decide(const struct query *q, const struct query_condition *c)
{
    enum attribute_role role = attribute_last(&c->path)->role;
    if (!q->resource->uuid || (role != ROLE_ID && role != ROLE_HREF))
        return false;
    return c->op == QUERY_EQ || (role == ROLE_ID && is_order(c->op) && all_uuids(&c->values));
}

/* --- groups ---------------------------------------------------------------------------------- */

/* Leaves the ids that are in the range, and makes the range theirs. */
static void settle(struct query_range *r)
{
    struct usage_id *ids = r->ids.list.items;
    size_t n = 0;
    r->empty = r->empty || id_compare(&r->low, &r->high) > 0;
    if (!r->ids.given)
        return;
    struct usage_id low = highest, high = lowest;
    for (size_t i = 0; !r->empty && i < r->ids.list.count; i++) {
        if (id_compare(&ids[i], &r->low) < 0 || id_compare(&ids[i], &r->high) > 0)
            continue;
        low = id_compare(&ids[i], &low) < 0 ? ids[i] : low;
        high = id_compare(&ids[i], &high) > 0 ? ids[i] : high;
        ids[n++] = ids[i];
    }
    r->ids.list.count = n;
    r->low = low;
    r->high = high;
    r->empty = n == 0;
}

struct query_range query_range_of(const struct query *q, const struct query_group *g,
                                  struct arena *a)
{
    const struct query_condition *c = g->conditions.items;
    struct query_range r = {.low = lowest, .high = highest};
    for (size_t i = 0; i < g->conditions.count; i++) {
        enum attribute_role role = attribute_last(&c[i].path)->role;
        if (role == ROLE_USAGE_DATE && c[i].op != QUERY_NE && c[i].op != QUERY_REGEX) {
            narrow_by_dates(&r, &c[i]);
        } else if (query_ids_decide(q, &c[i]) && c[i].op == QUERY_EQ) {
            struct query_ids ids = query_ids_of(q, &c[i], a);
            intersect(&r.ids, &ids);
        } else if (query_ids_decide(q, &c[i])) {
            narrow_by_order(&r, &c[i]);
        }
    }
    settle(&r);
    return r;
}

struct query_range query_range_of_groups(const struct query *q, struct arena *a)
{
    const struct query_group *g = q->groups.items;
    struct query_range all = {.empty = q->groups.count > 0,
                              .low = q->groups.count > 0 ? highest : lowest,
                              .high = q->groups.count > 0 ? lowest : highest};
    for (size_t i = 0; i < q->groups.count; i++) {
        struct query_range one = query_range_of(q, &g[i], a);
        if (one.empty)
            continue;
        all.empty = false;
        all.low = id_compare(&one.low, &all.low) < 0 ? one.low : all.low;
        all.high = id_compare(&one.high, &all.high) > 0 ? one.high : all.high;
    }
    return all;
}

/* --- texts ----------------------------------------------------------------------------------- */

static struct text text_of_id(const struct usage_id *id, struct arena *a)
{
    char *out = arena_alloc(a, ID_CHARS);
    id_print(id, out);
    return (struct text){out, ID_CHARS - 1};
}

bool query_range_low(const struct query_range *range, struct arena *a, struct text *out)
{
    *out = text_of_id(&range->low, a);
    return id_compare(&range->low, &lowest) != 0;
}

bool query_range_high(const struct query_range *range, struct arena *a, struct text *out)
{
    *out = text_of_id(&range->high, a);
    return id_compare(&range->high, &highest) != 0;
}

struct list query_ids_texts(const struct query_ids *ids, struct arena *a)
{
    const struct usage_id *id = ids->list.items;
    struct text *t = arena_alloc(a, ids->list.count * sizeof *t);
    for (size_t i = 0; i < ids->list.count; i++)
        t[i] = text_of_id(&id[i], a);
    return (struct list){t, ids->list.count};
}
