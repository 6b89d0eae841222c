/* A query string: parsed for both collections, and made into SQL. Input: the query string. */
#include <ctype.h>
#include <stdlib.h>

#include "fuzz.h"
#include "usage/query_where.h"

static const char *const indexed[] = {"msisdn", "a b"};
static const struct query_limits limits = {.limit_default = 100,
                                           .limit_max = 1000,
                                           .base_url = "http://h/v4",
                                           .indexed = indexed,
                                           .indexed_count = 2};

/* Nothing that a client sent is in the SQL: all of it is words of ours, its quotes and brackets
 * match, and values are named by their number in $1. */
static void check_sql(const struct query_sql *s)
{
    int depth = 0, brackets = 0;
    bool inside = false;
    for (size_t i = 0; i < s->text.len; i++) {
        char c = s->text.data[i];
        assert(isalnum((unsigned char)c) || strchr(" ()[]'\"$:.,<>=~&|-_@", c));
        inside = inside != (c == '\'');
        depth += !inside && c == '(' ? 1 : !inside && c == ')' ? -1 : 0;
        brackets += !inside && c == '[' ? 1 : !inside && c == ']' ? -1 : 0;
        assert(depth >= 0 && brackets >= 0);
        assert(c != '$' || s->text.data[i + 1] == '1');
        assert(c != '-' || inside || s->text.data[i + 1] == '>'); /* no comment */
    }
    assert(depth == 0 && brackets == 0 && !inside);
    const struct text *t = s->values.items;
    for (size_t i = 0; i < s->values.count; i++)
        assert(t[i].p && text_is_utf8(t[i].p, t[i].n));
}

static size_t count_values(const struct query *q)
{
    const struct query_group *g = q->groups.items;
    size_t conditions = 0, values = 0;
    assert(q->groups.count <= QUERY_CONDITIONS_MAX);
    for (size_t i = 0; i < q->groups.count; i++) {
        const struct query_condition *c = g[i].conditions.items;
        assert(g[i].conditions.count > 0);
        conditions += g[i].conditions.count;
        for (size_t j = 0; j < g[i].conditions.count; j++) {
            assert(attribute_is_scalar(attribute_last(&c[j].path)));
            values += c[j].values.count;
        }
    }
    assert(conditions <= QUERY_CONDITIONS_MAX && values <= QUERY_VALUES_MAX);
    return values;
}

static struct text where_of(const struct query *q, int party, struct arena *a)
{
    struct query_sql s = {.a = a};
    query_where(q, party, &s);
    check_sql(&s);
    struct text text = {arena_copy(a, s.text.data, s.text.len), s.text.len};
    query_sql_fini(&s);
    return text;
}

/* A token of the row that the query's own token names, or of some other. */
static void check_token(struct query *q, struct arena *a)
{
    struct query_token read, token = {.position = 5, .id = TEXT("x"), .count = q->sort.count};
    struct query_sql s = {.a = a};
    struct text order = query_sort_name(q, a);
    for (int i = 0; i < token.count; i++)
        token.keys[i] = i % 2 ? (struct text){0} : TEXT("k");
    bool same = query_token_read(query_token_write(&token, order, a), order, a, &read);
    assert(same && read.count == q->sort.count);
    if (!q->after && !q->before) {
        q->after = true;
        q->token = token;
    }
    query_order_keys(q, &s);
    query_order_token(q, &s);
    query_order(q, &s);
    check_sql(&s);
    query_sql_fini(&s);
}

/* What a link keeps asks for the same rows. */
static void check_link(struct text raw, const struct query *q, struct arena *a)
{
    struct query kept;
    struct err err = {0};
    struct buf b = {0};
    query_without_page(raw, a, &b);
    bool good = query_parse((struct text){b.data, b.len}, q->resource, &limits, a, &kept, &err);
    assert(good && !kept.after && !kept.before && kept.offset == 0 && kept.limit == q->limit);
    assert(text_eq(query_sort_name(q, a), query_sort_name(&kept, a)));
    assert(text_eq(where_of(q, QUERY_PARTY_ALL, a), where_of(&kept, QUERY_PARTY_ALL, a)));
    buf_fini(&b);
}

static void check(const struct query_resource *resource, struct text raw, struct arena *a)
{
    struct query q;
    struct err err = {0};
    if (!query_parse(raw, resource, &limits, a, &q, &err)) {
        assert(err.kind == ERR_DATA && (err.code == 400 || err.code == 501) && err.text[0]);
        assert(text_is_utf8(err.text, strlen(err.text)));
        return;
    }
    assert(q.offset >= 0 && q.limit >= 0 && q.limit <= 1000 && !(q.after && q.before));
    count_values(&q);
    where_of(&q, QUERY_PARTY_ALL, a);
    for (int i = 0; i < query_parties(&q); i++)
        where_of(&q, i, a);
    if (query_parties(&q) > 0)
        where_of(&q, QUERY_PARTY_OTHERS, a);
    check_link(raw, &q, a);
    check_token(&q, a);
}

FUZZ(query)
{
    struct arena *a = arena_new(4096);
    struct render_fields fields;
    struct err err = {0};
    char *exact = malloc(size + 1);
    assert(exact);
    if (size > 0)
        memcpy(exact, data, size);
    struct text raw = {exact, size};
    check(&query_usages, raw, a);
    check(&query_specifications, raw, a);
    if (!query_parse_fields(raw, a, &fields, &err))
        assert(err.kind == ERR_DATA && err.code == 400 && err.text[0]);
    free(exact);
    arena_free(a);
    return 0;
}
