#include "usage/model.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"
#include "base/embed.h"
#include "base/instant.h"
#include "base/jsonr.h"
#include "usage/model_parts.h"

static const int64_t year_0 = -62167219200000, year_10000 = 253402300800000;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct model *models[MODEL_TYPES];    /* set once, for good, */
static struct arena *tables __attribute__((used)); /* and what they lead to */

static void set_up(void)
{
    struct err err = {0};
    const char *description = embed_text(embed_schemas, "openapi.json");
    tables = arena_new(16384);
    bool compiled = model_compile(text_of(description), tables, models, &err);
    if (!compiled)
        fprintf(stderr, "usaged: %s\n", err.text);
    assert(compiled);
}

const struct model *model_of(enum model_type type)
{
    assert(type >= 0 && type < MODEL_TYPES);
    pthread_once(&once, set_up);
    return models[type];
}

/* Where we are: a chain on the stack, from the innermost outwards. */
struct place {
    const struct place *up; /* NULL: the body itself */
    struct text key;        /* absent: the index counts */
    size_t index;
};

struct walk {
    struct jsonr r;
    struct arena *a;
    struct err *err;
    bool merged;       /* MODEL_USAGE_MERGED */
    bool import;       /* MODEL_USAGE_IMPORT */
    bool has_id;       /* of an import */
    struct text *keys; /* of the objects that we are in: those that are looked at for repeats */
    size_t count, room;
};

/* --- what is said --- */

enum { PATH_BYTES = 104 }; /* with the longest value and words it fits err.text */

/* Adds `piece` whole, or "..." for ever. */
static void append(char *path, size_t *n, const char *piece)
{
    size_t more = strlen(piece);
    if (*n + more >= PATH_BYTES - 4) {
        if (*n < PATH_BYTES - 4)
            memcpy(path + *n, "...", 4);
        *n = PATH_BYTES;
        return;
    }
    memcpy(path + *n, piece, more + 1);
    *n += more;
}

static void print_place(const struct place *at, char *path, size_t *n)
{
    char piece[TEXT_QUOTED + 1];
    if (!at)
        return;
    print_place(at->up, path, n);
    if (at->key.p) {
        if (*n > 0)
            append(path, n, ".");
        if (at->key.n > 0)
            text_quote(at->key, piece);
        else
            memcpy(piece, "\"\"", 3);
    } else {
        snprintf(piece, sizeof piece, "[%zu]", at->index);
    }
    append(path, n, piece);
}

static bool refuse(struct walk *w, const struct place *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct walk *w, const struct place *at, const char *format, ...)
{
    char path[PATH_BYTES] = "the body", what[sizeof w->err->text];
    size_t n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    print_place(at, path, &n);
    err_set(w->err, ERR_DATA, "%s %s", path, what);
    w->err->code = 400;
    return false;
}

static bool malformed(struct walk *w)
{
    return refuse(w, NULL, "is no JSON that is taken: at byte %td %s", w->r.p - w->r.start,
                  w->r.fault);
}

/* The value that stands next is not what is expected. */
static bool wrong(struct walk *w, const struct place *at, const char *expected)
{
    char quoted[TEXT_QUOTED];
    struct text t;
    switch (jsonr_peek(&w->r)) {
    case JSONR_OBJECT:
        return refuse(w, at, "is an object: %s is expected", expected);
    case JSONR_ARRAY:
        return refuse(w, at, "is an array: %s is expected", expected);
    case JSONR_TEXT:
        return jsonr_text(&w->r, w->a, &t)
                   ? refuse(w, at, "is \"%s\": %s is expected", text_quote(t, quoted), expected)
                   : malformed(w);
    default:
        return jsonr_skip(&w->r, &t)
                   ? refuse(w, at, "is %s: %s is expected", text_quote(t, quoted), expected)
                   : malformed(w);
    }
}

/* --- keys --- */

static void remember(struct walk *w, struct text key)
{
    if (w->count == w->room) {
        w->room = w->room ? w->room * 2 : 32;
        struct text *more = arena_alloc(w->a, w->room * sizeof *more);
        if (w->count > 0)
            memcpy(more, w->keys, w->count * sizeof *more);
        w->keys = more;
    }
    w->keys[w->count++] = key;
}

/* The keys from `base` on are those of one object that ends here. Sorted, not hashed: nobody can
 * choose keys that make this slow. */
static bool are_single(struct walk *w, size_t base, const struct place *at)
{
    size_t n = w->count - base;
    w->count = base;
    if (n < 2)
        return true;
    struct text *keys = w->keys + base;
    qsort(keys, n, sizeof *keys, text_order);
    for (size_t i = 1; i < n; i++)
        if (text_eq(keys[i - 1], keys[i])) {
            struct place here = {.up = at, .key = keys[i]};
            return refuse(w, &here, "stands twice");
        }
    return true;
}

/* --- the walk: its depth is bounded by JSONR_DEPTH_MAX --- */

/* What the model does not know: anything that is sound. */
static bool check_any(struct walk *w, const struct place *at)
{
    size_t base = w->count;
    struct place here = {.up = at};
    switch (jsonr_peek(&w->r)) {
    case JSONR_OBJECT:
        if (!jsonr_enter(&w->r, JSONR_OBJECT))
            return malformed(w);
        while (jsonr_next_key(&w->r, w->a, &here.key)) {
            remember(w, here.key);
            if (!check_any(w, &here))
                return false;
        }
        return w->r.fault ? malformed(w) : are_single(w, base, at);
    case JSONR_ARRAY:
        if (!jsonr_enter(&w->r, JSONR_ARRAY))
            return malformed(w);
        for (; jsonr_next_item(&w->r); here.index++)
            if (!check_any(w, &here))
                return false;
        return w->r.fault ? malformed(w) : true;
    default:
        return jsonr_skip(&w->r, NULL) || malformed(w);
    }
}

static bool check_names(struct walk *w, const struct model *m, struct text t,
                        const struct place *at)
{
    char quoted[TEXT_QUOTED], names[200];
    size_t n = 0;
    for (size_t i = 0; i < m->name_count; i++)
        if (text_eq(m->names[i], t))
            return true;
    for (size_t i = 0; i < m->name_count && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", i ? ", " : "",
                              TEXT_ARGS(m->names[i]));
    return refuse(w, at, "is \"%s\": one of %s is expected", text_quote(t, quoted), names);
}

static bool check_format(struct walk *w, const struct model *m, struct text t,
                         const struct place *at)
{
    char quoted[TEXT_QUOTED];
    int64_t ms;
    if (m->format == MODEL_URI && !w->merged && !model_is_uri(t))
        return refuse(w, at, "is \"%s\": a URI with a scheme is expected", text_quote(t, quoted));
    if (m->format != MODEL_DATE_TIME)
        return true;
    if (!instant_parse(t, &ms))
        return refuse(w, at,
                      "is \"%s\": a date-time with an offset is expected, such as "
                      "2026-11-23T08:15:30.250Z",
                      text_quote(t, quoted));
    if (ms < year_0 || ms >= year_10000)
        return refuse(w, at, "is \"%s\": in UTC it is not in the years 0 to 9999",
                      text_quote(t, quoted));
    return true;
}

static bool check_text(struct walk *w, const struct model *m, const struct place *at)
{
    char quoted[TEXT_QUOTED];
    struct text t;
    if (!jsonr_text(&w->r, w->a, &t))
        return malformed(w);
    if (m->names)
        return check_names(w, m, t, at);
    if (t.n < m->bytes_min)
        return refuse(w, at, "is empty: leave it out, or give it a value");
    if (m->bytes_max > 0 && t.n > m->bytes_max)
        return refuse(w, at, "has %zu bytes, at most %zu are allowed: \"%s\"", t.n, m->bytes_max,
                      text_quote(t, quoted));
    return check_format(w, m, t, at);
}

static bool check_number(struct walk *w, const struct model *m, const struct place *at)
{
    char quoted[TEXT_QUOTED];
    struct text t;
    struct decimal d;
    if (!jsonr_number(&w->r, &t))
        return malformed(w);
    if (m->kind == MODEL_INTEGER &&
        (memchr(t.p, '.', t.n) || memchr(t.p, 'e', t.n) || memchr(t.p, 'E', t.n)))
        return refuse(w, at, "is %s: an integer is expected", text_quote(t, quoted));
    if (m->exact && (!decimal_parse(t, &d) || decimal_whole_digits(d) > m->whole_digits ||
                     decimal_places(d) > m->places))
        return refuse(w, at,
                      "is %s: at most %d digits before the point, %d behind it and %d in all are "
                      "allowed",
                      text_quote(t, quoted), m->whole_digits, m->places, DECIMAL_DIGITS);
    return true;
}

static bool check(struct walk *w, const struct model *m, const struct place *at);

static bool check_array(struct walk *w, const struct model *m, const struct place *at)
{
    struct place here = {.up = at};
    if (!jsonr_enter(&w->r, JSONR_ARRAY))
        return malformed(w);
    for (; jsonr_next_item(&w->r); here.index++)
        if (!check(w, m->items, &here))
            return false;
    return w->r.fault ? malformed(w) : true;
}

size_t model_find(const struct model *m, struct text key, size_t from)
{
    for (size_t i = 0; i < m->count; i++) {
        size_t at = from + i < m->count ? from + i : from + i - m->count;
        if (text_eq(m->members[at].name, key))
            return at;
    }
    return m->count;
}

/* A member of the whole that an import is free in. */
static bool check_import(struct walk *w, const struct model_member *member, const struct place *at)
{
    if (text_is(member->name, "id"))
        w->has_id = jsonr_peek(&w->r) == JSONR_TEXT;
    else if (text_is(member->name, "status") && jsonr_peek(&w->r) != JSONR_TEXT)
        return check(w, member->model, at);
    return check_any(w, at);
}

static bool are_there(struct walk *w, const struct model *m, uint64_t seen, const struct place *at)
{
    if (w->import && !at)
        return true;
    uint64_t absent = m->required & ~seen;
    if (absent == 0)
        return true;
    struct place here = {.up = at, .key = m->members[__builtin_ctzll(absent)].name};
    return refuse(w, &here, "is absent");
}

static bool check_object(struct walk *w, const struct model *m, const struct place *at)
{
    struct place here = {.up = at};
    size_t base = w->count, from = 0;
    uint64_t seen = 0;
    if (!jsonr_enter(&w->r, JSONR_OBJECT))
        return malformed(w);
    while (jsonr_next_key(&w->r, w->a, &here.key)) {
        size_t i = model_find(m, here.key, from);
        if (i == m->count) {
            remember(w, here.key);
            if (!check_any(w, &here))
                return false;
            continue;
        }
        from = i + 1;
        if (seen >> i & 1)
            return refuse(w, &here, "stands twice");
        seen |= UINT64_C(1) << i;
        if (w->import && !at && (m->members[i].refused || text_is(here.key, "status"))) {
            if (!check_import(w, &m->members[i], &here))
                return false;
            continue;
        }
        if (m->members[i].refused)
            return refuse(w, &here, "is set by the server: leave it out");
        if (!check(w, m->members[i].model, &here))
            return false;
    }
    if (w->r.fault)
        return malformed(w);
    return are_single(w, base, at) && are_there(w, m, seen, at);
}

static bool check(struct walk *w, const struct model *m, const struct place *at)
{
    enum jsonr_kind kind = jsonr_peek(&w->r);
    if (kind == JSONR_NULL && m->nullable)
        return jsonr_null(&w->r) || malformed(w);
    switch (m->kind) {
    case MODEL_ANY:
        if (w->merged)
            return jsonr_skip(&w->r, NULL) || malformed(w);
        return check_any(w, at);
    case MODEL_OBJECT:
        return kind == JSONR_OBJECT ? check_object(w, m, at) : wrong(w, at, "an object");
    case MODEL_ARRAY:
        return kind == JSONR_ARRAY ? check_array(w, m, at) : wrong(w, at, "an array");
    case MODEL_TEXT:
        return kind == JSONR_TEXT ? check_text(w, m, at) : wrong(w, at, "a string");
    case MODEL_NUMBER:
        return kind == JSONR_NUMBER ? check_number(w, m, at) : wrong(w, at, "a number");
    case MODEL_INTEGER:
        return kind == JSONR_NUMBER ? check_number(w, m, at) : wrong(w, at, "an integer");
    case MODEL_TRUTH:
        break;
    }
    if (kind != JSONR_TRUE && kind != JSONR_FALSE)
        return wrong(w, at, "true or false");
    return jsonr_skip(&w->r, NULL) || malformed(w);
}

bool model_check(enum model_type type, struct text json, struct arena *a, struct err *err)
{
    const struct model *m = model_of(type);
    struct walk w = {.r = jsonr_start(json),
                     .a = a,
                     .err = err,
                     .merged = type == MODEL_USAGE_MERGED,
                     .import = type == MODEL_USAGE_IMPORT};
    if (check(&w, m, NULL) && (jsonr_done(&w.r) || malformed(&w)))
        return true;
    if (!w.import)
        return false;
    struct err ignored = {0}; /* it may be a usage that was shown: then less is asked */
    w = (struct walk){
        .r = jsonr_start(json), .a = a, .err = &ignored, .merged = true, .import = true};
    return check(&w, m, NULL) && jsonr_done(&w.r) && w.has_id;
}
