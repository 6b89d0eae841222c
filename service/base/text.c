#include "base/text.h"

#include <stdio.h>

/* The length of the valid character at p, 0 if there is none. */
static size_t char_bytes(const unsigned char *p, size_t n)
{
    unsigned c = p[0];
    if (c < 0x80)
        return 1;
    size_t len = c >= 0xc2 && c < 0xe0   ? 2
                 : c >= 0xe0 && c < 0xf0 ? 3
                 : c >= 0xf0 && c < 0xf5 ? 4
                                         : 0;
    if (len == 0 || len > n)
        return 0;
    unsigned low = 0x80, high = 0xbf; /* bounds of the second byte */
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool text_is_utf8(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < n) {
        /* Eight plain characters at a time: the usual text is ASCII. A byte is plain if it is
         * 1 to 127; subtracting 1 from each byte sets the high bit of a zero byte. */
        while (n - i >= 8) {
            uint64_t v;
            memcpy(&v, p + i, 8);
            if (((v | (v - 0x0101010101010101ULL)) & 0x8080808080808080ULL) != 0)
                break;
            i += 8;
        }
        if (i == n)
            break;
        if (p[i] == 0)
            return false;
        size_t len = char_bytes(p + i, n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

const char *text_quote(struct text t, char *out)
{
    enum { MAX = 200 };
    const unsigned char *p = (const unsigned char *)t.p;
    size_t i = 0, o = 0;
    while (i < t.n) {
        size_t len = char_bytes(p + i, t.n - i);
        if (i + (len ? len : 1) > MAX)
            break;
        bool control = len == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0; /* U+0080 to U+009F */
        if (len > 1 && !control) {
            memcpy(out + o, p + i, len);
            o += len;
            i += len;
        } else if (len == 1 && p[i] >= 0x20 && p[i] != 0x7f && p[i] != '"' && p[i] != '\\') {
            out[o++] = (char)p[i++];
        } else {
            o += (size_t)snprintf(out + o, 5, "\\x%02x", p[i++]);
        }
    }
    if (i < t.n) {
        memcpy(out + o, "...", 3);
        o += 3;
    }
    out[o] = 0;
    return out;
}
