/* reader_walk - what a run over a record holds, and how each kind of bytes is taken from it:
 * reader.c's own.
 *
 * Every take_...() checks before it moves; false: the record is malformed and w->err says how.
 */
#pragma once

#include "base/text.h"
#include "io/plan_ops.h"
#include "io/reader.h"

/* What is open: a record that has its own struct, or an array or map. */
struct frame {
    const struct op *op;
    unsigned char *outer;           /* the record around it */
    const unsigned char *block_end; /* NULL: the block did not say */
    uint64_t left;                  /* items of this block */
    struct list *list;              /* NULL: they are skipped */
    size_t room;
};

struct walk {
    const unsigned char *p, *end;
    unsigned char *record;
    struct frame *top;
    const struct plan *plan;
    struct arena *arena;
    struct err *err;
    uint64_t items_left;
    bool sound;               /* the last step was reached and found nothing behind it */
    const struct op *text_op; /* the first bad text: malformed counts more, so the walk goes on */
    struct text bad_text;
    struct frame frames[PLAN_DEPTH_MAX + 1];
};

/* Fills w->err: READER_MALFORMED, with the field's name in front. */
void reader_report(struct walk *w, const struct op *op, const char *format, ...)
    __attribute__((cold, format(printf, 3, 4)));

/* false, and the compiler sees that it is. */
#define malformed(...) (reader_report(__VA_ARGS__), false)

static inline bool cut_short(struct walk *w, const struct op *op)
{
    return malformed(w, op, "the record is cut short");
}

static size_t left(const struct walk *w)
{
    return (size_t)(w->end - w->p);
}

/* A varint of any length, shortest form or not; take_long() is for the usual one of a byte. */
bool reader_varint(struct walk *w, const struct op *op, uint64_t *v);

static inline bool take_long(struct walk *w, const struct op *op, int64_t *v)
{
    uint64_t u;
    if (w->p < w->end && *w->p < 0x80)
        u = *w->p++;
    else if (!reader_varint(w, op, &u))
        return false;
    *v = (int64_t)((u >> 1) ^ -(u & 1));
    return true;
}

static inline bool take_integer(struct walk *w, const struct op *op, int64_t *v)
{
    if (!take_long(w, op, v))
        return false;
    if (op->narrow && (*v < INT32_MIN || *v > INT32_MAX))
        return malformed(w, op, "int %lld has more than 32 bits", (long long)*v);
    return true;
}

/* A union's branch, an enum's symbol: 0 to count - 1. */
static inline bool take_index(struct walk *w, const struct op *op, const char *what,
                              uint32_t *index)
{
    int64_t v;
    if (!take_long(w, op, &v))
        return false;
    if (v < 0 || v >= (int64_t)op->count)
        return malformed(w, op, "%s %lld is not in 0 to %lld", what, (long long)v,
                         (long long)op->count - 1);
    *index = (uint32_t)v;
    return true;
}

static inline bool take_fixed(struct walk *w, const struct op *op, size_t n, struct text *t)
{
    if (left(w) < n)
        return cut_short(w, op);
    *t = (struct text){(const char *)w->p, n};
    w->p += n;
    return true;
}

static inline bool take_bytes(struct walk *w, const struct op *op, struct text *t)
{
    int64_t n;
    if (!take_long(w, op, &n))
        return false;
    if (n < 0)
        return malformed(w, op, "length %lld", (long long)n);
    if ((uint64_t)n > left(w))
        return malformed(w, op, "length %lld, but %zu bytes are left", (long long)n, left(w));
    return take_fixed(w, op, (size_t)n, t);
}

/* High bit set: some byte is not in 1 to 127. A borrow may spoil the bytes above a zero, never hide
 * it. */
static inline uint64_t not_plain(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return (v | (v - 0x0101010101010101ULL)) & 0x8080808080808080ULL;
}

/* ASCII without NUL, the usual case, eight bytes a step; the last step may overlap the one before
 * it, and for a short text it may look at the bytes behind it, as far as the record reaches. */
static inline bool is_plain(const struct walk *w, struct text t)
{
    const unsigned char *p = (const unsigned char *)t.p, *stop = p + t.n;
    if (t.n >= 8) {
        uint64_t bad = not_plain(stop - 8);
        for (; stop - p > 8; p += 8)
            bad |= not_plain(p);
        return bad == 0;
    }
    if (w->end - p >= 8) {
        uint64_t bits = not_plain(p);
        return t.n == 0 || bits << (64 - 8 * t.n) == 0;
    }
    return false;
}

static inline bool take_text(struct walk *w, const struct op *op, struct text *t)
{
    if (!take_bytes(w, op, t))
        return false;
    if (!is_plain(w, *t) && !text_is_utf8(t->p, t->n) && !w->text_op) {
        w->text_op = op;
        w->bad_text = *t;
    }
    return true;
}

static inline bool take_truth(struct walk *w, const struct op *op, bool *v)
{
    if (w->p == w->end)
        return cut_short(w, op);
    unsigned char c = *w->p++;
    *v = c == 1;
    return c <= 1 || malformed(w, op, "boolean %u", c);
}
