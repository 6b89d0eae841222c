/* An arena for each test of a file. Include behind all others. */
#pragma once

#include "base/arena.h"

static struct arena *a;

static inline int start(void **state)
{
    (void)state;
    a = arena_new(4096);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}
