/* number - a JSON number of any length by its value: 300, 300.0 and 3e2 are one number. Pure, any
 * thread.
 *
 * struct decimal holds what people measure; this is for what JSON may hold besides, "1e+300" or
 * fifty digits.
 */
#pragma once

#include "base/value.h"

/* sign, digits without zeros at either end, and the power of ten of the last digit. Zero has no
 * digit and is not negative. */
struct number {
    bool negative;
    bool narrow;                /* at most DECIMAL_DIGITS digits: `mantissa` holds them */
    unsigned __int128 mantissa; /* else only `digits` does */
    int64_t exponent;
    struct text
        digits; /* of a number that is not narrow: borrowed, with a point among them maybe */
};

/* `json` is a number by JSON's grammar. False: its exponent has more than 15 digits. */
bool number_of_text(struct text json, struct number *out);
struct number number_of_decimal(struct decimal d);
struct number number_of_integer(int64_t v);
struct number number_of_real(double v); /* by its shortest text; v is finite */

bool number_equal(const struct number *a, const struct number *b);

/* True if it is whole and fits. */
bool number_is_long(const struct number *n, int64_t *out);

/* The value of a JSON number: INTEGER if written as one that fits; DECIMAL if it prints back to the
 * same text; else JSON with the text as it is. */
struct value number_value(struct text json);
