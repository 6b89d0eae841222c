#include "base/jsonw.h"

#include <assert.h>
#include <stdio.h>

#include "base/instant.h"

enum { DEPTH_MAX = 64 };

struct jsonw jsonw_start(struct buf *b)
{
    return (struct jsonw){.b = b};
}

/* Room for `more` bytes of an item and the comma before it, which is written. */
static char *item_room(struct jsonw *w, size_t more)
{
    char *p = buf_room(w->b, more + 1);
    *p = ',';
    w->b->len += w->comma;
    p += w->comma;
    w->comma = true;
    return p;
}

static void item(struct jsonw *w, const char *text, size_t n)
{
    memcpy(item_room(w, n), text, n);
    w->b->len += n;
}

static void open_one(struct jsonw *w, bool array)
{
    assert(w->depth < DEPTH_MAX);
    item(w, array ? "[" : "{", 1);
    uint64_t bit = 1ULL << w->depth;
    w->arrays = array ? w->arrays | bit : w->arrays & ~bit;
    w->depth++;
    w->comma = false;
}

void jsonw_object(struct jsonw *w)
{
    open_one(w, false);
}

void jsonw_array(struct jsonw *w)
{
    open_one(w, true);
}

void jsonw_end(struct jsonw *w)
{
    assert(w->depth > 0);
    w->depth--;
    buf_byte(w->b, w->arrays >> w->depth & 1 ? ']' : '}');
    w->comma = true;
}

/* True if none of the eight bytes needs an escape: all are at least 0x20 and neither quote nor
 * backslash. Subtracting from each byte sets its high bit where it was smaller; bytes above 0x7f
 * are taken out by ~v. */
static bool plain8(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
    return ((((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) &
            highs) == 0;
}

static bool plain1(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static bool copy8(char *out, const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    memcpy(out, &v, 8);
    return plain8(v);
}

/* Copies the text; false if something in it needs an escape. The last step overlaps the one before
 * it. */
static bool copy_plain(char *out, const char *p, size_t n)
{
    bool plain = true;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            plain &= copy8(out + i, p + i);
        return copy8(out + n - 8, p + n - 8) && plain;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = p[i];
        plain &= plain1(p[i]);
    }
    return plain;
}

static size_t escape(char c, char out[8])
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        out[0] = '\\';
        out[1] = to[found - from];
        return 2;
    }
    return (size_t)snprintf(out, 8, "\\u%04x", (unsigned char)c);
}

static void escaped(struct buf *b, struct text t)
{
    for (size_t i = 0; i < t.n; i++) {
        char text[8];
        if (plain1(t.p[i])) {
            buf_byte(b, (unsigned char)t.p[i]);
        } else {
            size_t n = escape(t.p[i], text);
            buf_add(b, text, n);
        }
    }
}

void jsonw_text(struct jsonw *w, struct text t)
{
    char *p = item_room(w, t.n + 2);
    *p = '"';
    if (copy_plain(p + 1, t.p, t.n)) { /* the usual case */
        p[t.n + 1] = '"';
        w->b->len += t.n + 2;
        return;
    }
    w->b->len++;
    escaped(w->b, t);
    buf_byte(w->b, '"');
}

void jsonw_member(struct jsonw *w, struct text name)
{
    jsonw_text(w, name);
    buf_byte(w->b, ':');
    w->comma = false;
}

void jsonw_integer(struct jsonw *w, int64_t v)
{
    char digits[20], *end = digits + sizeof digits, *p = end;
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    if (v < 0)
        *--p = '-';
    item(w, p, (size_t)(end - p));
}

void jsonw_real(struct jsonw *w, double v)
{
    char text[32];
    size_t n = double_print(v, text);
    item(w, text, n);
}

void jsonw_truth(struct jsonw *w, bool v)
{
    item(w, v ? "true" : "false", v ? 4 : 5);
}

void jsonw_null(struct jsonw *w)
{
    item(w, "null", 4);
}

void jsonw_decimal(struct jsonw *w, struct decimal d)
{
    char text[DECIMAL_CHARS];
    size_t n = decimal_print(d, text);
    item(w, text, n);
}

void jsonw_instant(struct jsonw *w, int64_t ms)
{
    char text[INSTANT_CHARS + 2];
    size_t n = instant_print(ms, text + 1);
    text[0] = text[n + 1] = '"';
    item(w, text, n + 2);
}

void jsonw_raw(struct jsonw *w, struct text json)
{
    item(w, json.p, json.n);
}
