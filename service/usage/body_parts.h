/* body_parts - what the files of body share. Private to body*.c. */
#pragma once

#include "usage/body.h"

/* The first string characteristic of that name with 1 to bytes_max bytes, absent without one. */
struct text body_key_part(const struct usage *u, struct text name, size_t bytes_max);

/* Has one of the first `count` that name? */
bool body_has(const struct characteristic *c, size_t count, struct text name);
