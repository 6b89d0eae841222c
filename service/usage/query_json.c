/* Conditions on the stored JSON. Those that share an array are asked of the same element. */
#include "base/instant.h"
#include "usage/query_parts.h"
#include "usage/query_where.h"

#define DATE_FIRST INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define DATE_LAST INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */

/* Stored dates are texts of one form, "2026-11-23T08:15:30.250Z", which sort as they are. A bound
 * beyond them is below, or above, every digit. */
static struct text date_text(int64_t ms, struct arena *a)
{
    if (ms < DATE_FIRST)
        return TEXT("");
    if (ms > DATE_LAST)
        return TEXT(":");
    char *out = arena_alloc(a, INSTANT_CHARS);
    return (struct text){out, instant_print(ms, out)};
}

static struct list date_texts(const struct list *dates, struct arena *a)
{
    const int64_t *ms = dates->items;
    struct text *t = arena_alloc(a, dates->count * sizeof *t);
    for (size_t i = 0; i < dates->count; i++)
        t[i] = date_text(ms[i], a);
    return (struct list){t, dates->count};
}

static struct list only_numbers(const struct list *texts, struct arena *a)
{
    const struct text *t = texts->items;
    struct text *out = arena_alloc(a, texts->count * sizeof *out);
    size_t n = 0;
    for (size_t i = 0; i < texts->count; i++)
        if (query_is_number(t[i]))
            out[n++] = t[i];
    return (struct list){out, n};
}

/* --- a scalar -------------------------------------------------------------------------------- */

static const char *operator_of(enum query_op op)
{
    static const char *const signs[] = {
        [QUERY_EQ] = "=", [QUERY_NE] = "=",   [QUERY_GT] = ">",    [QUERY_GTE] = ">=",
        [QUERY_LT] = "<", [QUERY_LTE] = "<=", [QUERY_REGEX] = "~",
    };
    return signs[op];
}

static bool is_equality(enum query_op op)
{
    return op == QUERY_EQ || op == QUERY_NE;
}

/* By the characters' codes, whatever the database's collation is. */
static void compare_texts(const char *text, enum query_op op, const struct list *texts,
                          struct query_sql *s)
{
    buf_printf(&s->text, is_equality(op) ? "%s " : "(%s) COLLATE \"C\" ", text);
    query_sql_compare(s, operator_of(op), texts, NULL);
}

static void compare_numbers(const char *json, enum query_op op, const struct list *texts,
                            struct query_sql *s)
{
    buf_printf(&s->text, "json_number(%s) ", json);
    query_sql_compare(s, operator_of(op), texts, "numeric");
}

/* Any JSON: 187 finds the text "187" and the number 187, or 187.0; order is between numbers. An
 * object or array has no value to compare. */
static void compare_any(const struct query_condition *c, const char *text, const char *json,
                        struct query_sql *s)
{
    if (!is_equality(c->op) && c->op != QUERY_REGEX) {
        compare_numbers(json, c->op, &c->values, s);
        return;
    }
    struct list numbers = only_numbers(&c->values, s->a);
    bool either = is_equality(c->op) && numbers.count > 0;
    buf_printf(&s->text, "%sjson_typeof(%s) IN ('string', 'number', 'boolean') AND ",
               either ? "(" : "", json);
    compare_texts(text, c->op, &c->values, s);
    if (either) {
        buf_str(&s->text, " OR ");
        compare_numbers(json, c->op, &numbers, s);
        buf_byte(&s->text, ')');
    }
}

void query_where_scalar(const struct query_condition *c, const char *text, const char *json,
                        struct query_sql *s)
{
    enum attribute_type type = attribute_last(&c->path)->type;
    if (c->values.count == 0) {
        buf_str(&s->text, "false");
    } else if (type == ATTRIBUTE_ANY) {
        compare_any(c, text, json, s);
    } else if (type == ATTRIBUTE_NUMBER && c->op != QUERY_REGEX) {
        compare_numbers(json, c->op, &c->values, s);
    } else if (type == ATTRIBUTE_DATE && c->op != QUERY_REGEX) {
        struct list texts = date_texts(&c->values, s->a);
        if (attribute_last(&c->path)->role == ROLE_AS_WRITTEN)
            text = arena_printf(s->a, "json_date_time(%s)", text);
        compare_texts(text, c->op, &texts, s);
    } else {
        compare_texts(text, c->op, &c->values, s);
    }
}

/* --- paths ----------------------------------------------------------------------------------- */

/* "BASE->'a'->'b'"; with `as_text` the last is "->>". */
static const char *inside(const char *base, const struct attribute_path *path, int from, int to,
                          bool as_text, struct arena *a)
{
    for (int i = from; i < to; i++)
        base = arena_printf(a, "%s%s'%s'", base, as_text && i == to - 1 ? "->>" : "->",
                            path->steps[i]->name);
    return base;
}

const char *query_where_text(const struct attribute_path *path, struct arena *a)
{
    const char *column = attribute_last(path)->column;
    return column ? column : inside("document::json", path, 0, path->depth, true, a);
}

/* The place of the first array from `step` on; depth: there is none. */
static int array_from(const struct attribute_path *path, int step)
{
    while (step < path->depth && path->steps[step]->type != ATTRIBUTE_ARRAY)
        step++;
    return step;
}

/* Are both under the same array, the first from `step` on? */
static bool share_array(const struct attribute_path *a, const struct attribute_path *b, int step)
{
    int at = array_from(a, step);
    return at < a->depth && at == array_from(b, step) &&
           memcmp(a->steps + step, b->steps + step, (size_t)(at + 1 - step) * sizeof *a->steps) ==
               0;
}

/* --- elements -------------------------------------------------------------------------------- */

static void level(const struct query_condition *const *c, size_t n, const char *base, int step,
                  int depth, struct query_sql *s);

/* One element of an array for which all of these hold. */
static void element(const struct query_condition *const *c, size_t n, const char *base, int step,
                    int depth, struct query_sql *s)
{
    const struct attribute_path *path = &c[0]->path;
    int at = array_from(path, step);
    const char *column = path->steps[at]->column;
    buf_printf(&s->text, "EXISTS (SELECT FROM json_array_elements(%s) AS e%d (v%d) WHERE ",
               column ? column : inside(base, path, step, at + 1, false, s->a), depth, depth);
    level(c, n, arena_printf(s->a, "v%d", depth), at + 1, depth + 1, s);
    buf_byte(&s->text, ')');
}

/* Conditions on what is in one object, whose SQL is `base`; `step` is the place in their paths
 * behind that object. */
static void level(const struct query_condition *const *c, size_t n, const char *base, int step,
                  int depth, struct query_sql *s)
{
    const struct query_condition **same = arena_alloc(s->a, n * sizeof *same);
    bool *done = arena_zero(s->a, n * sizeof *done);
    for (size_t i = 0; i < n; i++) {
        const struct attribute_path *path = &c[i]->path;
        size_t count = 0;
        if (done[i])
            continue;
        if (i > 0)
            buf_str(&s->text, " AND ");
        if (array_from(path, step) == path->depth) {
            query_where_scalar(c[i], inside(base, path, step, path->depth, true, s->a),
                               inside(base, path, step, path->depth, false, s->a), s);
            continue;
        }
        for (size_t j = i; j < n; j++)
            if (share_array(path, &c[j]->path, step)) {
                same[count++] = c[j];
                done[j] = true;
            }
        element(same, count, base, step, depth, s);
    }
}

void query_where_json(const struct query_condition *const *conditions, size_t count,
                      struct query_sql *s)
{
    level(conditions, count, "document::json", 0, 1, s);
}
