/* parked_filter - a set of usage ids that answers "not in it" or "maybe": a Bloom filter whose bits
 * of one id lie in one word, so that an answer costs one look into memory.
 *
 * Never a wrong "no". Of ids that are not in it some 1 in 200 is a "maybe" at half the capacity and
 * 1 in 25 at the whole; beyond that each is. One thread. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct parked_filter;

/* For up to `capacity` ids, in a byte for each, rounded up to a power of two. */
struct parked_filter *parked_filter_new(size_t capacity);
void parked_filter_free(struct parked_filter *f);

void parked_filter_clear(struct parked_filter *f);
void parked_filter_add(struct parked_filter *f, const unsigned char id[16]);

/* False: it was not added since the last clear. */
bool parked_filter_maybe(const struct parked_filter *f, const unsigned char id[16]);

/* More ids than its capacity were added (one that was in it already is not counted). */
bool parked_filter_is_full(const struct parked_filter *f);
