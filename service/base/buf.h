/* buf - bytes that grow while they are written.
 *
 * One thread. Writing cannot fail: out of memory ends the process. A limit, where one is wanted,
 * stands at the edge (buf.len is looked at after writing one thing).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* NULL while nothing was written; otherwise buf_text() may end it with a 0 */
    size_t len, size;
};

void buf_fini(struct buf *b);
void buf_grow(struct buf *b, size_t more);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a 0 behind the bytes (not counted) and returns them. */
const char *buf_text(struct buf *b);

static inline void buf_reset(struct buf *b)
{
    b->len = 0;
}

/* Room for `more` bytes at the end; the caller writes there and adds to len. */
static inline char *buf_room(struct buf *b, size_t more)
{
    if (b->size - b->len < more)
        buf_grow(b, more);
    return b->data + b->len;
}

static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n > 0) {
        memcpy(buf_room(b, n), bytes, n);
        b->len += n;
    }
}

/* The first n bytes go, the others move up. */
static inline void buf_drop(struct buf *b, size_t n)
{
    if (n > 0 && n < b->len)
        memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

static inline void buf_byte(struct buf *b, unsigned char byte)
{
    *buf_room(b, 1) = (char)byte;
    b->len++;
}

static inline void buf_str(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

/* Big-endian numbers, as PostgreSQL's binary formats and the registry's framing want them. */
static inline void buf_be16(struct buf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buf_add(b, &v, sizeof v);
}

static inline void buf_be32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_add(b, &v, sizeof v);
}

static inline void buf_be64(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_add(b, &v, sizeof v);
}
