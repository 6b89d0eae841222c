#include "base/lines.h"

void lines_add(struct lines *l, const char *bytes, size_t n)
{
    buf_drop(&l->held, l->at);
    l->seen -= l->at;
    l->at = 0;
    buf_add(&l->held, bytes, n);
}

void lines_end(struct lines *l)
{
    l->whole = true;
}

void lines_fini(struct lines *l)
{
    buf_fini(&l->held);
}

/* Moves behind a line of n bytes that has an end of `end` bytes. */
static struct text take(struct lines *l, size_t n, size_t end)
{
    struct text line = {l->held.data + l->at, n};
    l->at += n + end;
    l->seen = l->at;
    return line;
}

/* No line end is there. */
static enum lines_found unended(struct lines *l, struct text *line)
{
    size_t n = l->held.len - l->at;
    l->seen = l->held.len;
    if (l->skipping || n > l->max + 1) { /* one more: it may be the CR of its end */
        bool first = !l->skipping;
        take(l, n, 0);
        l->skipping = !l->whole;
        l->number += first;
        return first ? LINES_TOO_LONG : LINES_NONE;
    }
    if (!l->whole || n == 0)
        return LINES_NONE;
    l->number++;
    *line = take(l, n, 0);
    return n > l->max ? LINES_TOO_LONG : LINES_LINE;
}

enum lines_found lines_next(struct lines *l, struct text *line)
{
    for (;;) {
        if (l->held.len == l->at) /* perhaps nothing was ever added */
            return LINES_NONE;
        const char *begin = l->held.data + l->at;
        const char *end = l->held.len > l->seen
                              ? memchr(l->held.data + l->seen, '\n', l->held.len - l->seen)
                              : NULL;
        if (!end)
            return unended(l, line);
        size_t n = (size_t)(end - begin);
        if (l->skipping) {
            take(l, n, 1);
            l->skipping = false;
            continue;
        }
        size_t cr = n > 0 && end[-1] == '\r';
        l->number++;
        *line = take(l, n - cr, cr + 1);
        return line->n > l->max ? LINES_TOO_LONG : LINES_LINE;
    }
}

bool lines_is_blank(struct text line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}
