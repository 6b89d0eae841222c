/* decimal - exact decimal numbers: money, tax rates, numbers of characteristics. Never a float.
 *
 * The value is unscaled / 10^scale. The scale is kept as it came (0.60 stays 0.60). All functions
 * are pure and may be called from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { DECIMAL_DIGITS = 38, DECIMAL_SCALE_MAX = 38, DECIMAL_CHARS = 84 };

struct decimal {
    __int128 unscaled;
    int scale; /* 0 to DECIMAL_SCALE_MAX */
};

/* Avro's form: big-endian two's complement of any length >= 0 (0 bytes are 0). False if it has more
 * than DECIMAL_DIGITS digits or the scale is out of range. */
bool decimal_from_be(const void *bytes, size_t n, int scale, struct decimal *out);

/* Big-endian two's complement, the shortest form, 1 to 16 bytes into `out`; returns how many. */
size_t decimal_to_be(struct decimal d, unsigned char out[16]);

/* JSON's number grammar, with exponent; the digits as written ("0.60" has scale 2; "1e3" is 1000,
 * scale 0). False: no number, or more than DECIMAL_DIGITS digits or places. */
bool decimal_parse(struct text t, struct decimal *out);

/* Plain digits with `scale` places, no exponent: a JSON number. Ends with 0; returns the length. */
size_t decimal_print(struct decimal d, char out[DECIMAL_CHARS]);

/* The shortest decimal that reads back as the same double. False if not finite or out of range
 * (then a caller keeps the double's own text). */
bool decimal_from_double(double v, struct decimal *out);

/* The nearest double. */
double decimal_to_double(struct decimal d);

/* The same value without trailing zeros behind the point: 0.60 and 0.6 give the same struct. */
struct decimal decimal_normal(struct decimal d);

/* -1, 0, 1: by value. */
int decimal_compare(struct decimal a, struct decimal b);

/* To exactly `scale` places; half away from zero where digits are cut. False if it does not fit. */
bool decimal_rescale(struct decimal d, int scale, struct decimal *out);

/* Digits before the point, 0 for |d| < 1; digits behind it without trailing zeros. */
int decimal_whole_digits(struct decimal d);
int decimal_places(struct decimal d);

/* JSON text of a double: shortest that round-trips, always a valid JSON number ("300.0", "1e+300");
 * ends with 0; `out` holds 32 bytes; returns the length. The value must be finite. */
size_t double_print(double v, char out[32]);
