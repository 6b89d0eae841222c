/* json_line - JSON on one line. Pure, any thread. */
#pragma once

#include "base/arena.h"
#include "base/text.h"

/* Without the blanks between its tokens if one of them ends a line, else as it is: a usage must fit
 * one line of an export. `json` was checked; it may be the members of an object without the braces.
 * The result is `json` itself or in the arena. */
struct text json_one_line(struct text json, struct arena *a);
