#include "base/jsonr.h"

#include <assert.h>

static bool fail(struct jsonr *r, const char *fault)
{
    if (!r->fault)
        r->fault = fault;
    return false;
}

static bool fail_text(struct jsonr *r, const char *fault)
{
    if (!r->fault)
        r->bad_text = true;
    return fail(r, fault);
}

static const char *after_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

struct jsonr jsonr_start(struct text json)
{
    const char *p = json.p ? json.p : "";
    return (struct jsonr){.start = p, .p = p, .end = p + json.n};
}

enum jsonr_kind jsonr_peek(struct jsonr *r)
{
    const char *p = after_blanks(r->p, r->end);
    if (r->fault || p == r->end)
        return JSONR_NONE;
    switch (*p) {
    case '{':
        return JSONR_OBJECT;
    case '[':
        return JSONR_ARRAY;
    case '"':
        return JSONR_TEXT;
    case 't':
        return JSONR_TRUE;
    case 'f':
        return JSONR_FALSE;
    case 'n':
        return JSONR_NULL;
    default:
        return *p == '-' || (*p >= '0' && *p <= '9') ? JSONR_NUMBER : JSONR_NONE;
    }
}

static bool take(struct jsonr *r, char c)
{
    if (r->fault)
        return false;
    r->p = after_blanks(r->p, r->end);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

bool jsonr_enter(struct jsonr *r, enum jsonr_kind kind)
{
    assert(kind == JSONR_OBJECT || kind == JSONR_ARRAY);
    if (r->depth >= JSONR_DEPTH_MAX + r->around)
        return fail(r, "nested deeper than 64");
    if (!take(r, kind == JSONR_OBJECT ? '{' : '['))
        return fail(r, kind == JSONR_OBJECT ? "an object is expected" : "an array is expected");
    r->depth++;
    return true;
}

/* Moves to the next item of what `open` began. No value ends with an opening bracket, so the byte
 * before us tells whether the first item comes next; jsonr_peek() does not move for that reason. */
static bool next(struct jsonr *r, char open, char close)
{
    if (r->fault)
        return false;
    assert(r->depth > 0);
    bool first = r->p[-1] == open;
    if (take(r, close)) {
        r->depth--;
        return false;
    }
    if (!first && !take(r, ','))
        return fail(r, "a comma or a closing bracket is expected");
    return true;
}

static int hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int digit = text_hex_digit(p[i]);
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

static bool is_high(int unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Checks the escape at p (the backslash); returns what is behind it, NULL with the fault set. */
static const char *check_escape(struct jsonr *r, const char *p)
{
    if (r->end - p < 2 || !strchr("\"\\/bfnrtu", p[1]) || p[1] == 0) {
        fail(r, "no such escape");
        return NULL;
    }
    if (p[1] != 'u')
        return p + 2;
    int unit = hex4(p + 2, r->end);
    if (unit < 0) {
        fail(r, "\\u needs four hex digits");
        return NULL;
    }
    p += 6;
    if (unit == 0) {
        fail_text(r, "a string holds NUL");
        return NULL;
    }
    bool pair = is_high(unit) && r->end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
                is_low(hex4(p + 2, r->end));
    if ((is_high(unit) && !pair) || is_low(unit)) {
        fail_text(r, "a string holds a lone surrogate");
        return NULL;
    }
    return pair ? p + 6 : p;
}

/* Behind the plain bytes at p, eight at a time: ASCII from 0x20 on, neither quote nor backslash. A
 * byte too many may be taken for special, which the slow way then finds to be plain. */
static const char *after_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    for (; end - p >= 8; p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
        if ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & highs)
            break;
    }
    return p;
}

/* A string, checked whole; what stands between the quotes. */
static bool scan_text(struct jsonr *r, struct text *raw, bool *escapes)
{
    if (!take(r, '"'))
        return fail(r, "a string is expected");
    const char *p = after_plain(r->p, r->end);
    bool ascii = true;
    *escapes = false;
    while (p < r->end && *p != '"') {
        if (*p == '\\') {
            *escapes = true;
            p = check_escape(r, p);
            if (!p)
                return false;
        } else if (*p == 0) {
            return fail_text(r, "a string holds NUL");
        } else if ((unsigned char)*p < 0x20) {
            return fail(r, "a string holds a control character");
        } else {
            ascii = ascii && (unsigned char)*p < 0x80;
            p++;
        }
    }
    if (p == r->end)
        return fail(r, "a string has no end");
    *raw = (struct text){r->p, (size_t)(p - r->p)};
    if (!ascii && !text_is_utf8(raw->p, raw->n))
        return fail_text(r, "a string is not UTF-8");
    r->p = p + 1;
    return true;
}

static char *put_utf8(char *o, int c)
{
    if (c < 0x80) {
        *o++ = (char)c;
    } else if (c < 0x800) {
        *o++ = (char)(0xc0 | c >> 6);
        *o++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *o++ = (char)(0xe0 | c >> 12);
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
        *o++ = (char)(0x80 | (c & 0x3f));
    } else {
        *o++ = (char)(0xf0 | c >> 18);
        *o++ = (char)(0x80 | (c >> 12 & 0x3f));
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
        *o++ = (char)(0x80 | (c & 0x3f));
    }
    return o;
}

/* `raw` was checked, so nothing can go wrong; no escape is shorter than what it stands for. */
static struct text unescape(struct text raw, struct arena *a)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *out = arena_alloc(a, raw.n + 1), *o = out;
    const char *p = raw.p, *end = raw.p + raw.n;
    while (p < end) {
        if (*p != '\\') {
            *o++ = *p++;
        } else if (p[1] != 'u') {
            *o++ = to[strchr(from, p[1]) - from];
            p += 2;
        } else {
            int c = hex4(p + 2, end);
            p += 6;
            if (is_high(c)) {
                c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 2, end) - 0xdc00);
                p += 6;
            }
            o = put_utf8(o, c);
        }
    }
    *o = 0;
    return (struct text){out, (size_t)(o - out)};
}

bool jsonr_text(struct jsonr *r, struct arena *a, struct text *out)
{
    bool escapes;
    if (!scan_text(r, out, &escapes))
        return false;
    if (escapes)
        *out = unescape(*out, a);
    return true;
}

bool jsonr_next_key(struct jsonr *r, struct arena *a, struct text *key)
{
    if (!next(r, '{', '}') || !jsonr_text(r, a, key))
        return false;
    return take(r, ':') || fail(r, "a colon is expected");
}

bool jsonr_next_item(struct jsonr *r)
{
    return next(r, '[', ']');
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

bool jsonr_number(struct jsonr *r, struct text *raw)
{
    if (r->fault)
        return false;
    const char *start = after_blanks(r->p, r->end), *end = r->end;
    const char *p = start < end && *start == '-' ? start + 1 : start;
    const char *whole = p;
    p = digits(p, end);
    if (p == whole || (*whole == '0' && p > whole + 1))
        return fail(r, p == whole ? "a value is expected" : "a number begins with 0");
    if (p < end && *p == '.') {
        const char *places = p + 1;
        p = digits(places, end);
        if (p == places)
            return fail(r, "a number ends with its point");
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const char *exponent = p;
        p = digits(p, end);
        if (p == exponent)
            return fail(r, "a number has an empty exponent");
    }
    *raw = (struct text){start, (size_t)(p - start)};
    r->p = p;
    return true;
}

static bool word(struct jsonr *r, const char *name)
{
    if (r->fault)
        return false;
    const char *p = after_blanks(r->p, r->end);
    size_t n = strlen(name);
    if ((size_t)(r->end - p) < n || memcmp(p, name, n) != 0)
        return false;
    r->p = p + n;
    return true;
}

bool jsonr_truth(struct jsonr *r, bool *out)
{
    *out = word(r, "true");
    return *out || word(r, "false") || fail(r, "true or false is expected");
}

bool jsonr_null(struct jsonr *r)
{
    return word(r, "null") || fail(r, "null is expected");
}

static bool skip_text(struct jsonr *r)
{
    struct text raw;
    bool escapes;
    return scan_text(r, &raw, &escapes);
}

/* Recursion is bounded by JSONR_DEPTH_MAX. */
static bool skip_items(struct jsonr *r, bool object)
{
    if (!jsonr_enter(r, object ? JSONR_OBJECT : JSONR_ARRAY))
        return false;
    while (object ? next(r, '{', '}') : next(r, '[', ']')) {
        if (object && (!skip_text(r) || (!take(r, ':') && !fail(r, "a colon is expected"))))
            return false;
        if (!jsonr_skip(r, NULL))
            return false;
    }
    return !r->fault;
}

bool jsonr_skip(struct jsonr *r, struct text *raw)
{
    struct text number;
    bool truth, ok = false;
    const char *start = after_blanks(r->p, r->end);
    switch (jsonr_peek(r)) {
    case JSONR_OBJECT:
        ok = skip_items(r, true);
        break;
    case JSONR_ARRAY:
        ok = skip_items(r, false);
        break;
    case JSONR_TEXT:
        ok = skip_text(r);
        break;
    case JSONR_NUMBER:
        ok = jsonr_number(r, &number);
        break;
    case JSONR_TRUE:
    case JSONR_FALSE:
        ok = jsonr_truth(r, &truth);
        break;
    case JSONR_NULL:
        ok = jsonr_null(r);
        break;
    case JSONR_NONE:
        fail(r, "a value is expected");
    }
    if (ok && raw)
        *raw = (struct text){start, (size_t)(r->p - start)};
    return ok;
}

bool jsonr_done(struct jsonr *r)
{
    if (r->fault)
        return false;
    r->p = after_blanks(r->p, r->end);
    if (r->p < r->end)
        return fail(r, "something stands behind the value");
    return true;
}
