#include "usage/query_sql.h"

#include "usage/query_parts.h"

void query_sql_fini(struct query_sql *s)
{
    buf_fini(&s->text);
}

static size_t add(struct query_sql *s, struct text value)
{
    *(struct text *)query_list_add(&s->values, sizeof value, s->a) = value;
    return s->values.count;
}

void query_sql_value(struct query_sql *s, struct text value)
{
    buf_printf(&s->text, "($1::text[])[%zu]", add(s, value));
}

void query_sql_values(struct query_sql *s, const struct list *texts)
{
    const struct text *t = texts->items;
    for (size_t i = 0; i < texts->count; i++)
        add(s, t[i]);
    buf_printf(&s->text, "($1::text[])[%zu:%zu]", s->values.count - texts->count + 1,
               s->values.count);
}

void query_sql_compare(struct query_sql *s, const char *operator, const struct list * texts,
                       const char *type)
{
    buf_printf(&s->text, "%s ", operator);
    if (texts->count == 1) {
        query_sql_value(s, *(const struct text *)texts->items);
        if (type)
            buf_printf(&s->text, "::%s", type);
        return;
    }
    buf_str(&s->text, "ANY(");
    query_sql_values(s, texts);
    if (type)
        buf_printf(&s->text, "::%s[]", type);
    buf_byte(&s->text, ')');
}

void query_sql_params(const struct query_sql *s, struct db_params *p)
{
    const struct text *t = s->values.items;
    if (s->values.count == 0)
        return;
    db_array_begin(p, DB_TEXT, s->values.count);
    for (size_t i = 0; i < s->values.count; i++)
        db_array_text(p, t[i]);
    db_array_end(p);
}
