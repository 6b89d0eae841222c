/* config_take - one value of a settings table: checked, and written into the caller's struct. Part
 * of config. */
#pragma once

#include "base/arena.h"
#include "base/config.h"

/* NULL, or what is wrong with the value, as the end of a sentence that begins with it. Texts come
 * from the arena. */
const char *config_take(struct arena *a, const struct config_value *v, void *target);

/* Without white space at both ends; cut in place. */
char *config_trim(char *s);
