#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *first, *last;
    size_t block_bytes, taken;
};

static struct block *block_new(size_t bytes)
{
    struct block *b = malloc(sizeof *b + bytes);
    if (!b)
        abort();
    b->next = NULL;
    b->size = bytes;
    b->used = 0;
    return b;
}

struct arena *arena_new(size_t block_bytes)
{
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->block_bytes = block_bytes;
    a->first = a->last = block_new(block_bytes);
    return a;
}

void arena_free(struct arena *a)
{
    struct block *b = a ? a->first : NULL;
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    free(a);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    size_t align = _Alignof(max_align_t);
    if (bytes > SIZE_MAX / 2)
        abort();
    bytes = (bytes + align - 1) / align * align;
    while (a->last->size - a->last->used < bytes) {
        if (!a->last->next)
            a->last->next = block_new(bytes > a->block_bytes ? bytes : a->block_bytes);
        a->last = a->last->next;
        a->last->used = 0;
    }
    void *p = a->last->bytes + a->last->used;
    a->last->used += bytes;
    a->taken += bytes;
    return p;
}

void *arena_zero(struct arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

char *arena_copy(struct arena *a, const void *bytes, size_t size)
{
    char *p = arena_alloc(a, size + 1);
    if (size > 0)
        memcpy(p, bytes, size);
    p[size] = 0;
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        abort();
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

void arena_reset(struct arena *a)
{
    int kept = 1;
    struct block **link = &a->first->next;
    while (*link) {
        struct block *b = *link;
        if (kept < ARENA_KEPT_BLOCKS && b->size == a->block_bytes) {
            kept++;
            link = &b->next;
            continue;
        }
        *link = b->next;
        free(b);
    }
    a->last = a->first;
    a->first->used = 0;
    a->taken = 0;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->last, a->last->used, a->taken};
}

/* The blocks behind stay: arena_alloc() takes them again. */
void arena_rewind(struct arena *a, struct arena_mark mark)
{
    a->last = mark.block;
    a->last->used = mark.used;
    a->taken = mark.taken;
}

size_t arena_bytes(const struct arena *a)
{
    return a->taken;
}
