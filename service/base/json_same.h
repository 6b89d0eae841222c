/* json_same - whether two JSON texts say the same: blanks and escapes do not count, digits and the
 * order of members do. Pure, any thread. */
#pragma once

#include "base/arena.h"
#include "base/text.h"

/* False, too, where one of them is not one JSON value. The arena holds texts that have escapes. */
bool json_same(struct text a, struct text b, struct arena *arena);
