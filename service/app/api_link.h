/* api_link - the Link header of a page: first, prev, next, last. Pure. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

enum { API_LINK_MAX = 2048 };

struct api_page {
    int64_t offset;
    int limit, count; /* asked for, and in this page */
    int64_t total;
    bool estimated; /* then the total says nothing of where the end is */
};

/* Writes the value behind `b`. False, and nothing is to be sent: the page is the whole, or the
 * header would pass API_LINK_MAX bytes. `query` is the query string as it came. */
bool api_link(const char *base_url, struct text query, const struct api_page *page, struct arena *a,
              struct buf *b);
