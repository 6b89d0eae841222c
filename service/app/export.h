/* export - usages as CSV or JSON lines, piece by piece: what GET with such an Accept and
 * `usaged export` have in common. */
#pragma once

#include "usage/read_slices.h"

enum export_format { EXPORT_JSON, EXPORT_CSV, EXPORT_NDJSON, EXPORT_FORMATS };

extern const char *const export_media_types[EXPORT_FORMATS]; /* EXPORT_JSON: that of a page */
extern const char *const export_names[EXPORT_FORMATS];       /* "csv" */

struct export
{
    enum export_format format;
    const char *base_url;
    struct read_slices slices;
    int64_t rows; /* written */
};

/* Reads a query string as that of a list, but that `limit` has no cap and none is set without one.
 * ERR_DATA with code 400 or 501. Texts point into the arena; `limits` gives base_url and what is
 * indexed, and must outlive the query. */
bool export_query(struct text raw, const struct query_limits *limits, struct arena *a,
                  struct query *out, struct err *err) MUST_CHECK;

/* export_query()'s limits. */
struct query_limits export_limits(const char *base_url, const char *const *indexed,
                                  int indexed_count);

void export_init(struct export *e, enum export_format format, const char *base_url,
                 const struct query *query);
void export_fini(struct export *e);

/* Adds the next piece: lines of one slice, in front of the first one the names of a CSV. Until
 * export_is_over(). False: nothing was written, and it may be asked for again. */
bool export_piece(struct export *e, struct db *db, struct buf *b, struct err *err) MUST_CHECK;

static inline bool export_is_over(const struct export *e)
{
    return e->slices.over;
}
