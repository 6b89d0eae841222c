#include "io/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"

enum { MAPPED_BITS = 96 };

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};

/* What is not public of IPv4. */
static const struct {
    unsigned char address[4];
    int bits;
} reserved[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* of carriers, behind their NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local: metadata services of clouds */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* of protocols */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* relays to IPv6 */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, broadcast */
};

/* Of IPv6 only 2000::/3 is given away as public at all; what is not public of that: */
static const struct {
    unsigned char address[4];
    int bits;
} reserved6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, /* of protocols: Teredo, ORCHID, benchmarks */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: an IPv4 address in another coat */
    {{0x3f, 0xff, 0x00, 0x00}, 20}, /* documentation */
};

static bool begins(const unsigned char *address, const unsigned char *with, int bits)
{
    int bytes = bits / 8, rest = bits % 8;
    return memcmp(address, with, (size_t)bytes) == 0 &&
           (rest == 0 || ((address[bytes] ^ with[bytes]) >> (8 - rest)) == 0);
}

static bool is_public4(const unsigned char address[4])
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (begins(address, reserved[i].address, reserved[i].bits))
            return false;
    return true;
}

static bool is_public6(const unsigned char address[16])
{
    static const unsigned char unicast[1] = {0x20};
    if (!begins(address, unicast, 3))
        return false;
    for (size_t i = 0; i < sizeof reserved6 / sizeof *reserved6; i++)
        if (begins(address, reserved6[i].address, reserved6[i].bits))
            return false;
    return true;
}

/* The address in the form of struct network. False: of another family. */
static bool bytes_of(const struct sockaddr *address, unsigned char out[16])
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &in.sin_addr, 4);
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&in6, address, sizeof in6);
    memcpy(out, &in6.sin6_addr, 16);
    if (memcmp(out, nat64, sizeof nat64) == 0)
        memcpy(out, mapped, sizeof mapped);
    return true;
}

bool network_may(const struct sockaddr *address, const struct network *allowed, size_t n)
{
    unsigned char bytes[16];
    if (!bytes_of(address, bytes))
        return false;
    for (size_t i = 0; i < n; i++)
        if (begins(bytes, allowed[i].address, allowed[i].bits))
            return true;
    return memcmp(bytes, mapped, sizeof mapped) == 0 ? is_public4(bytes + 12) : is_public6(bytes);
}

static bool parse_address(const char *text, unsigned char out[16], int *bits_max)
{
    *bits_max = 32;
    memcpy(out, mapped, sizeof mapped);
    if (inet_pton(AF_INET, text, out + 12) == 1)
        return true;
    *bits_max = 128;
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool has_bits_behind(const struct network *n)
{
    for (int i = n->bits; i < 128; i++)
        if (n->address[i / 8] & (0x80 >> (i % 8)))
            return true;
    return false;
}

bool network_parse(const char *text, struct network *out)
{
    char address[NETWORK_CHARS];
    int bits_max;
    int64_t bits;
    size_t n = strcspn(text, "/");
    if (n >= sizeof address)
        return false;
    memcpy(address, text, n);
    address[n] = 0;
    if (!parse_address(address, out->address, &bits_max))
        return false;
    bits = bits_max;
    if (text[n] == '/' && !units_integer(text + n + 1, &bits))
        return false;
    if (bits < 0 || bits > bits_max)
        return false;
    out->bits = (int)bits + (bits_max == 32 ? MAPPED_BITS : 0);
    return !has_bits_behind(out);
}

const char *network_print(const struct sockaddr *address, char out[NETWORK_CHARS])
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    const char *made = NULL;
    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        made = inet_ntop(AF_INET, &in.sin_addr, out, NETWORK_CHARS);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof in6);
        made = inet_ntop(AF_INET6, &in6.sin6_addr, out, NETWORK_CHARS);
    }
    if (!made)
        snprintf(out, NETWORK_CHARS, "an address of another family");
    return out;
}
