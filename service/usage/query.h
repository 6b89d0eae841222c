/* query - what GET asks for: reads the query string into a checked struct
 * (HTTP contract section 5).
 *
 * Everything that is not understood is refused with a text that names it: a filter that were
 * ignored would return everything. Failures are ERR_DATA with the HTTP status (400 or 501) in
 * err->code. Pure; any thread. query_where.h makes SQL of it.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/value.h"
#include "usage/query_attributes.h"
#include "usage/query_token.h"
#include "usage/render.h"

enum {
    QUERY_CONDITIONS_MAX = 1000, /* of a query */
    QUERY_VALUES_MAX = 10000,    /* of a query */
    QUERY_REGEX_MAX = 256,       /* bytes */
    QUERY_REGEXES_MAX = 16       /* of a query: PostgreSQL keeps 32 compiled */
};

/* What is the same for all queries. */
struct query_limits {
    int64_t limit_default, limit_max;
    const char *base_url;       /* href begins with it */
    const char *const *indexed; /* names of characteristics whose values have an index */
    int indexed_count;
};

enum query_op { QUERY_EQ, QUERY_NE, QUERY_GT, QUERY_GTE, QUERY_LT, QUERY_LTE, QUERY_REGEX };

/* One attribute against values, any of which will do; without values it is false. Of a date:
 * EQ, NE, or one bound, GTE or LT, since what is stored has whole milliseconds. */
struct query_condition {
    struct attribute_path path;
    enum query_op op;
    struct list values; /* struct text; of dates int64_t, ms */
};

/* All of them must hold. */
struct query_group {
    struct list conditions; /* struct query_condition */
};

struct query_key {
    struct attribute_path path;
    bool descending;
};

/* The order of rows; the id is the last key. usageDate as last but the id is left out, since the id
 * begins with it. */
struct query_sort {
    int count;
    struct query_key keys[QUERY_SORT_MAX];
    bool id_descending;
};

struct query {
    const struct query_resource *resource;
    const struct query_limits *limits;
    struct list groups; /* struct query_group, one of which must hold; none: everything matches */
    struct query_sort sort;
    int64_t offset; /* with a token: not asked for */
    int64_t limit;
    bool after, before;       /* one of them at most: then `token` says of which row */
    struct query_token token; /* its texts are as many as the sort's keys */
    struct render_fields fields;
};

/* GET of a collection. `raw` is what stands behind the '?', undecoded, or absent. Texts of `out`
 * point into the arena; resource and limits must outlive it. */
bool query_parse(struct text raw, const struct query_resource *resource,
                 const struct query_limits *limits, struct arena *a, struct query *out,
                 struct err *err) MUST_CHECK;

/* GET of one resource: `fields` and nothing else. */
bool query_parse_fields(struct text raw, struct arena *a, struct render_fields *out,
                        struct err *err) MUST_CHECK;

/* The sort as a text that is the same for all ways to write it: what a token is bound to. */
struct text query_sort_name(const struct query *q, struct arena *a);

/* The query string as it came, but for `offset`, `after` and `before`: each parameter and a '&'
 * behind it. For links to other pages. */
void query_without_page(struct text raw, struct arena *a, struct buf *out);

/* %XX, and '+' as a blank. False: a broken escape. `out` is in the arena. */
bool query_decode(struct text raw, bool plus_is_blank, struct arena *a, struct text *out);
