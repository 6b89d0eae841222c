#include "usage/id.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

enum { SHA256_BYTES = 32 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key;
static EVP_MD *sha256;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void set_up(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256 || pthread_key_create(&context_key, free_context) != 0)
        abort();
}

/* A context costs three times the digest of a short text, so each thread keeps one. */
static EVP_MD_CTX *context(void)
{
    static _Thread_local EVP_MD_CTX *kept;
    if (!kept) {
        pthread_once(&once, set_up);
        kept = EVP_MD_CTX_new();
        if (!kept || pthread_setspecific(context_key, kept) != 0)
            abort();
    }
    return kept;
}

struct part {
    const void *p;
    size_t n;
};

static void digest_parts(const struct part *parts, size_t count, unsigned char out[SHA256_BYTES])
{
    EVP_MD_CTX *c = context();
    int ok = EVP_DigestInit_ex2(c, sha256, NULL);
    for (size_t i = 0; i < count; i++)
        if (parts[i].n > 0)
            ok &= EVP_DigestUpdate(c, parts[i].p, parts[i].n);
    ok &= EVP_DigestFinal_ex(c, out, NULL);
    if (!ok)
        abort(); /* no record can cause this; an id that is not one would be worse than the end */
}

static void be48(int64_t ms, unsigned char out[6])
{
    assert(ms >= 0 && ms < 1LL << 48);
    for (int i = 5; i >= 0; i--, ms >>= 8)
        out[i] = (unsigned char)ms;
}

static void set_version(struct usage_id *id, int version)
{
    id->bytes[6] = (unsigned char)((id->bytes[6] & 0x0f) | version << 4);
    id->bytes[8] = (unsigned char)((id->bytes[8] & 0x3f) | 0x80);
}

struct usage_id id_of_record(struct text source, struct text record_id, int64_t usage_date)
{
    unsigned char digest[SHA256_BYTES];
    struct usage_id id;
    digest_parts((struct part[]){{source.p, source.n}, {"", 1}, {record_id.p, record_id.n}}, 3,
                 digest);
    be48(usage_date, id.bytes);
    memcpy(id.bytes + 6, digest, 10);
    set_version(&id, 8);
    return id;
}

struct usage_id id_of_event(const struct usage_id *usage, int64_t revision)
{
    unsigned char digest[SHA256_BYTES];
    struct usage_id id;
    uint64_t be = __builtin_bswap64((uint64_t)revision);
    digest_parts((struct part[]){{usage->bytes, sizeof usage->bytes}, {&be, sizeof be}}, 2, digest);
    memcpy(id.bytes, digest, sizeof id.bytes);
    set_version(&id, 8);
    return id;
}

struct usage_id id_of_specification_event(struct text specification, int64_t revision)
{
    unsigned char digest[SHA256_BYTES];
    struct usage_id id;
    uint64_t be = __builtin_bswap64((uint64_t)revision);
    digest_parts((struct part[]){{specification.p, specification.n}, {"", 1}, {&be, sizeof be}}, 3,
                 digest);
    memcpy(id.bytes, digest, sizeof id.bytes);
    set_version(&id, 8);
    return id;
}

struct usage_id id_random(int64_t ms)
{
    struct usage_id id;
    be48(ms, id.bytes);
    if (RAND_bytes(id.bytes + 6, 10) != 1)
        abort();
    set_version(&id, 7);
    return id;
}

void id_digest(struct text t, char out[ID_DIGEST_CHARS])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES];
    digest_parts(&(struct part){t.p, t.n}, 1, digest);
    for (int i = 0; i < SHA256_BYTES; i++) {
        *out++ = hex[digest[i] >> 4];
        *out++ = hex[digest[i] & 15];
    }
    *out = 0;
}

static bool dash_before(int byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void id_print(const struct usage_id *id, char out[ID_CHARS])
{
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (dash_before(i))
            *out++ = '-';
        *out++ = hex[id->bytes[i] >> 4];
        *out++ = hex[id->bytes[i] & 15];
    }
    *out = 0;
}

bool id_parse(struct text t, struct usage_id *out)
{
    if (t.n != ID_CHARS - 1)
        return false;
    const char *p = t.p;
    for (int i = 0; i < 16; i++, p += 2) {
        if (dash_before(i) && *p++ != '-')
            return false;
        int high = text_hex_digit(p[0]), low = text_hex_digit(p[1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

int id_compare(const struct usage_id *a, const struct usage_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

int64_t id_milliseconds(const struct usage_id *id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

int id_version(const struct usage_id *id)
{
    return id->bytes[6] >> 4;
}

struct usage_id id_floor(int64_t ms)
{
    struct usage_id id = {0};
    be48(ms, id.bytes);
    return id;
}
