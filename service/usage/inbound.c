#include "usage/inbound.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/arena.h"

struct inbound_trace inbound_trace(const struct inbound *r)
{
    static const char *const names[] = {"traceparent", "tracestate"};
    struct inbound_trace trace = {.count = 0};
    size_t room = INBOUND_TRACE_MAX;
    for (size_t n = 0; r->header_count > 0 && n < 2; n++)
        for (size_t i = 0; i < r->header_count; i++)
            if (text_is(r->headers[i].name, names[n])) {
                size_t bytes = r->headers[i].name.n + r->headers[i].value.n;
                if (bytes <= room) {
                    trace.headers[trace.count++] = r->headers[i];
                    room -= bytes;
                }
                break;
            }
    return trace;
}

static size_t header_bytes(const struct outbox_header *headers, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += headers[i].name.n + headers[i].value.n;
    return n;
}

/* It is the last one, and short: a producer's own of that name may be anywhere and of any length.
 */
struct inbound_own inbound_own(const struct inbound *r)
{
    enum { DIGITS = 10 };
    size_t n = r->header_count;
    if (n > 0 && text_is(r->headers[n - 1].name, INBOUND_REPLAYS) &&
        r->headers[n - 1].value.n <= DIGITS)
        n--;
    return (struct inbound_own){n, header_bytes(r->headers, n)};
}

/* Beside event.max-bytes a message has 64 KiB: our own headers, and the lengths of a thousand, take
 * no more than the rest. */
enum { BESIDE = 48 * 1024 };

/* Headers of a dead letter, behind the record's own. */
struct letter {
    struct outbox_header headers[OUTBOX_HEADERS_MAX];
    size_t count;
    char texts[12][96];
    int used;
};

static void add(struct letter *l, const char *name, struct text value)
{
    if (l->count < OUTBOX_HEADERS_MAX)
        l->headers[l->count++] = (struct outbox_header){text_of(name), value};
}

static void add_number(struct letter *l, const char *name, int64_t v)
{
    char *text = l->texts[l->used++];
    snprintf(text, sizeof l->texts[0], "%" PRId64, v);
    add(l, name, text_of(text));
}

static void add_sha256(struct letter *l, const char *name, struct text bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char *text = l->texts[l->used++];
    EVP_Digest(bytes.p ? bytes.p : "", bytes.n, digest, &n, EVP_sha256(), NULL);
    for (unsigned i = 0; i < n && i < 32; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
    add(l, name, text_of(text));
}

static uint32_t schema_id(struct text value, bool *framed)
{
    *framed = value.n >= 5 && value.p[0] == 0;
    if (!*framed)
        return 0;
    const unsigned char *p = (const unsigned char *)value.p;
    return (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
}

void inbound_dead_letter(struct buf *b, const struct inbound *r, enum reason reason,
                         const char *text, int64_t event_max)
{
    struct letter l;
    l.count = 0;
    l.used = 0;
    struct inbound_own own = inbound_own(r);
    size_t headers = own.header_bytes;
    /* 24 is room for what `usaged replay` and the usaged.* headers need: the outbox itself holds no
     * more. */
    bool bare = r->key.n > INBOUND_KEY_MAX || headers > INBOUND_HEADERS_BYTES_MAX ||
                own.headers > OUTBOX_HEADERS_MAX - 24 ||
                (int64_t)(r->key.n + headers) > event_max + BESIDE;
    for (size_t i = 0; !bare && i < r->header_count; i++)
        l.headers[l.count++] = r->headers[i];
    add(&l, "usaged.reason", text_of(reason_name(reason)));
    add(&l, "usaged.text", text_of(text));
    add(&l, "usaged.topic", text_of(r->topic));
    add_number(&l, "usaged.partition", r->partition);
    add_number(&l, "usaged.offset", r->offset);
    add_number(&l, "usaged.timestamp", r->timestamp);
    bool framed;
    uint32_t id = schema_id(r->value, &framed);
    if (framed)
        add_number(&l, "usaged.schema-id", id);
    struct text key = r->key, value = r->value;
    if (bare) {
        add_number(&l, "usaged.key-bytes", (int64_t)r->key.n);
        add_sha256(&l, "usaged.key-sha256", r->key);
        add_number(&l, "usaged.headers-bytes", (int64_t)header_bytes(r->headers, r->header_count));
        key = (struct text){0};
        headers = 0;
    }
    if ((int64_t)(key.n + value.n + headers) > event_max) {
        add_number(&l, "usaged.value-bytes", (int64_t)r->value.n);
        add_sha256(&l, "usaged.value-sha256", r->value);
        value = (struct text){0};
    }
    outbox_begin(b, OUTBOX_DEAD, key, l.headers, l.count);
    outbox_value(b, value);
}

void inbound_pack_headers(struct buf *b, const struct inbound *r)
{
    outbox_begin(b, 0, (struct text){0}, r->headers, r->header_count);
    outbox_value(b, (struct text){0});
}

bool inbound_unpack_headers(struct text bytes, struct arena *a, struct inbound *r)
{
    struct outbox_message m;
    struct err err;
    size_t at = 0;
    r->headers = NULL;
    r->header_count = 0;
    if (!bytes.p)
        return true;
    if (!outbox_next(bytes, &at, &m, &err))
        return false;
    struct outbox_header *headers = arena_alloc(a, (m.header_count + 1) * sizeof *headers);
    memcpy(headers, m.headers, m.header_count * sizeof *headers);
    r->headers = headers;
    r->header_count = m.header_count;
    return true;
}
