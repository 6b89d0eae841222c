/* frames - how a program of these speaks with the Python that compares: a frame is its length in 4
 * bytes, big-endian, and its bytes. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

enum { FRAME_MAX = 1 << 24 };

static inline void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* False at the end of standard input; a frame that cannot be ends the program. */
static inline bool next_frame(struct buf *b)
{
    unsigned char head[4];
    if (fread(head, 1, sizeof head, stdin) != sizeof head)
        return false;
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    b->len = 0;
    if (n == 0 || n > FRAME_MAX || fread(buf_room(b, n), 1, n, stdin) != n)
        die("a frame is empty, cut short or too large");
    b->len = n;
    return true;
}
