/* progress - the bar that a command draws on a terminal while its work is long. */
#pragma once

#include <stdint.h>

enum { PROGRESS_CHARS = 64 };

/* "[######------------------]  25 %"; full where there is nothing to do, or more was done than was
 * thought to be there. */
const char *progress_bar(int64_t done, int64_t of, char out[PROGRESS_CHARS]);
