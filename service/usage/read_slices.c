#include "usage/read_slices.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/instant.h"
#include "usage/read_parts.h"

enum {
    ROWS_FIRST = 100, /* as a page: what a list can answer in time, an export can begin */
    SLOW_MS = 1000,   /* a slice that takes longer holds its thread too long */
    SHRINK = 8
};

/* A test build can be made to meet the edges of slices everywhere: "first:rows:bytes". */
static void read_limits(struct read_slices *s)
{
    s->rows = ROWS_FIRST;
    s->rows_max = READ_SLICE_ROWS;
    s->bytes_max = READ_SLICE_BYTES;
#ifdef USAGED_FAILPOINTS
    const char *limits = getenv("USAGED_FAILPOINT_SLICES");
    if (limits && sscanf(limits, "%d:%d:%d", &s->rows, &s->rows_max, &s->bytes_max) != 3)
        abort();
#endif
}

void read_slices_init(struct read_slices *s, const struct query *query)
{
    *s = (struct read_slices){
        .query = *query, .left = query->limit, .over = query->limit == 0, .keys = arena_new(1024)};
    read_limits(s);
}

void read_slices_fini(struct read_slices *s)
{
    if (s->keys)
        arena_free(s->keys);
    s->keys = NULL;
}

void read_slices_shrink(struct read_slices *s)
{
    s->rows = s->rows / SHRINK + 1;
}

/* Where the next slice begins. The texts of the token are in the rows, which will be gone. */
static void go_behind(struct read_slices *s, const struct read_page *page)
{
    struct arena *keys = arena_new(1024);
    struct query_token token = read_page_token(page, page->count - 1, 0, keys);
    token.id.p = arena_copy(keys, token.id.p, token.id.n);
    for (int i = 0; i < token.count; i++)
        if (token.keys[i].p)
            token.keys[i].p = arena_copy(keys, token.keys[i].p, token.keys[i].n);
    arena_free(s->keys);
    s->keys = keys;
    s->query.token = token;
    s->query.after = true;
}

/* As many as fit READ_SLICE_BYTES, and a few more. */
static void choose_rows(struct read_slices *s, int count, bool cut, int64_t took_ms)
{
    if (took_ms > SLOW_MS)
        s->rows = s->rows / 2 + 1;
    else if (cut)
        s->rows = count + count / 8 + 1;
    else
        s->rows = 2 * s->rows;
    if (s->rows > s->rows_max)
        s->rows = s->rows_max;
}

static void take_slice(struct read_slices *s, struct read_page *page, int asked, int64_t took_ms)
{
    int column = read_columns(&s->query);
    bool cut = page->count > 0 && db_int8(&page->rows, page->count - 1, column) >= s->bytes_max;
    s->begun = true;
    s->left -= page->count;
    s->over = s->left == 0 || (page->count < asked && !cut);
    choose_rows(s, page->count, cut, took_ms);
    if (page->count > 0)
        go_behind(s, page);
}

bool read_slices_next(struct read_slices *s, struct db *db, struct read_page *out, struct err *err)
{
    *out = (struct read_page){.query = &s->query};
    if (!s->begun && !read_check_regexes(db, &s->query, err))
        return false;
    if (s->over)
        return s->begun = true;
    int asked = s->rows < s->left ? s->rows : (int)s->left;
    s->query.limit = asked - 1; /* of which a page reads one more */
    int64_t began = instant_ticks();
    struct query_sql sql = {.a = arena_new(4096)};
    read_select_within(&s->query, s->bytes_max, &sql);
    bool ok = read_run(db, &sql, &out->rows, err);
    arena_free(sql.a);
    if (!ok)
        return false;
    out->count = out->rows.count;
    take_slice(s, out, asked, instant_ticks() - began);
    return true;
}
