/* digest - 64-bit digests by which "the same content" is known (wire contract section 4).
 *
 * XXH3 over a canonical form: an empty or absent text is one thing, numbers count by value whatever
 * their type, JSON by its meaning. Each piece has its length before it, so no two contents share a
 * form. They are stored: a changed form makes every later copy of a record a conflict.
 */
#pragma once

#include "usage/record.h"

/* Everything of a record but its status: as it came, before missing things are filled in. JSON
 * values were checked. The arena holds JSON texts that have escapes. */
uint64_t digest_raw(const struct raw_usage *raw, struct arena *a);

/* Status, ratings (mapped: money is DECIMAL) and description. */
uint64_t digest_rated(enum usage_status status, const struct list *ratings,
                      struct text description);
