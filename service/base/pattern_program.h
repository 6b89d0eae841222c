/* pattern_program - what an expression becomes: a program for a machine that is in many places at
 * once (Thompson). Shared by pattern_compile.c, which writes it, and pattern.c, which runs it. */
#pragma once

#include "base/pattern.h"

enum code { ONE, ANY, SET, NOT_SET, SPLIT, JUMP, BEGIN, END, MATCH };

struct range {
    uint32_t from, to;
};

struct state {
    enum code code;
    uint32_t character; /* ONE */
    int next, other;    /* SPLIT: both; all else but MATCH: next */
    const struct range *ranges;
    int range_count;
};

struct pattern {
    struct state states[PATTERN_STATES_MAX];
    int count;
    int *now, *then, *stack;
    uint64_t *seen;
    uint64_t round;
    int64_t
        steps; /* of the match that is under way: states entered, characters and ranges compared */
};

/* The next character of UTF-8 that has been checked. */
static inline uint32_t pattern_character(const char **p, const char *end)
{
    unsigned char c = (unsigned char)*(*p)++;
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t u = more == 0 ? c : c & (0x3fu >> more);
    for (; more > 0 && *p < end; more--)
        u = u << 6 | (*(*p)++ & 0x3f);
    return u;
}
