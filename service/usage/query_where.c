#include "usage/query_where.h"

#include <assert.h>

#include "usage/query_ids.h"
#include "usage/query_parts.h"

/* A piece of a group's SQL: " AND " in front of all but the first. */
static void and (struct query_sql * s, size_t start)
{
    if (s->text.len > start)
        buf_str(&s->text, " AND ");
}

/* --- columns --------------------------------------------------------------------------------- */

/* The subscriber's id has a column with an index; the others', null for the usual usage with one
 * party, have an array with another. */
static void where_party(const struct list *ids, int party, struct query_sql *s)
{
    const struct text *t = ids->items;
    if (party >= 0) {
        buf_str(&s->text, "party_id = ");
        query_sql_value(s, t[party]);
        return;
    }
    if (party == QUERY_PARTY_ALL)
        buf_byte(&s->text, '(');
    buf_str(&s->text, party == QUERY_PARTY_ALL ? "party_id " : "(party_id ");
    query_sql_compare(s, "=", ids, NULL);
    buf_str(&s->text, party == QUERY_PARTY_ALL ? " OR other_party_ids && "
                                               : ") IS NOT TRUE AND other_party_ids && ");
    query_sql_values(s, ids);
    if (party == QUERY_PARTY_ALL)
        buf_byte(&s->text, ')');
}

static void where_ids(const struct query_ids *ids, struct query_sql *s)
{
    struct list texts = query_ids_texts(ids, s->a);
    if (texts.count == 0) {
        buf_str(&s->text, "false");
        return;
    }
    buf_str(&s->text, "id ");
    query_sql_compare(s, "=", &texts, "uuid");
}

static void where_range(const struct query_range *range, struct query_sql *s, size_t start)
{
    struct text low, high;
    if (range->empty) {
        and(s, start);
        buf_str(&s->text, "false");
        return;
    }
    if (query_range_low(range, s->a, &low)) {
        and(s, start);
        buf_str(&s->text, "id >= ");
        query_sql_value(s, low);
        buf_str(&s->text, "::uuid");
    }
    if (query_range_high(range, s->a, &high)) {
        and(s, start);
        buf_str(&s->text, "id <= ");
        query_sql_value(s, high);
        buf_str(&s->text, "::uuid");
    }
}

/* usageDate is one of several: a range of ids each. */
static void where_dates(const struct query_condition *c, struct query_sql *s)
{
    const int64_t *ms = c->values.items;
    buf_byte(&s->text, '(');
    if (c->values.count == 0)
        buf_str(&s->text, "false");
    for (size_t i = 0; i < c->values.count; i++) {
        struct query_range day = query_range_of_dates(ms[i], ms[i] + 1);
        buf_str(&s->text, i > 0 ? " OR (" : "(");
        where_range(&day, s, s->text.len);
        buf_byte(&s->text, ')');
    }
    buf_byte(&s->text, ')');
}

/* href is the id behind a constant. */
static const char *href_sql(const struct query *q, struct query_sql *s)
{
    struct query_sql href = {.a = s->a, .values = s->values};
    const char *path = arena_printf(s->a, "%s/%s/", q->limits->base_url, q->resource->name);
    query_sql_value(&href, text_of(path));
    buf_str(&href.text, q->resource->uuid ? " || id::text" : " || id");
    const char *sql = arena_copy(s->a, href.text.data, href.text.len);
    s->values = href.values;
    query_sql_fini(&href);
    return sql;
}

/* A condition by itself, by the attribute's column or path. */
static void where_one(const struct query *q, const struct query_condition *c, struct query_sql *s)
{
    enum attribute_role role = attribute_last(&c->path)->role;
    bool equality = c->op == QUERY_EQ || c->op == QUERY_NE;
    if (q->resource->uuid && equality && (role == ROLE_ID || role == ROLE_HREF)) {
        struct query_ids ids = query_ids_of(q, c, s->a);
        where_ids(&ids, s);
    } else if (role == ROLE_USAGE_DATE && equality) {
        where_dates(c, s);
    } else if (role == ROLE_PARTY && equality) {
        where_party(&c->values, QUERY_PARTY_ALL, s);
    } else if (role == ROLE_HREF) {
        query_where_scalar(c, arena_printf(s->a, "(%s)", href_sql(q, s)), NULL, s);
    } else if (attribute_last(&c->path)->column) {
        query_where_scalar(c, query_where_text(&c->path, s->a), NULL, s);
    } else {
        query_where_json(&c, 1, s);
    }
}

/* --- characteristics with an index ----------------------------------------------------------- */

enum {
    INDEXED_VALUES_MAX = 100,
    INDEXED_CHARACTERS = 256 /* as in usage_characteristic_values() */
};

static const struct query_condition *find_equality(const struct query_group *g, const char *name)
{
    const struct query_condition *c = g->conditions.items;
    for (size_t i = 0; i < g->conditions.count; i++)
        if (c[i].op == QUERY_EQ && c[i].path.depth == 2 &&
            strcmp(c[i].path.steps[0]->name, "usageCharacteristic") == 0 &&
            strcmp(c[i].path.steps[1]->name, name) == 0)
            return &c[i];
    return NULL;
}

static const char *find_indexed(const struct query *q, struct text name)
{
    for (int i = 0; i < q->limits->indexed_count; i++)
        if (text_is(name, q->limits->indexed[i]))
            return q->limits->indexed[i];
    return NULL;
}

/* The name stands in the SQL, since an index on an expression is found by the same expression only:
 * it comes from the settings, which let no quote through. */
static void where_indexed_name(const char *name, const struct list *values, struct query_sql *s)
{
    const struct text *t = values->items;
    assert(!strpbrk(name, "'\\"));
    buf_printf(&s->text, "usage_characteristic_values(document, '%s') && ARRAY[", name);
    for (size_t i = 0; i < values->count; i++) {
        buf_str(&s->text, i > 0 ? ", left(" : "left(");
        query_sql_value(s, t[i]);
        buf_printf(&s->text, ", %d)", INDEXED_CHARACTERS);
        if (!query_is_number(t[i]))
            continue;
        buf_str(&s->text, ", left(trim_scale(");
        query_sql_value(s, t[i]);
        buf_printf(&s->text, "::numeric)::text, %d)", INDEXED_CHARACTERS);
    }
    buf_byte(&s->text, ']');
}

/* Said besides the condition itself, which it follows from: what the index finds is checked. */
static void where_indexed(const struct query *q, const struct query_group *g, struct query_sql *s,
                          size_t start)
{
    const struct query_condition *name = find_equality(g, "name"),
                                 *value = find_equality(g, "value");
    if (!name || !value || value->values.count > INDEXED_VALUES_MAX)
        return;
    const struct text *names = name->values.items;
    for (size_t i = 0; i < name->values.count; i++)
        if (!find_indexed(q, names[i]))
            return;
    and(s, start);
    buf_byte(&s->text, '(');
    for (size_t i = 0; i < name->values.count; i++) {
        if (i > 0)
            buf_str(&s->text, " OR ");
        where_indexed_name(find_indexed(q, names[i]), &value->values, s);
    }
    buf_byte(&s->text, ')');
}

/* --- groups ---------------------------------------------------------------------------------- */

static const struct query_condition *party_equality(const struct query_group *g)
{
    const struct query_condition *c = g->conditions.items;
    for (size_t i = 0; i < g->conditions.count; i++)
        if (c[i].op == QUERY_EQ && attribute_last(&c[i].path)->role == ROLE_PARTY)
            return &c[i];
    return NULL;
}

/* Other conditions on the same element of relatedParty. */
static bool party_has_company(const struct query_group *g)
{
    const struct query_condition *c = g->conditions.items, *party = party_equality(g);
    for (size_t i = 0; party && i < g->conditions.count; i++)
        if (&c[i] != party && c[i].op != QUERY_NE && c[i].path.steps[0] == party->path.steps[0])
            return true;
    return false;
}

/* What the range of ids has said already. */
static bool is_in_range(const struct query *q, const struct query_condition *c)
{
    enum attribute_role role = attribute_last(&c->path)->role;
    return (role == ROLE_USAGE_DATE && (c->op == QUERY_GTE || c->op == QUERY_LT ||
                                        (c->op == QUERY_EQ && c->values.count == 1))) ||
           query_ids_decide(q, c);
}

/* Conditions on the JSON are collected, to be said together. */
static void where_conditions(const struct query *q, const struct query_group *g, int party,
                             struct query_sql *s, size_t start)
{
    const struct query_condition *c = g->conditions.items, *by_party = party_equality(g);
    const struct query_condition **json = arena_alloc(s->a, g->conditions.count * sizeof *json);
    bool company = party_has_company(g);
    size_t count = 0;
    for (size_t i = 0; i < g->conditions.count; i++) {
        const struct attribute *last = attribute_last(&c[i].path);
        if (is_in_range(q, &c[i]))
            continue;
        if (&c[i] == by_party) {
            and(s, start);
            where_party(&c[i].values, party, s);
            if (company)
                json[count++] = &c[i];
        } else if (c[i].op == QUERY_NE) {
            and(s, start);
            buf_byte(&s->text, '(');
            where_one(q, &c[i], s);
            buf_str(&s->text, ") IS NOT TRUE");
        } else if (last->column || last->role == ROLE_HREF || last->role == ROLE_USAGE_DATE) {
            and(s, start);
            where_one(q, &c[i], s);
        } else {
            json[count++] = &c[i];
        }
    }
    where_indexed(q, g, s, start);
    if (count > 0) {
        and(s, start);
        query_where_json(json, count, s);
    }
}

static void where_group(const struct query *q, const struct query_group *g, int party,
                        struct query_sql *s)
{
    size_t start = s->text.len;
    struct query_range range = query_range_of(q, g, s->a);
    if (range.ids.given)
        where_ids(&range.ids, s);
    else
        where_range(&range, s, start);
    if (!range.empty)
        where_conditions(q, g, party, s, start);
    if (s->text.len == start)
        buf_str(&s->text, "true");
}

static bool are_different(const struct list *texts)
{
    const struct text *t = texts->items;
    for (size_t i = 0; i < texts->count; i++)
        for (size_t j = 0; j < i; j++)
            if (text_eq(t[i], t[j]))
                return false;
    return true;
}

int query_parties(const struct query *q)
{
    const struct query_group *g = q->groups.items;
    if (q->groups.count != 1 || q->sort.count > 0)
        return 0;
    const struct query_condition *c = party_equality(g);
    bool parts = c && c->values.count <= QUERY_PARTIES_MAX && are_different(&c->values);
    return parts ? (int)c->values.count : 0;
}

void query_where(const struct query *q, int party, struct query_sql *s)
{
    const struct query_group *g = q->groups.items;
    size_t start = s->text.len;
    if (q->groups.count == 1) {
        where_group(q, g, party, s);
        return;
    }
    struct query_range all = query_range_of_groups(q, s->a);
    where_range(&all, s, start);
    if (q->groups.count > 0) {
        and(s, start);
        buf_byte(&s->text, '(');
    }
    for (size_t i = 0; i < q->groups.count; i++) {
        buf_str(&s->text, i > 0 ? " OR (" : "(");
        where_group(q, &g[i], QUERY_PARTY_ALL, s);
        buf_byte(&s->text, ')');
    }
    buf_str(&s->text, q->groups.count > 0 ? ")" : s->text.len == start ? "true" : "");
}
