#include "usage/outbox.h"

/* The length of a value that is written in place: five bytes, so that it can be filled in behind.
 */
enum { LENGTH_BYTES = 5 };

static void add_varint(struct buf *b, uint64_t v)
{
    while (v >= 0x80) {
        buf_byte(b, (unsigned char)(v | 0x80));
        v >>= 7;
    }
    buf_byte(b, (unsigned char)v);
}

static void add_text(struct buf *b, struct text t)
{
    add_varint(b, t.p ? t.n + 1 : 0);
    if (t.p)
        buf_add(b, t.p, t.n);
}

void outbox_begin(struct buf *b, int topic, struct text key, const struct outbox_header *headers,
                  size_t count)
{
    buf_byte(b, (unsigned char)topic);
    add_text(b, key);
    add_varint(b, count);
    for (size_t i = 0; i < count; i++) {
        add_text(b, headers[i].name);
        add_text(b, headers[i].value);
    }
}

void outbox_value(struct buf *b, struct text value)
{
    add_text(b, value);
}

size_t outbox_value_begin(struct buf *b)
{
    buf_room(b, LENGTH_BYTES);
    b->len += LENGTH_BYTES;
    return b->len;
}

size_t outbox_value_end(struct buf *b, size_t mark)
{
    size_t length = b->len - mark;
    uint64_t v = length + 1;
    unsigned char *p = (unsigned char *)b->data + mark - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++, v >>= 7)
        p[i] = (unsigned char)((v & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
    return length;
}

static bool take_varint(struct text bytes, size_t *at, uint64_t *v)
{
    *v = 0;
    for (int shift = 0; shift < 64 && *at < bytes.n; shift += 7) {
        unsigned char c = (unsigned char)bytes.p[(*at)++];
        *v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return true;
    }
    return false;
}

static bool take_text(struct text bytes, size_t *at, struct text *out)
{
    uint64_t n;
    *out = (struct text){0};
    if (!take_varint(bytes, at, &n))
        return false;
    if (n == 0)
        return true;
    if (n - 1 > bytes.n - *at)
        return false;
    *out = (struct text){bytes.p + *at, (size_t)(n - 1)};
    *at += out->n;
    return true;
}

static bool take_headers(struct text bytes, size_t *at, struct outbox_message *m)
{
    uint64_t count;
    if (!take_varint(bytes, at, &count) || count > OUTBOX_HEADERS_MAX)
        return false;
    m->header_count = (size_t)count;
    for (size_t i = 0; i < m->header_count; i++)
        if (!take_text(bytes, at, &m->headers[i].name) ||
            !take_text(bytes, at, &m->headers[i].value))
            return false;
    return true;
}

bool outbox_next(struct text bytes, size_t *at, struct outbox_message *m, struct err *err)
{
    err_clear(err);
    if (*at == bytes.n)
        return false;
    size_t start = *at;
    m->topic = (unsigned char)bytes.p[(*at)++];
    if (m->topic < OUTBOX_TOPICS && take_text(bytes, at, &m->key) && take_headers(bytes, at, m) &&
        take_text(bytes, at, &m->value))
        return true;
    return err_set(err, ERR_FATAL, "an outbox row is broken at byte %zu of %zu", start, bytes.n);
}
