/* api_link - the Link header of a page: first, prev, next, last. Pure.
 *
 * prev and next carry the token of a row, so that a page costs the same wherever it lies; without
 * one (a row whose keys are too long for a URL, or a page behind the end) they carry an offset.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

enum { API_LINK_MAX = 2048 };

struct api_page {
    const char *resource;      /* "usage" */
    int64_t offset;            /* rows in front of the page */
    int limit, count;          /* asked for, and in this page */
    bool previous, next;       /* are there rows in front, or behind? */
    struct text before, after; /* tokens of its first and last row, or absent */
    int64_t total;
    bool estimated; /* then the total says nothing of where the end is */
};

/* Writes the value behind `b`. False, and nothing is to be sent: the page is the whole, or the
 * header would pass API_LINK_MAX bytes. `query` is the query string as it came. */
bool api_link(const char *base_url, struct text query, const struct api_page *page, struct arena *a,
              struct buf *b);
