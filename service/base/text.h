/* text - a borrowed piece of UTF-8: a pointer and a length, no 0 behind it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    const char *p; /* NULL: absent */
    size_t n;
};

#define TEXT(literal) ((struct text){("" literal), sizeof(literal) - 1})
#define TEXT_ARGS(t) (int)(t).n, (t).p ? (t).p : "" /* for "%.*s" */

static inline struct text text_of(const char *s)
{
    return (struct text){s, s ? strlen(s) : 0};
}

static inline bool text_eq(struct text a, struct text b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* < 0, 0, > 0: by bytes, the shorter one first where they are equal. */
static inline int text_compare(struct text a, struct text b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* For qsort() and bsearch() of struct text. */
static inline int text_order(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static inline bool text_is(struct text a, const char *s)
{
    return text_eq(a, text_of(s));
}

/* 0 to 15; -1: no hexadecimal digit. */
static inline int text_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Valid UTF-8 without NUL; shortest forms only, no surrogates, at most U+10FFFF (RFC 3629). */
bool text_is_utf8(const char *p, size_t n);

/* For messages: at most 200 bytes of `t` (cut between characters, then "..."), control characters,
 * quotes, NUL and bytes that are no UTF-8 as \xNN. `out` holds at least TEXT_QUOTED bytes;
 * returned. */
enum { TEXT_QUOTED = 820 };
const char *text_quote(struct text t, char *out);
