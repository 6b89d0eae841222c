/* units - whole numbers, durations and sizes as people write them in settings. Pure, any thread.
 *
 * A number too large for int64_t becomes INT64_MAX (or MIN), so that the caller's range check
 * refuses it and a false result always means that the form is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { UNITS_CHARS = 32 };

/* "12", "-3" */
bool units_integer(const char *text, int64_t *out);

/* "20 ms", "10s", "5m", "1h", "1d", "10y" (365 days) in milliseconds; `bare`: a number alone is
 * milliseconds. A lone 0 needs no unit. */
bool units_duration(const char *text, bool bare, int64_t *ms);

/* "65536", "64 KiB", "8MiB", "1 GiB" in bytes. */
bool units_size(const char *text, int64_t *bytes);

/* The shortest exact form, "8 MiB", "10 y"; returns `out`. */
const char *units_print_duration(int64_t ms, char out[UNITS_CHARS]);
const char *units_print_size(int64_t bytes, char out[UNITS_CHARS]);
