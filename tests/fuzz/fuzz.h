/* fuzz - how a fuzz target is written: FUZZ(name) { ... } takes any bytes and returns 0.
 *
 * Built by clang it is libFuzzer's entry; else an ordinary function, which
 * tests/unit/test_fuzz_cases.c calls with every seed and every case that was ever found. What must
 * hold is asserted: an assert, a sanitizer's report, a leak or more than a few seconds is a
 * finding.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

#ifdef USAGED_LIBFUZZER
#define FUZZ(name)                                                                                 \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                  \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#else
#define FUZZ(name)                                                                                 \
    int fuzz_##name(const uint8_t *data, size_t size);                                             \
    int fuzz_##name(const uint8_t *data, size_t size)
#endif

/* The bytes up to the next 0, which is passed over; the rest if there is none. */
static inline struct text fuzz_part(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size > 0 ? memchr(*data, 0, *size) : NULL;
    size_t n = end ? (size_t)(end - *data) : *size;
    struct text part = {(const char *)*data, n};
    *data += n + (end != NULL);
    *size -= n + (end != NULL);
    return part;
}
