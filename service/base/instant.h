/* instant - moments: int64 milliseconds since 1970 UTC, and their RFC 3339 text. Pure, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { INSTANT_CHARS = 32 };

/* "2026-11-23T08:15:30.250Z": always milliseconds, always Z. Years 0 to 9999 (outside: clamped).
 * Ends with 0; returns the length. */
size_t instant_print(int64_t ms, char out[INSTANT_CHARS]);

/* RFC 3339 date-time: any offset, any number of fraction digits (cut towards the past), lower-case
 * t and z and a blank instead of T are accepted, second 60 is the first moment of the next minute.
 * False: no such date. */
bool instant_parse(struct text t, int64_t *ms);

/* The same, or a date, which is its first moment in UTC: "2026-11-23". */
bool instant_parse_date(struct text t, int64_t *ms);

int64_t instant_now(void);   /* wall clock, ms */
int64_t instant_ticks(void); /* CLOCK_MONOTONIC, ms: for deadlines */
