#include "usage/parked_filter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { IDS_A_WORD = 8, BITS_AN_ID = 4 };

struct parked_filter {
    size_t capacity, count;
    size_t words; /* a power of two */
    uint64_t *bits;
};

struct parked_filter *parked_filter_new(size_t capacity)
{
    struct parked_filter *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->capacity = capacity;
    for (f->words = 1; f->words < capacity / IDS_A_WORD;)
        f->words *= 2;
    f->bits = calloc(f->words, sizeof *f->bits);
    if (!f->bits)
        abort();
    return f;
}

void parked_filter_free(struct parked_filter *f)
{
    if (!f)
        return;
    free(f->bits);
    free(f);
}

void parked_filter_clear(struct parked_filter *f)
{
    memset(f->bits, 0, f->words * sizeof *f->bits);
    f->count = 0;
}

/* Ids that others have made are spread as well as ours: all of it is hashed. */
static uint64_t *place_of(const struct parked_filter *f, const unsigned char id[16], uint64_t *mask)
{
    uint64_t h = XXH3_64bits(id, 16);
    *mask = 0;
    for (int i = 0; i < BITS_AN_ID; i++)
        *mask |= UINT64_C(1) << (h >> (6 * i) & 63);
    return &f->bits[h >> 32 & (f->words - 1)];
}

void parked_filter_add(struct parked_filter *f, const unsigned char id[16])
{
    uint64_t mask, *place = place_of(f, id, &mask);
    f->count += (*place & mask) != mask;
    *place |= mask;
}

bool parked_filter_maybe(const struct parked_filter *f, const unsigned char id[16])
{
    uint64_t mask;
    const uint64_t *place = place_of(f, id, &mask);
    return (*place & mask) == mask || parked_filter_is_full(f);
}

bool parked_filter_is_full(const struct parked_filter *f)
{
    return f->count > f->capacity;
}
