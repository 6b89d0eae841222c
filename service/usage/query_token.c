#include "usage/query_token.h"

#include <limits.h>

#include <openssl/evp.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buf.h"

/* digest, position (8 bytes each), then the id and each key: its length in 2 bytes, ABSENT without
 * one, and its bytes. */
enum { HEAD = 16, ABSENT = UINT16_MAX };

#define POSITION_MAX (INT64_MAX / 4)

static uint64_t digest(struct text order, struct text bytes)
{
    return XXH3_64bits_withSeed(bytes.p, bytes.n, XXH3_64bits(order.p, order.n));
}

static void put_text(struct buf *b, struct text t)
{
    buf_be16(b, t.p ? (uint16_t)t.n : (uint16_t)ABSENT);
    if (t.p)
        buf_add(b, t.p, t.n);
}

/* base64url without '=' (RFC 4648 section 5). */
static struct text encode(const struct buf *b, struct arena *a)
{
    char *out = arena_alloc(a, (b->len + 2) / 3 * 4 + 1);
    int n = EVP_EncodeBlock((unsigned char *)out, (unsigned char *)b->data, (int)b->len);
    for (int i = 0; i < n; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    while (n > 0 && out[n - 1] == '=')
        n--;
    return (struct text){out, (size_t)n};
}

/* False: other characters, or bits behind the last byte. */
static bool decode(struct text text, struct arena *a, struct text *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char *bytes = arena_alloc(a, text.n + 1);
    unsigned held = 0, bits = 0;
    *out = (struct text){(char *)bytes, 0};
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? strchr(letters, text.p[i]) : NULL;
        if (!at)
            return false;
        held = held << 6 | (unsigned)(at - letters);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[out->n++] = (unsigned char)(held >> bits);
            held &= (1u << bits) - 1;
        }
    }
    return held == 0 && bits < 6;
}

struct text query_token_write(const struct query_token *token, struct text order, struct arena *a)
{
    struct buf b = {0};
    size_t bytes = HEAD + 2 + token->id.n;
    for (int i = 0; i < token->count; i++)
        bytes += 2 + token->keys[i].n;
    if (bytes > QUERY_TOKEN_MAX / 4 * 3)
        return (struct text){0};
    buf_be64(&b, 0);
    buf_be64(&b, (uint64_t)(token->position < POSITION_MAX ? token->position : POSITION_MAX));
    put_text(&b, token->id);
    for (int i = 0; i < token->count; i++)
        put_text(&b, token->keys[i]);
    uint64_t sum = __builtin_bswap64(digest(order, (struct text){b.data + 8, b.len - 8}));
    memcpy(b.data, &sum, sizeof sum);
    struct text text = encode(&b, a);
    buf_fini(&b);
    return text;
}

static uint64_t take_be64(struct text *rest)
{
    uint64_t v;
    memcpy(&v, rest->p, sizeof v);
    rest->p += sizeof v;
    rest->n -= sizeof v;
    return __builtin_bswap64(v);
}

static bool take_text(struct text *rest, struct text *out)
{
    if (rest->n < 2)
        return false;
    size_t n = (size_t)(unsigned char)rest->p[0] << 8 | (unsigned char)rest->p[1];
    rest->p += 2;
    rest->n -= 2;
    *out = (struct text){0};
    if (n == ABSENT)
        return true;
    if (n > rest->n)
        return false;
    *out = (struct text){rest->p, n};
    rest->p += n;
    rest->n -= n;
    return true;
}

bool query_token_read(struct text text, struct text order, struct arena *a, struct query_token *out)
{
    struct text rest;
    *out = (struct query_token){0};
    if (text.n > QUERY_TOKEN_MAX || !decode(text, a, &rest) || rest.n < HEAD)
        return false;
    uint64_t sum = take_be64(&rest);
    if (sum != digest(order, rest))
        return false;
    out->position = (int64_t)take_be64(&rest);
    if (out->position < 0 || out->position > POSITION_MAX || !take_text(&rest, &out->id) ||
        !out->id.p)
        return false;
    bool good = text_is_utf8(out->id.p, out->id.n);
    while (good && rest.n > 0 && out->count < QUERY_SORT_MAX) {
        struct text *key = &out->keys[out->count++];
        good = take_text(&rest, key) && text_is_utf8(key->p, key->n);
    }
    return good && rest.n == 0;
}
