/* service - `usaged run`: checks that the start can be, starts the threads, waits for the end. */
#pragma once

#include "app/settings.h"

/* Returns the exit code: 0 stopped as asked, 1 cannot start or go on (one line on standard error
 * says why and what to do). */
int service_run(const struct settings *s);
