#include "usage/query.h"

#include "base/instant.h"
#include "usage/id.h"

enum operator{ OP_EQ, OP_GT, OP_GTE, OP_LT, OP_LTE, OP_OTHER };

/* One "name operator values" between two '&'. */
struct condition {
    struct text name; /* decoded, without the operator */
    enum operator op;
    bool plain;      /* a simple "name=": it may be offset, limit, ... */
    struct text raw; /* behind the operator, undecoded */
};

static bool bad(struct err *err, int status, struct text name, const char *what)
{
    char quoted[TEXT_QUOTED];
    err_set(err, ERR_DATA, "%s: %s", text_quote(name, quoted), what);
    err->code = status;
    return false;
}

static bool bad_value(struct err *err, struct text name, struct text value, const char *what)
{
    char quoted_name[TEXT_QUOTED], quoted[TEXT_QUOTED];
    err_set(err, ERR_DATA, "%s: \"%s\" %s", text_quote(name, quoted_name),
            text_quote(value, quoted), what);
    err->code = 400;
    return false;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The next character, decoded; -1 at the end, -2 for a broken escape. */
static int next_char(struct text *rest)
{
    if (rest->n == 0)
        return -1;
    char c = *rest->p;
    size_t used = 1;
    int value = (unsigned char)c;
    if (c == '%') {
        if (rest->n < 3 || hex(rest->p[1]) < 0 || hex(rest->p[2]) < 0)
            return -2;
        value = hex(rest->p[1]) * 16 + hex(rest->p[2]);
        used = 3;
    }
    rest->p += used;
    rest->n -= used;
    return value;
}

bool query_decode(struct text raw, bool plus_is_blank, struct arena *a, struct text *out)
{
    char *p = arena_alloc(a, raw.n + 1);
    *out = (struct text){p, 0};
    while (raw.n > 0) {
        bool blank = plus_is_blank && *raw.p == '+';
        int c = next_char(&raw);
        if (c < 0)
            return false;
        p[out->n++] = blank ? ' ' : (char)c;
    }
    p[out->n] = 0;
    return true;
}

/* Up to the first raw `separator`; the rest behind it. Splitting comes before decoding, so that %2C
 * is a comma of a value and ',' is "or". */
static struct text cut(struct text *rest, char separator)
{
    const char *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
    struct text piece = *rest;
    if (at) {
        piece.n = (size_t)(at - rest->p);
        rest->p = at + 1;
        rest->n -= piece.n + 1;
    } else {
        *rest = (struct text){0};
    }
    return piece;
}

/* The operator that is written with signs; they may be encoded, each by itself. A raw '=' is
 * followed by a second one only if that is raw too: "usageType=%3Dx" asks for "=x". */
static enum operator literal_operator(struct text *rest, bool *plain)
{
    bool raw = rest->n > 0 && *rest->p == '=';
    int c = next_char(rest);
    struct text after = *rest;
    bool raw_second = after.n > 0 && *after.p == '=';
    int second = next_char(&after);
    *plain = raw && !raw_second;
    if (*plain)
        return OP_EQ;
    if (second == '=' || (c == '=' && second == '~'))
        *rest = after;
    if (c == '=')
        return second == '=' ? OP_EQ : OP_OTHER;
    if (c == '>')
        return second == '=' ? OP_GTE : OP_GT;
    if (c == '<')
        return second == '=' ? OP_LTE : OP_LT;
    return OP_OTHER;
}

static bool is_name_char(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-' || c == '@';
}

/* "usageDate.gte" is usageDate and an operator. */
static void suffix_operator(struct condition *c)
{
    static const struct {
        struct text suffix;
        enum operator op;
    } known[] = {{TEXT(".gt"), OP_GT},      {TEXT(".gte"), OP_GTE}, {TEXT(".lt"), OP_LT},
                 {TEXT(".lte"), OP_LTE},    {TEXT(".eq"), OP_EQ},   {TEXT(".ne"), OP_OTHER},
                 {TEXT(".regex"), OP_OTHER}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct text s = known[i].suffix;
        if (c->name.n <= s.n || memcmp(c->name.p + c->name.n - s.n, s.p, s.n) != 0)
            continue;
        c->name.n -= s.n;
        c->op = known[i].op;
        c->plain = false;
        return;
    }
}

static bool read_condition(struct text piece, struct arena *a, struct condition *out,
                           struct err *err)
{
    struct text rest = piece;
    char *name = arena_alloc(a, piece.n + 1);
    size_t n = 0;
    for (;;) {
        struct text before = rest;
        int c = next_char(&rest);
        if (c == -2)
            return bad_value(err, TEXT("query"), piece, "has a broken percent escape");
        if (c >= 0 && is_name_char(c)) {
            name[n++] = (char)c;
            continue;
        }
        rest = before;
        break;
    }
    out->name = (struct text){name, n};
    struct text signs = rest;
    int c = next_char(&signs);
    if (n == 0 || c == -1)
        return bad_value(err, TEXT("query"), piece,
                         n == 0 ? "begins with no attribute" : "has no value");
    if (c <= 0 || !strchr("=<>*!~", c))
        return bad_value(err, TEXT("query"), piece, "names no attribute that can be filtered by");
    out->op = literal_operator(&rest, &out->plain);
    out->raw = rest;
    if (out->plain)
        suffix_operator(out);
    return true;
}

static void add(struct query_values *v, const void *item, size_t size, struct arena *a)
{
    /* Grown by doubling, in the arena: a power of two is full. */
    size_t n = v->values.count;
    if ((n & (n - 1)) == 0) {
        void *grown = arena_alloc(a, (n ? 2 * n : 1) * size);
        if (n > 0)
            memcpy(grown, v->values.items, n * size);
        v->values.items = grown;
    }
    memcpy((char *)v->values.items + n * size, item, size);
    v->values.count++;
}

static bool add_id(struct query *q, struct text name, struct text value, struct arena *a,
                   struct err *err)
{
    (void)name;
    (void)err;
    struct usage_id id;
    if (id_parse(value, &id)) /* what is no UUID is no usage's id: it matches nothing */
        add(&q->ids, &id, sizeof id, a);
    return true;
}

static bool add_status(struct query *q, struct text name, struct text value, struct arena *a,
                       struct err *err)
{
    if (usage_status_of(value) == STATUS_COUNT)
        return bad_value(err, name, value,
                         "is none of received, rejected, recycled, guided, rated, rerated, billed");
    add(&q->statuses, &value, sizeof value, a);
    return true;
}

static bool add_type(struct query *q, struct text name, struct text value, struct arena *a,
                     struct err *err)
{
    (void)name;
    (void)err;
    add(&q->types, &value, sizeof value, a);
    return true;
}

static bool add_party(struct query *q, struct text name, struct text value, struct arena *a,
                      struct err *err)
{
    (void)name;
    (void)err;
    add(&q->parties, &value, sizeof value, a);
    return true;
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

static bool read_date(struct text name, struct text value, struct arena *a, int64_t *ms,
                      bool *between, struct err *err)
{
    struct text mended = mend_offset(value, a);
    if (!instant_parse(mended, ms))
        return bad_value(err, name, value, "is no date-time like 2026-11-23T08:15:30.250Z");
    *between = below_milliseconds(mended);
    return true;
}

static bool add_date(struct query *q, struct text name, struct text value, struct arena *a,
                     struct err *err)
{
    int64_t ms;
    bool between;
    if (!read_date(name, value, a, &ms, &between, err))
        return false;
    if (!between) /* what is stored has whole milliseconds */
        add(&q->dates, &ms, sizeof ms, a);
    return true;
}

/* Stored dates are whole milliseconds, a literal may lie between two: with m its millisecond, ">
 * literal" is ">= m + 1" either way, and ">= literal" is ">= m + 1" only if it lies behind m. */
static bool narrow(struct query *q, const struct condition *c, struct arena *a, struct err *err)
{
    bool lower = c->op == OP_GT || c->op == OP_GTE;
    int64_t bound = lower ? INT64_MAX : INT64_MIN;
    struct text rest = c->raw;
    do {
        struct text value;
        if (!query_decode(cut(&rest, ','), true, a, &value))
            return bad(err, 400, c->name, "broken percent escape");
        int64_t ms;
        bool between;
        if (!read_date(c->name, value, a, &ms, &between, err))
            return false;
        bool next = c->op == OP_GT || c->op == OP_LTE || between;
        int64_t edge = ms + next;
        if (lower ? edge < bound
                  : edge > bound) /* any of the values may match: the widest counts */
            bound = edge;
    } while (rest.p);
    if (lower && bound > q->from)
        q->from = bound;
    if (!lower && bound < q->to)
        q->to = bound;
    return true;
}

typedef bool add_value(struct query *q, struct text name, struct text value, struct arena *a,
                       struct err *err);

static bool add_values(struct query *q, const struct condition *c, struct query_values *into,
                       add_value *add_one, struct arena *a, struct err *err)
{
    into->given = true;
    struct text rest = c->raw;
    do {
        struct text value;
        if (!query_decode(cut(&rest, ','), true, a, &value))
            return bad(err, 400, c->name, "broken percent escape");
        if (!text_is_utf8(value.p, value.n))
            return bad_value(err, c->name, value, "is not UTF-8, or holds NUL");
        if (!add_one(q, c->name, value, a, err))
            return false;
    } while (rest.p);
    return true;
}

static bool read_filter(struct query *q, const struct condition *c, struct arena *a,
                        struct err *err)
{
    const struct {
        const char *name;
        struct query_values *into;
        add_value *add_one;
    } known[] = {{"id", &q->ids, add_id},
                 {"status", &q->statuses, add_status},
                 {"usageType", &q->types, add_type},
                 {"relatedParty.id", &q->parties, add_party},
                 {"usageDate", &q->dates, add_date}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!text_is(c->name, known[i].name))
            continue;
        if (c->op == OP_EQ)
            return add_values(q, c, known[i].into, known[i].add_one, a, err);
        if (c->op != OP_OTHER && known[i].into == &q->dates)
            return narrow(q, c, a, err);
        return bad(err, 400, c->name, "this operator is not supported here");
    }
    return bad(err, 400, c->name, "not an attribute that can be filtered by");
}

/* A whole number from 0; more than fits is as good as the largest. */
static bool read_number(const struct condition *c, struct arena *a, int64_t *out, struct err *err)
{
    struct text t;
    if (!query_decode(c->raw, true, a, &t))
        return bad(err, 400, c->name, "broken percent escape");
    int64_t v = 0;
    for (size_t i = 0; i < t.n; i++) {
        int digit = t.p[i] - '0';
        if (digit < 0 || digit > 9)
            return bad_value(err, c->name, t, "is not a whole number from 0");
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            v = INT64_MAX / 10; /* stays large whatever follows */
    }
    *out = v;
    return t.n > 0 || bad_value(err, c->name, t, "is not a whole number from 0");
}

/* Given twice, the choices add up. Empty is as if absent. */
static bool read_fields(const struct condition *c, struct arena *a, struct render_fields *out,
                        struct err *err)
{
    struct text names;
    if (!query_decode(c->raw, true, a, &names))
        return bad(err, 400, c->name, "broken percent escape");
    if (names.n == 0)
        return true;
    out->names =
        out->all ? names
                 : text_of(arena_printf(a, "%.*s,%.*s", TEXT_ARGS(out->names), TEXT_ARGS(names)));
    out->all = false;
    return true;
}

/* What may stand anywhere in the query and filters nothing. *mine: c was one of these. */
static bool read_control(struct query *q, const struct condition *c,
                         const struct query_limits *limits, bool *seen, struct arena *a, bool *mine,
                         struct err *err)
{
    *mine = true;
    bool offset = text_is(c->name, "offset"), limit = text_is(c->name, "limit");
    if (c->plain && text_is(c->name, "fields"))
        return read_fields(c, a, &q->fields, err);
    if (text_is(c->name, "filter"))
        return bad(err, 501, c->name, "JSONPath filters are not implemented; filter by attributes");
    *mine = c->plain && (offset || limit);
    if (!*mine)
        return true;
    if (seen[limit])
        return bad(err, 400, c->name, "given more than once");
    seen[limit] = true;
    int64_t number;
    if (!read_number(c, a, &number, err))
        return false;
    if (offset)
        q->offset = number;
    else
        q->limit = number < limits->limit_max ? (int)number : limits->limit_max;
    return true;
}

bool query_parse(struct text raw, const struct query_limits *limits, struct arena *a,
                 struct query *out, struct err *err)
{
    *out = (struct query){.limit = limits->limit_default,
                          .fields = {.all = true},
                          .from = INT64_MIN,
                          .to = INT64_MAX};
    if (raw.n > 0 && memchr(raw.p, ';', raw.n))
        return bad(err, 400, TEXT("query"),
                   "';' between conditions is not supported; write %3B for one in a value");
    bool seen[2] = {false, false};
    while (raw.p) {
        struct text piece = cut(&raw, '&');
        if (piece.n == 0)
            continue;
        struct condition c;
        bool mine;
        if (!read_condition(piece, a, &c, err) ||
            !read_control(out, &c, limits, seen, a, &mine, err))
            return false;
        if (!mine && !read_filter(out, &c, a, err))
            return false;
    }
    return true;
}

bool query_parse_fields(struct text raw, struct arena *a, struct render_fields *out,
                        struct err *err)
{
    *out = (struct render_fields){.all = true};
    while (raw.p) {
        struct text piece = cut(&raw, '&');
        if (piece.n == 0)
            continue;
        struct condition c;
        if (!read_condition(piece, a, &c, err))
            return false;
        if (!c.plain || !text_is(c.name, "fields"))
            return bad(err, 400, c.name, "only `fields` may be asked of a single resource");
        if (!read_fields(&c, a, out, err))
            return false;
    }
    return true;
}

void query_without_offset(struct text raw, struct arena *a, struct buf *out)
{
    while (raw.p) {
        struct text piece = cut(&raw, '&'), rest = piece, name;
        if (piece.n == 0 ||
            (query_decode(cut(&rest, '='), true, a, &name) && text_is(name, "offset")))
            continue;
        buf_add(out, piece.p, piece.n);
        buf_byte(out, '&');
    }
}
