#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t more)
{
    if (more > SIZE_MAX / 4 || b->size > SIZE_MAX / 4)
        abort();
    size_t size = b->size ? b->size : 256;
    while (size - b->len < more)
        size *= 2;
    char *data = realloc(b->data, size);
    if (!data)
        abort();
    b->data = data;
    b->size = size;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        abort();
    vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    b->len += (size_t)n;
}

const char *buf_text(struct buf *b)
{
    *buf_room(b, 1) = 0;
    return b->data;
}
