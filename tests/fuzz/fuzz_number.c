/* Dates, decimals, numbers, doubles. Input: their text; its first bytes also as Avro's decimal and
 * as a double. What is read is printed, and reads as the same again. */
#include <math.h>
#include <stdlib.h>

#include "base/instant.h"
#include "base/jsonr.h"
#include "base/units.h"
#include "fuzz.h"
#include "usage/number.h"

static void check_instant(struct text t)
{
    char out[INSTANT_CHARS];
    int64_t ms, back;
    if (!instant_parse(t, &ms))
        return;
    size_t n = instant_print(ms, out);
    assert(n < sizeof out && out[n] == 0);
    bool parsed = instant_parse((struct text){out, n}, &back);
    assert(parsed);
    /* An offset, or second 60, may lead out of the years that have a text. */
    if (ms >= INT64_C(-62167219200000) && ms < INT64_C(253402300800000))
        assert(back == ms);
}

static void check_decimal(struct decimal d)
{
    char out[DECIMAL_CHARS];
    unsigned char bytes[16];
    struct decimal back;
    size_t n = decimal_print(d, out);
    assert(n < sizeof out && out[n] == 0);
    bool same = decimal_parse((struct text){out, n}, &back);
    assert(same && back.unscaled == d.unscaled && back.scale == d.scale);
    n = decimal_to_be(d, bytes);
    assert(n >= 1 && n <= sizeof bytes);
    same = decimal_from_be(bytes, n, d.scale, &back);
    assert(same && back.unscaled == d.unscaled && back.scale == d.scale);
    assert(decimal_compare(d, decimal_normal(d)) == 0);
    assert(decimal_whole_digits(d) <= DECIMAL_DIGITS && decimal_places(d) <= d.scale);
    struct number one = number_of_decimal(d), other = number_of_decimal(decimal_normal(d));
    assert(number_equal(&one, &other));
    for (int scale = 0; scale <= DECIMAL_SCALE_MAX; scale++)
        if (decimal_rescale(d, scale, &back))
            assert(back.scale == scale &&
                   (scale < decimal_places(d) || decimal_compare(back, d) == 0));
}

static void check_double(double v)
{
    char out[32];
    struct decimal d;
    if (!isfinite(v))
        return;
    size_t n = double_print(v, out);
    assert(n < sizeof out && out[n] == 0);
    double back = strtod(out, NULL);
    assert(memcmp(&back, &v, sizeof v) == 0);
    struct number exact, shortest = number_of_real(v);
    bool read = number_of_text((struct text){out, n}, &exact);
    assert(read && number_equal(&exact, &shortest));
    if (decimal_from_double(v, &d)) {
        check_decimal(d);
        assert(decimal_to_double(d) == v);
    }
}

/* Only what JSON would call a number: the callers have seen to that. */
static bool is_json_number(struct text t)
{
    struct text raw;
    struct jsonr r = jsonr_start(t);
    return jsonr_peek(&r) == JSONR_NUMBER && jsonr_number(&r, &raw) && raw.n == t.n;
}

static void check_number(struct text t)
{
    struct number n, again;
    struct decimal d;
    bool is_number = is_json_number(t);
    if (decimal_parse(t, &d)) {
        assert(is_number);
        check_decimal(d);
    }
    if (!is_number)
        return;
    struct value v = number_value(t);
    assert(v.kind == VALUE_INTEGER || v.kind == VALUE_DECIMAL ||
           (v.kind == VALUE_JSON && text_eq(v.text, t)));
    if (!number_of_text(t, &n))
        return;
    if (v.kind != VALUE_JSON) {
        again =
            v.kind == VALUE_INTEGER ? number_of_integer(v.integer) : number_of_decimal(v.decimal);
        assert(number_equal(&n, &again));
    }
    int64_t whole;
    if (number_is_long(&n, &whole)) {
        again = number_of_integer(whole);
        assert(number_equal(&n, &again));
    }
}

static void check_units(struct text t, struct arena *a)
{
    const char *s = arena_copy(a, t.p, t.n);
    char out[UNITS_CHARS];
    int64_t v, back;
    units_integer(s, &v);
    if (units_duration(s, true, &v) && v >= 0) {
        bool same = units_duration(units_print_duration(v, out), false, &back);
        assert(same && back == v);
    }
    if (units_size(s, &v) && v >= 0) {
        bool same = units_size(units_print_size(v, out), &back);
        assert(same && back == v);
    }
}

FUZZ(number)
{
    struct arena *a = arena_new(1024);
    struct decimal d;
    char *exact = malloc(size + 1); /* one more than none; it is not looked at */
    assert(exact);
    if (size > 0)
        memcpy(exact, data, size);
    struct text t = {exact, size};
    check_instant(t);
    check_number(t);
    check_units(t, a);
    if (size > 0 && decimal_from_be(exact + 1, size - 1, data[0] % 40, &d))
        check_decimal(d);
    double v;
    if (size >= sizeof v) {
        memcpy(&v, exact, sizeof v);
        check_double(v);
    }
    free(exact);
    arena_free(a);
    return 0;
}
