#include "app/export.h"

#include "usage/render_csv.h"

const char *const export_media_types[EXPORT_FORMATS] = {"application/json", "text/csv",
                                                        "application/x-ndjson"};
const char *const export_names[EXPORT_FORMATS] = {"json", "csv", "ndjson"};

struct query_limits export_limits(const char *base_url, const char *const *indexed,
                                  int indexed_count)
{
    return (struct query_limits){.limit_default = INT64_MAX,
                                 .limit_max = INT64_MAX,
                                 .base_url = base_url,
                                 .indexed = indexed,
                                 .indexed_count = indexed_count};
}

bool export_query(struct text raw, const struct query_limits *limits, struct arena *a,
                  struct query *out, struct err *err)
{
    if (!query_parse(raw, &query_usages, limits, a, out, err))
        return false;
    if (!out->before)
        return true;
    err_set(err, ERR_DATA, "before: a stream only goes forward; turn sort round and use after");
    err->code = 400;
    return false;
}

void export_init(struct export *e, enum export_format format, const char *base_url,
                 const struct query *query)
{
    *e = (struct export){.format = format, .base_url = base_url};
    read_slices_init(&e->slices, query);
}

void export_fini(struct export *e)
{
    read_slices_fini(&e->slices);
}

static void write_rows(struct export *e, const struct read_page *page, struct buf *b)
{
    for (int i = 0; i < page->count; i++) {
        if (e->format == EXPORT_CSV) {
            read_render_csv(page, i, e->base_url, b);
        } else {
            read_render(page, i, e->base_url, b); /* stored JSON has no line ends in it */
            buf_byte(b, '\n');
        }
    }
    e->rows += page->count;
}

bool export_piece(struct export *e, struct db *db, struct buf *b, struct err *err)
{
    struct read_page page = {0};
    bool first = !e->slices.begun;
    bool ok = read_slices_next(&e->slices, db, &page, err);
    if (ok && first && e->format == EXPORT_CSV)
        render_csv_names(b, &e->slices.query.fields);
    if (ok && page.count > 0)
        write_rows(e, &page, b);
    read_page_fini(&page);
    return ok;
}
