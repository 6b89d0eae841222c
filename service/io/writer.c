#include "io/writer.h"

void writer_frame(struct buf *b, int32_t schema_id)
{
    buf_byte(b, 0);
    buf_be32(b, (uint32_t)schema_id);
}

void writer_long(struct buf *b, int64_t v)
{
    uint64_t zigzag = ((uint64_t)v << 1) ^ (v < 0 ? ~(uint64_t)0 : 0);
    if (zigzag < 0x80) { /* lengths and branches, nearly always */
        buf_byte(b, (unsigned char)zigzag);
        return;
    }
    char *p = buf_room(b, 10);
    size_t n = 0;
    for (; zigzag >= 0x80; zigzag >>= 7)
        p[n++] = (char)(zigzag | 0x80);
    p[n++] = (char)zigzag;
    b->len += n;
}

void writer_double(struct buf *b, double v)
{
    buf_add(b, &v, sizeof v); /* Avro's order is little-endian, as ours is (see buf.h) */
}

void writer_truth(struct buf *b, bool v)
{
    buf_byte(b, v);
}

void writer_text(struct buf *b, struct text t)
{
    char *p = buf_room(b, t.n + 10);
    if (t.n < 64) {
        *p = (char)(t.n << 1);
        if (t.n > 0)
            memcpy(p + 1, t.p, t.n);
        b->len += t.n + 1;
        return;
    }
    writer_long(b, (int64_t)t.n);
    buf_add(b, t.p, t.n);
}

void writer_branch(struct buf *b, int branch)
{
    buf_byte(b, (unsigned char)(branch << 1)); /* no union has 64 branches */
}

void writer_optional_text(struct buf *b, struct text t)
{
    writer_branch(b, t.p != NULL);
    if (t.p)
        writer_text(b, t);
}

bool writer_decimal(struct buf *b, struct decimal d, int scale)
{
    struct decimal scaled;
    /* Rounding is for the caller to decide: digits are never dropped here. */
    if (!decimal_rescale(d, scale, &scaled) || decimal_compare(d, scaled) != 0)
        return false;
    unsigned char bytes[16];
    size_t n = decimal_to_be(scaled, bytes);
    writer_long(b, (int64_t)n);
    buf_add(b, bytes, n);
    return true;
}

void writer_array(struct buf *b, size_t count)
{
    if (count > 0)
        writer_long(b, (int64_t)count);
}

void writer_array_end(struct buf *b)
{
    writer_long(b, 0);
}
