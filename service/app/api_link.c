#include "app/api_link.h"

#include <inttypes.h>

#include "usage/query.h"

static void link_to(struct buf *b, const char *base_url, struct text kept, int64_t offset,
                    const char *rel)
{
    buf_printf(b, "%s<%s/usage?%.*soffset=%" PRId64 ">; rel=\"%s\"", b->len ? ", " : "", base_url,
               TEXT_ARGS(kept), offset, rel);
}

bool api_link(const char *base_url, struct text query, const struct api_page *page, struct arena *a,
              struct buf *b)
{
    bool full = page->count == page->limit;
    bool more = page->estimated
                    ? full
                    : page->total > page->offset && page->total - page->offset > page->count;
    if (page->limit == 0 || (page->offset == 0 && !more))
        return false;
    struct buf parameters = {0};
    query_without_offset(query, a, &parameters);
    struct text kept = {parameters.data, parameters.len};
    int64_t last = page->total > 0 ? (page->total - 1) / page->limit * page->limit : 0;
    int64_t previous = page->offset > page->limit ? page->offset - page->limit : 0;
    if (!page->estimated && previous > last)
        previous = last; /* from far behind the end, the way back leads to the last page */
    link_to(b, base_url, kept, 0, "first");
    if (page->offset > 0)
        link_to(b, base_url, kept, previous, "prev");
    if (more)
        link_to(b, base_url, kept, page->offset + page->limit, "next");
    if (!page->estimated)
        link_to(b, base_url, kept, last, "last");
    buf_fini(&parameters);
    return b->len <= API_LINK_MAX;
}
