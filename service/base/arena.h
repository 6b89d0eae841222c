/* arena - memory of one batch or one request: taken piece by piece, given back all at once.
 *
 * One thread. arena_alloc() cannot fail: out of memory ends the process, and Kafka delivers again.
 */
#pragma once

#include <stddef.h>

struct arena;

struct arena *arena_new(size_t block_bytes);
void arena_free(struct arena *a);

/* Aligned for any type, not cleared; valid until arena_reset(). */
void *arena_alloc(struct arena *a, size_t bytes);

/* The same, all zero. */
void *arena_zero(struct arena *a, size_t bytes);

/* A copy with a 0 behind it. */
char *arena_copy(struct arena *a, const void *bytes, size_t size);

/* A text made by printf's rules. */
char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));

/* Forgets all. Keeps the first few blocks, since memory that comes fresh from the system at each
 * batch must be cleared by it each time; gives the others back. */
enum { ARENA_KEPT_BLOCKS = 6 };
void arena_reset(struct arena *a);

/* What is taken between the two is forgotten by the second: for work on the way to something that
 * is kept in the same arena. Marks are given back in the reverse order. */
struct arena_mark {
    void *block;
    size_t used, taken;
};
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);

/* Bytes taken since arena_reset(), without what was forgotten. */
size_t arena_bytes(const struct arena *a);
