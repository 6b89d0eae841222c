/* network - which addresses the hub may connect to: public ones, and those that a setting names.
 *
 * A callback is chosen by a client, so what it may reach must not be what only we may reach: our
 * own machine, the private network, a cloud's metadata service. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

/* IPv4 in its mapped form, ::ffff:a.b.c.d with 96 bits more. */
struct network {
    unsigned char address[16];
    int bits;
};

/* "10.1.0.0/16", "fd00:1::/32", or one address. False: it is none, or bits behind the prefix are
 * set. */
bool network_parse(const char *text, struct network *out);

/* Public (the IANA special-purpose registries, without what they call globally reachable only by
 * way of a relay), or in one of `allowed`. An IPv4 address inside an IPv6 one (mapped, NAT64) is
 * judged as that IPv4 address. */
bool network_may(const struct sockaddr *address, const struct network *allowed, size_t n);

enum { NETWORK_CHARS = 64 };

/* The address as text, without its port; returns `out`. */
const char *network_print(const struct sockaddr *address, char out[NETWORK_CHARS]);
