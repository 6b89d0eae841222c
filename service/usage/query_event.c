#include "usage/query_event.h"

#include <stdlib.h>

#include "base/instant.h"
#include "base/jsonr.h"
#include "base/pattern.h"
#include "usage/hub_event.h"
#include "usage/id.h"
#include "usage/query_parts.h"

enum { ARENA_BLOCK = 4096 };

/* A condition, and its regular expressions compiled. */
struct test {
    const struct query_condition *c;
    struct pattern **patterns; /* of REGEX, one for each value */
};

/* All of them must hold. */
struct test_group {
    struct test *tests;
    size_t count;
};

struct query_event {
    struct arena *arena;
    struct test_group *groups; /* one of which must hold; none: everything matches */
    size_t count;
};

/* What judging one event uses. */
struct judging {
    struct arena *a;
    int64_t *steps; /* that regular expressions may still take */
};

/* --- reading it ------------------------------------------------------------------------------ */

/* A name that no event has would be silence later. */
static bool check_event_types(const struct query_condition *c, struct err *err)
{
    const struct text *t = c->values.items;
    bool equality = c->op == QUERY_EQ || c->op == QUERY_NE;
    if (!equality || strcmp(attribute_last(&c->path)->name, "eventType") != 0)
        return true;
    for (size_t i = 0; i < c->values.count; i++) {
        bool known = false;
        for (int k = 0; k < HUB_EVENT_TYPES && !known; k++)
            known = text_is(t[i], hub_event_names[k]);
        if (!known)
            return query_bad_value(err, TEXT("eventType"), t[i],
                                   "is none of the seven events, such as UsageCreateEvent");
    }
    return true;
}

static struct text name_of(const struct attribute_path *path, struct arena *a)
{
    const char *name = path->steps[0]->name;
    for (int i = 1; i < path->depth; i++)
        name = arena_printf(a, "%s.%s", name, path->steps[i]->name);
    return text_of(name);
}

static bool compile_patterns(struct query_event *q, struct test *t, struct err *err)
{
    const struct text *texts = t->c->values.items;
    struct err why;
    if (t->c->op != QUERY_REGEX)
        return true;
    t->patterns = arena_zero(q->arena, t->c->values.count * sizeof *t->patterns);
    for (size_t i = 0; i < t->c->values.count; i++)
        if (!(t->patterns[i] = pattern_new(texts[i], q->arena, &why)))
            return query_bad_value(err, name_of(&t->c->path, q->arena), texts[i], why.text);
    return true;
}

/* A usage's id is asked for in either case, as in a list; in an event it is in lower case. */
static void fold_ids(struct query_event *q, const struct query_condition *c)
{
    struct text *t = c->values.items;
    const struct attribute *last = attribute_last(&c->path);
    bool usage =
        c->path.depth > 1 && c->path.steps[c->path.depth - 2]->parts == query_usages.attributes;
    if (!usage || last->role != ROLE_ID || c->op == QUERY_REGEX)
        return;
    for (size_t i = 0; i < c->values.count; i++) {
        struct usage_id id;
        char *folded = arena_alloc(q->arena, ID_CHARS);
        if (!id_parse(t[i], &id))
            continue;
        id_print(&id, folded);
        t[i] = text_of(folded);
    }
}

static bool take_group(struct query_event *q, const struct query_group *from,
                       struct test_group *out, struct err *err)
{
    const struct query_condition *c = from->conditions.items;
    out->count = from->conditions.count;
    out->tests = arena_zero(q->arena, out->count * sizeof *out->tests);
    for (size_t i = 0; i < out->count; i++) {
        out->tests[i].c = &c[i];
        fold_ids(q, &c[i]);
        if (!check_event_types(&c[i], err) || !compile_patterns(q, &out->tests[i], err))
            return false;
    }
    return true;
}

static bool read_group(struct query_event *q, struct text rest, struct query_count *count,
                       struct query_group *out, struct err *err)
{
    while (rest.p) {
        struct text text = query_cut(&rest, '&');
        struct query_piece piece;
        if (text.n > 0 && (!query_piece_read(text, q->arena, &piece, err) ||
                           !query_filter_add(&query_events, &piece, q->arena, out, count, err)))
            return false;
    }
    return out->conditions.count > 0 ||
           query_bad(err, 400, TEXT("query"),
                     "no condition stands before or behind a ';'; write %3B for one in a value");
}

static bool read_all(struct query_event *q, struct text raw, struct err *err)
{
    struct list groups = {0};
    struct query_count count = {0};
    if (raw.n > QUERY_EVENT_MAX)
        return query_bad(err, 400, TEXT("query"), "is longer than 4096 bytes");
    while (raw.p) {
        struct query_group group = {0};
        if (!read_group(q, query_cut(&raw, ';'), &count, &group, err))
            return false;
        *(struct query_group *)query_list_add(&groups, sizeof group, q->arena) = group;
    }
    const struct query_group *g = groups.items;
    q->count = groups.count;
    q->groups = arena_zero(q->arena, (q->count + 1) * sizeof *q->groups);
    for (size_t i = 0; i < q->count; i++)
        if (!take_group(q, &g[i], &q->groups[i], err))
            return false;
    return true;
}

struct query_event *query_event_new(struct text raw, struct err *err)
{
    struct query_event *q = calloc(1, sizeof *q);
    if (!q)
        abort();
    q->arena = arena_new(ARENA_BLOCK);
    struct text own = {0};
    if (raw.n > 0)
        own = (struct text){arena_copy(q->arena, raw.p, raw.n), raw.n};
    if (read_all(q, own, err))
        return q;
    err->code = 400; /* filter= is 501 on a list; here it is an unusable query like any other */
    query_event_free(q);
    return NULL;
}

void query_event_free(struct query_event *q)
{
    if (!q)
        return;
    arena_free(q->arena);
    free(q);
}

/* --- one value ------------------------------------------------------------------------------- */

static bool holds(enum query_op op, int order)
{
    switch (op) {
    case QUERY_EQ:
    case QUERY_NE: /* judged as "equals", and turned round by the group */
        return order == 0;
    case QUERY_GT:
        return order > 0;
    case QUERY_GTE:
        return order >= 0;
    case QUERY_LT:
        return order < 0;
    case QUERY_LTE:
        return order <= 0;
    case QUERY_REGEX:
        break;
    }
    return false;
}

/* A number as 0.DIGITS * 10^point, without zeros at either end; zero has no digits. */
struct plain {
    bool negative;
    int count;
    long point;
    char digits[QUERY_NUMBER_MAX];
};

/* Of a text that query_is_number() takes. */
static struct plain plain_of(struct text t)
{
    struct plain n = {.negative = *t.p == '-'};
    bool behind = false;
    const char *p = t.p + n.negative, *end = t.p + t.n;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            behind = true;
        } else if (n.count > 0 || *p != '0') {
            n.digits[n.count++] = *p;
            n.point += !behind;
        } else {
            n.point -= behind;
        }
    }
    if (p < end)
        n.point += strtol(p + 1, NULL, 10); /* ends at the text's end: it is copied, with a 0 */
    while (n.count > 0 && n.digits[n.count - 1] == '0')
        n.count--;
    return n;
}

static int compare_sizes(const struct plain *x, const struct plain *y)
{
    if (x->count == 0 || y->count == 0 || x->point != y->point) {
        bool more = y->count == 0 || (x->count > 0 && x->point > y->point);
        return x->count == 0 && y->count == 0 ? 0 : more ? 1 : -1;
    }
    return text_compare((struct text){x->digits, (size_t)x->count},
                        (struct text){y->digits, (size_t)y->count});
}

/* As PostgreSQL's numeric does it; what is too long for that compares with nothing (as in SQL). */
static bool compare_numbers(enum query_op op, struct text json, struct text wanted, struct arena *a)
{
    if (!query_is_number(json) || !query_is_number(wanted))
        return false;
    struct plain x = plain_of((struct text){arena_copy(a, json.p, json.n), json.n}),
                 y = plain_of((struct text){arena_copy(a, wanted.p, wanted.n), wanted.n});
    bool below = x.negative && x.count > 0, other_below = y.negative && y.count > 0;
    if (below != other_below)
        return holds(op, below ? -1 : 1);
    return holds(op, below ? compare_sizes(&y, &x) : compare_sizes(&x, &y));
}

static bool any_number(const struct query_condition *c, struct text json, struct arena *a)
{
    const struct text *t = c->values.items;
    for (size_t i = 0; i < c->values.count; i++)
        if (compare_numbers(c->op, json, t[i], a))
            return true;
    return false;
}

static bool any_text(const struct test *t, struct text value, int64_t *steps)
{
    const struct text *wanted = t->c->values.items;
    for (size_t i = 0; i < t->c->values.count; i++)
        if (t->c->op == QUERY_REGEX ? pattern_matches(t->patterns[i], value, steps)
                                    : holds(t->c->op, text_compare(value, wanted[i])))
            return true;
    return false;
}

static bool any_date(const struct query_condition *c, struct text value)
{
    const int64_t *wanted = c->values.items;
    int64_t ms;
    if (!instant_parse(value, &ms))
        return false;
    for (size_t i = 0; i < c->values.count; i++)
        if (holds(c->op, (ms > wanted[i]) - (ms < wanted[i])))
            return true;
    return false;
}

static bool is_equality(enum query_op op)
{
    return op == QUERY_EQ || op == QUERY_NE;
}

/* One scalar as it stands in the JSON. */
static bool scalar_holds(const struct test *t, struct text json, struct judging *j)
{
    const struct query_condition *c = t->c;
    enum attribute_type type = attribute_last(&c->path)->type;
    struct jsonr r = jsonr_start(json);
    enum jsonr_kind kind = jsonr_peek(&r);
    struct text text = json;
    if (kind == JSONR_NULL || kind == JSONR_OBJECT || kind == JSONR_ARRAY ||
        (kind == JSONR_TEXT && !jsonr_text(&r, j->a, &text)))
        return false;
    if (type == ATTRIBUTE_DATE && c->op != QUERY_REGEX)
        return any_date(c, text);
    if (type == ATTRIBUTE_NUMBER && c->op != QUERY_REGEX)
        return kind == JSONR_NUMBER && any_number(c, json, j->a);
    if (type == ATTRIBUTE_ANY && c->op != QUERY_REGEX && kind == JSONR_NUMBER &&
        any_number(c, json, j->a))
        return true;
    if (type == ATTRIBUTE_ANY && !is_equality(c->op) && c->op != QUERY_REGEX)
        return false;
    return any_text(t, text, j->steps);
}

/* --- paths ----------------------------------------------------------------------------------- */

/* The resource may be as deep as any. */
static struct jsonr start(struct text json)
{
    struct jsonr r = jsonr_start(json);
    r.around = HUB_EVENT_AROUND;
    return r;
}

static bool member(struct text object, const char *name, struct arena *a, struct text *value)
{
    struct jsonr r = start(object);
    struct text key;
    if (jsonr_peek(&r) == JSONR_OBJECT && jsonr_enter(&r, JSONR_OBJECT))
        while (jsonr_next_key(&r, a, &key) && jsonr_skip(&r, value))
            if (text_is(key, name))
                return true;
    return false;
}

/* What stands at the steps [from, to). */
static bool inside(struct text object, const struct attribute_path *path, int from, int to,
                   struct arena *a, struct text *value)
{
    *value = object;
    for (int i = from; i < to; i++)
        if (!member(*value, path->steps[i]->name, a, value))
            return false;
    return true;
}

/* The place of the first array from `step` on; depth: there is none. */
static int array_from(const struct attribute_path *path, int step)
{
    while (step < path->depth && path->steps[step]->type != ATTRIBUTE_ARRAY)
        step++;
    return step;
}

static bool share_array(const struct attribute_path *p, const struct attribute_path *q, int step)
{
    int at = array_from(p, step);
    return at < p->depth && at == array_from(q, step) &&
           memcmp(p->steps + step, q->steps + step, (size_t)(at + 1 - step) * sizeof *p->steps) ==
               0;
}

static bool level(const struct test *const *t, size_t n, struct text object, int step,
                  struct judging *j);

/* Is there one element of their array for which all of these hold? */
static bool element(const struct test *const *t, size_t n, struct text object, int step,
                    struct judging *j)
{
    const struct attribute_path *path = &t[0]->c->path;
    int at = array_from(path, step);
    struct text array, item;
    if (!inside(object, path, step, at + 1, j->a, &array))
        return false;
    struct jsonr r = start(array);
    if (jsonr_peek(&r) == JSONR_ARRAY && jsonr_enter(&r, JSONR_ARRAY))
        while (jsonr_next_item(&r) && jsonr_skip(&r, &item)) {
            struct arena_mark mark = arena_mark(j->a); /* there may be many thousands */
            bool holds = level(t, n, item, at + 1, j);
            arena_rewind(j->a, mark);
            if (holds)
                return true;
        }
    return false;
}

/* Conditions on what is in one object; `step` is the place in their paths behind that object. */
static bool level(const struct test *const *t, size_t n, struct text object, int step,
                  struct judging *j)
{
    const struct test **same = arena_alloc(j->a, n * sizeof *same);
    bool *done = arena_zero(j->a, n * sizeof *done);
    for (size_t i = 0; i < n; i++) {
        const struct attribute_path *path = &t[i]->c->path;
        struct text value;
        size_t count = 0;
        if (done[i])
            continue;
        if (array_from(path, step) == path->depth) {
            struct arena_mark mark = arena_mark(j->a); /* texts are as long as they like */
            bool holds = inside(object, path, step, path->depth, j->a, &value) &&
                         scalar_holds(t[i], value, j);
            arena_rewind(j->a, mark);
            if (!holds)
                return false;
            continue;
        }
        for (size_t k = i; k < n; k++)
            if (share_array(path, &t[k]->c->path, step)) {
                same[count++] = t[k];
                done[k] = true;
            }
        if (!element(same, count, object, step, j))
            return false;
    }
    return true;
}

static bool group_holds(const struct test_group *g, struct text json, struct judging *j)
{
    const struct test **together = arena_alloc(j->a, g->count * sizeof *together);
    size_t count = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct test *t = &g->tests[i];
        if (t->c->op != QUERY_NE)
            together[count++] = t;
        else if (level(&t, 1, json, 0, j))
            return false;
    }
    return level(together, count, json, 0, j);
}

bool query_event_matches(const struct query_event *q, struct text json, struct arena *a,
                         int64_t *steps)
{
    struct judging j = {a, steps};
    struct arena_mark mark = arena_mark(a);
    bool matches = q->count == 0;
    for (size_t i = 0; i < q->count && !matches; i++)
        matches = group_holds(&q->groups[i], json, &j);
    arena_rewind(a, mark);
    return matches;
}
