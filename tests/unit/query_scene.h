/* Queries for tests: parsed, refused, and as SQL that can be read. Include behind all others. */
#pragma once

#include "base/instant.h"
#include "usage/id.h"
#include "usage/query_where.h"

#include "arena_scene.h"

static const char *const indexed_names[] = {"msisdn", "imsi"};
static const struct query_limits limits = {.limit_default = 100,
                                           .limit_max = 1000,
                                           .base_url = "http://h/v4",
                                           .indexed = indexed_names,
                                           .indexed_count = 2};

static inline struct query parsed_of(const struct query_resource *resource, const char *raw)
{
    struct query q;
    struct err err = {0};
    if (!query_parse(text_of(raw), resource, &limits, a, &q, &err))
        fail_msg("%s: %s", raw ? raw : "(none)", err.text);
    return q;
}

static inline struct query parsed(const char *raw)
{
    return parsed_of(&query_usages, raw);
}

static inline void assert_refused_of(const struct query_resource *resource, const char *raw,
                                     int status, const char *names)
{
    struct query q;
    struct err err = {0};
    if (query_parse(text_of(raw), resource, &limits, a, &q, &err))
        fail_msg("%s: taken", raw);
    if (err.kind != ERR_DATA || err.code != status || !strstr(err.text, names))
        fail_msg("%s: %d %s", raw, err.code, err.text);
}

static inline void assert_refused(const char *raw, int status, const char *names)
{
    assert_refused_of(&query_usages, raw, status, names);
}

/* The values from `first` to `last` as "<a,b>". */
static inline void write_values(struct buf *b, const struct query_sql *s, long first, long last)
{
    const struct text *t = s->values.items;
    assert_true(first >= 1 && first <= last && last <= (long)s->values.count);
    for (long i = first; i <= last; i++)
        buf_printf(b, "%s%.*s", i == first ? "<" : ",", TEXT_ARGS(t[i - 1]));
    buf_byte(b, '>');
}

/* SQL with the values in place: "status = <rated>", "status = ANY(<rated,billed>)". */
static inline const char *readable(struct query_sql *s)
{
    static const char parameter[] = "($1::text[])[";
    const char *p = buf_text(&s->text);
    struct buf b = {0};
    for (const char *at; (at = strstr(p, parameter)) != NULL;) {
        char *end;
        long first, last;
        buf_add(&b, p, (size_t)(at - p));
        first = last = strtol(at + sizeof parameter - 1, &end, 10);
        if (*end == ':')
            last = strtol(end + 1, &end, 10);
        assert_int_equal(*end, ']');
        write_values(&b, s, first, last);
        p = end + 1;
    }
    buf_str(&b, p);
    const char *text = arena_copy(a, b.data, b.len);
    buf_fini(&b);
    query_sql_fini(s);
    return text;
}

static inline const char *where_of(const struct query_resource *resource, const char *raw)
{
    struct query q = parsed_of(resource, raw);
    struct query_sql s = {.a = a};
    query_where(&q, QUERY_PARTY_ALL, &s);
    return readable(&s);
}

static inline void assert_where(const char *raw, const char *expected)
{
    const char *sql = where_of(&query_usages, raw);
    if (strcmp(sql, expected) != 0)
        fail_msg("%s\n is %s\n not %s", raw, sql, expected);
}

static inline void assert_specification_where(const char *raw, const char *expected)
{
    const char *sql = where_of(&query_specifications, raw);
    if (strcmp(sql, expected) != 0)
        fail_msg("%s\n is %s\n not %s", raw, sql, expected);
}

/* Both are the same question. */
static inline void assert_same(const char *raw, const char *other)
{
    assert_where(raw, where_of(&query_usages, other));
}

static inline int64_t ms(const char *text)
{
    int64_t v;
    assert_true(instant_parse(text_of(text), &v));
    return v;
}
