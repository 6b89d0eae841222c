/* field_path - the names of what a change has changed (HTTP contract section 8).
 *
 * Values are compared by meaning, as records are: numbers count by value, the order of members does
 * not. Costs n log n of the members, since clients choose how many there are. Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/text.h"

/* The first-level names of two JSON objects whose values differ, separated by commas: those of
 * `known` first and in its order, then the others, in the order of `before` and then, what only
 * `after` has, of `after`; "" if nothing differs. An empty name is written as two quotes. Of a name
 * that is there twice the last counts. Both are known to be sound. In the arena. */
const char *field_path(struct text before, struct text after, const struct text *known,
                       size_t known_count, struct arena *a);
