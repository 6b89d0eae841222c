#include "app/api_link.h"

#include <inttypes.h>

#include "usage/query.h"

/* What is the same in all links. */
struct links {
    struct buf *b;
    const char *base_url, *resource;
    struct text kept;
};

static void begin(const struct links *l)
{
    buf_printf(l->b, "%s<%s/%s?%.*s", l->b->len ? ", " : "", l->base_url, l->resource,
               TEXT_ARGS(l->kept));
}

static void link_to(const struct links *l, int64_t offset, const char *rel)
{
    begin(l);
    buf_printf(l->b, "offset=%" PRId64 ">; rel=\"%s\"", offset, rel);
}

static void link_from(const struct links *l, const char *name, struct text token, int64_t offset,
                      const char *rel)
{
    if (!token.p) {
        link_to(l, offset, rel);
        return;
    }
    begin(l);
    buf_printf(l->b, "%s=%.*s>; rel=\"%s\"", name, TEXT_ARGS(token), rel);
}

bool api_link(const char *base_url, struct text query, const struct api_page *page, struct arena *a,
              struct buf *b)
{
    if (page->limit == 0 || (!page->previous && !page->next))
        return false;
    struct buf parameters = {0};
    query_without_page(query, a, &parameters);
    const struct links l = {b, base_url, page->resource, {parameters.data, parameters.len}};
    int64_t last = page->total > 0 ? (page->total - 1) / page->limit * page->limit : 0;
    int64_t previous = page->offset > page->limit ? page->offset - page->limit : 0;
    if (!page->estimated && previous > last)
        previous = last; /* from far behind the end, the way back leads to the last page */
    link_to(&l, 0, "first");
    if (page->previous)
        link_from(&l, "before", page->before, previous, "prev");
    if (page->next)
        link_from(&l, "after", page->after, page->offset + page->count, "next");
    if (!page->estimated)
        link_to(&l, last, "last");
    buf_fini(&parameters);
    return b->len <= API_LINK_MAX;
}
