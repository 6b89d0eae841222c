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

/* The same of a usage that came as JSON: `raw` is the record of the same meaning (body.h). Equal to
 * digest_raw(raw) if the usage has nothing that a RawUsage cannot say: another @type, attributes
 * that TMF635 does not know, relationships; what it has of these counts. Ratings do not. */
uint64_t digest_document(const struct raw_usage *raw, const struct usage *u, struct arena *a);

/* One JSON value by its meaning: order of members and form of numbers do not count. */
uint64_t digest_json(struct text json, struct arena *a);

/* Status, ratings (mapped: money is DECIMAL) and description. */
uint64_t digest_rated(enum usage_status status, const struct list *ratings,
                      struct text description);
