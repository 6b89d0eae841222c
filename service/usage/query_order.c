/* The order of rows, and where a token's row stands in it. */
#include "usage/id.h"
#include "usage/query_where.h"

/* The text by which a key sorts. usageDate before another key: the digits with which the id begins,
 * which are as good as the date and need no look at a column of another type. */
static const char *key_sql(const struct query_key *key, struct arena *a)
{
    const struct attribute *last = attribute_last(&key->path);
    return last->role == ROLE_USAGE_DATE ? "left(id::text, 13)" : query_where_text(&key->path, a);
}

void query_order(const struct query *q, struct query_sql *s)
{
    buf_str(&s->text, " ORDER BY ");
    for (int i = 0; i < q->sort.count; i++) {
        const struct query_key *key = &q->sort.keys[i];
        /* A row without the attribute comes last in both directions. */
        buf_printf(&s->text, "(%s) COLLATE \"C\" %s NULLS %s, ", key_sql(key, s->a),
                   key->descending != q->before ? "DESC" : "ASC", q->before ? "FIRST" : "LAST");
    }
    buf_printf(&s->text, "id %s", q->sort.id_descending != q->before ? "DESC" : "ASC");
}

void query_order_keys(const struct query *q, struct query_sql *s)
{
    for (int i = 0; i < q->sort.count; i++)
        buf_printf(&s->text, ", %s", key_sql(&q->sort.keys[i], s->a));
}

static void beyond_id(const struct query *q, struct query_sql *s)
{
    buf_printf(&s->text, "id %s ", q->sort.id_descending != q->before ? "<" : ">");
    query_sql_value(s, q->token.id);
    if (q->resource->uuid)
        buf_str(&s->text, "::uuid");
}

/* Behind (before: in front of) the token's row by the keys from `i` on. */
static void beyond(const struct query *q, int i, struct query_sql *s)
{
    if (i == q->sort.count) {
        beyond_id(q, s);
        return;
    }
    const struct query_key *key = &q->sort.keys[i];
    struct text value = q->token.keys[i];
    const char *sql = key_sql(key, s->a);
    if (!value.p) { /* rows without it are the last */
        buf_printf(&s->text, q->before ? "((%s) IS NOT NULL OR " : "((%s) IS NULL AND ", sql);
    } else {
        buf_printf(&s->text, "((%s) COLLATE \"C\" %s ", sql,
                   key->descending != q->before ? "<" : ">");
        query_sql_value(s, value);
        if (!q->before)
            buf_printf(&s->text, " OR (%s) IS NULL", sql);
        buf_printf(&s->text, " OR (%s) = ", sql);
        query_sql_value(s, value);
        buf_str(&s->text, " AND ");
    }
    beyond(q, i + 1, s);
    buf_byte(&s->text, ')');
}

/* Of an order that begins with usageDate: the range of ids that the token leaves. */
static void beyond_date(const struct query *q, struct query_sql *s)
{
    struct usage_id id;
    if (q->sort.count == 0 || attribute_last(&q->sort.keys[0].path)->role != ROLE_USAGE_DATE ||
        !q->token.keys[0].p)
        return;
    bool down = q->sort.keys[0].descending != q->before;
    const char *bound = arena_printf(s->a, "%.*s%s", TEXT_ARGS(q->token.keys[0]),
                                     down ? "-ffff-ffff-ffffffffffff" : "-0000-0000-000000000000");
    if (!id_parse(text_of(bound), &id))
        return;
    buf_printf(&s->text, "id %s ", down ? "<=" : ">=");
    query_sql_value(s, text_of(bound));
    buf_str(&s->text, "::uuid AND ");
}

void query_order_token(const struct query *q, struct query_sql *s)
{
    if (!q->after && !q->before)
        return;
    buf_str(&s->text, " AND ");
    beyond_date(q, s);
    beyond(q, 0, s);
}
