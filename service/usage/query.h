/* query - what GET asks for: reads the query string into a checked struct, and that into SQL.
 *
 * Everything that is not understood is refused with a text that names it: a filter that were
 * ignored would return everything. Failures are ERR_DATA with the HTTP status (400 or 501) in
 * err->code. Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "io/db.h"
#include "usage/render.h"

struct query_limits {
    int limit_default, limit_max;
};

/* Values of one attribute, any of which may match. given and count 0: none can. */
struct query_values {
    bool given;
    struct list values; /* struct text; of ids struct usage_id */
};

struct query {
    int64_t offset;
    int limit;
    struct render_fields fields;
    struct query_values ids, statuses, types, parties;
    struct query_values dates; /* usageDate is one of these, int64_t ms */
    int64_t from, to;          /* usageDate in ms is >= from and < to; INT64_MIN, INT64_MAX: open */
};

/* GET of a collection. `raw` is what stands behind the '?', undecoded, or absent. Texts of `out`
 * point into the arena. */
bool query_parse(struct text raw, const struct query_limits *limits, struct arena *a,
                 struct query *out, struct err *err) MUST_CHECK;

/* GET of one resource: `fields` and nothing else. */
bool query_parse_fields(struct text raw, struct arena *a, struct render_fields *out,
                        struct err *err) MUST_CHECK;

/* Writes "column = $1 AND ..." behind `sql`, "true" if there is no filter, and adds the parameters
 * to `p`. Windows of usageDate become ranges of ids, so that PostgreSQL looks only at the
 * partitions of that time. */
void query_where(const struct query *q, struct buf *sql, struct db_params *p);

/* %XX, and '+' as a blank. False: a broken escape. `out` is in the arena. */
bool query_decode(struct text raw, bool plus_is_blank, struct arena *a, struct text *out);

/* The query string as it came, but for `offset`: each parameter and a '&' behind it. For links to
 * other pages. */
void query_without_offset(struct text raw, struct arena *a, struct buf *out);
