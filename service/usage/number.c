#include "usage/number.h"

static struct number narrow(bool negative, unsigned __int128 mantissa, int64_t exponent)
{
    while (mantissa > UINT64_MAX && mantissa % 10 == 0) {
        mantissa /= 10;
        exponent++;
    }
    if (mantissa <= UINT64_MAX) {
        uint64_t m = (uint64_t)mantissa;
        if (m == 0)
            return (struct number){.narrow = true};
        for (; m % 10 == 0; m /= 10)
            exponent++;
        mantissa = m;
    }
    return (struct number){
        .negative = negative, .narrow = true, .mantissa = mantissa, .exponent = exponent};
}

struct number number_of_decimal(struct decimal d)
{
    bool negative = d.unscaled < 0;
    unsigned __int128 m = (unsigned __int128)d.unscaled;
    return narrow(negative, negative ? -m : m, -d.scale);
}

struct number number_of_integer(int64_t v)
{
    return narrow(v < 0, v < 0 ? -(uint64_t)v : (uint64_t)v, 0);
}

struct number number_of_real(double v)
{
    struct decimal d;
    if (decimal_from_double(v, &d))
        return number_of_decimal(d);
    char text[32];
    struct number n = {0};
    size_t length = double_print(v, text);
    if (!number_of_text((struct text){text, length}, &n)) /* a double's exponent has three digits */
        n.narrow = true;
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What stands behind the e, 0 if there is none. */
static bool take_exponent(const char *p, const char *end, int64_t *out)
{
    int64_t v = 0;
    if (p == end)
        return true;
    p++;
    bool minus = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    while (p < end && *p == '0')
        p++;
    if (end - p > 15)
        return false;
    for (; p < end; p++)
        v = v * 10 + (*p - '0');
    *out = minus ? -v : v;
    return true;
}

bool number_of_text(struct text json, struct number *out)
{
    const char *p = json.p, *end = json.p + json.n;
    const char *first = NULL, *last = NULL, *point = NULL;
    unsigned __int128 mantissa = 0;
    int64_t exponent = 0;
    size_t digits = 0, zeros = 0; /* digits from the first that is not 0; zeros at their end */
    bool negative = *p == '-';
    for (p += negative; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            point = p;
        } else if (*p != '0' || first) {
            first = first ? first : p;
            last = *p == '0' ? last : p;
            zeros = *p == '0' ? zeros + 1 : 0;
            digits++;
        }
    }
    const char *after = p;
    if (!take_exponent(p, end, &exponent))
        return false;
    if (!first) {
        *out = (struct number){.narrow = true};
        return true;
    }
    exponent += (int64_t)zeros - (point ? after - point - 1 : 0);
    *out = (struct number){
        .negative = negative, .narrow = digits - zeros <= DECIMAL_DIGITS, .exponent = exponent};
    out->digits = (struct text){first, (size_t)(last + 1 - first)};
    for (p = first; out->narrow && p <= last; p++)
        if (*p != '.')
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
    out->mantissa = mantissa;
    return true;
}

bool number_equal(const struct number *a, const struct number *b)
{
    /* One that is not narrow is compared only with what was made of a struct decimal or a double:
     * both are. */
    return a->narrow && b->narrow && a->negative == b->negative && a->mantissa == b->mantissa &&
           a->exponent == b->exponent;
}

bool number_is_long(const struct number *n, int64_t *out)
{
    if (!n->narrow || n->exponent < 0 || n->exponent > 18)
        return false;
    const unsigned __int128 limit = (unsigned __int128)INT64_MAX + n->negative;
    unsigned __int128 v = n->mantissa;
    for (int64_t e = 0; e < n->exponent && v <= limit; e++)
        v *= 10;
    if (v > limit)
        return false;
    *out = n->negative ? (int64_t)-v : (int64_t)v;
    return true;
}

/* True and the value if the text is the plain form of an integer that fits. */
static bool plain_integer(struct text json, int64_t *out)
{
    bool negative = json.p[0] == '-';
    size_t i = negative;
    uint64_t v = 0;
    if (json.n - i > 19 || (negative && json.p[1] == '0')) /* "-0" is no int64 */
        return false;
    for (; i < json.n && is_digit(json.p[i]); i++)
        v = v * 10 + (unsigned)(json.p[i] - '0');
    if (i < json.n || v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)-v : (int64_t)v;
    return true;
}

struct value number_value(struct text json)
{
    struct value v = {.kind = VALUE_INTEGER};
    if (plain_integer(json, &v.integer))
        return v;
    char printed[DECIMAL_CHARS];
    struct decimal d;
    if (decimal_parse(json, &d)) {
        size_t n = decimal_print(d, printed);
        if (text_eq(json, (struct text){printed, n}))
            return (struct value){.kind = VALUE_DECIMAL, .decimal = d};
    }
    return (struct value){.kind = VALUE_JSON, .text = json};
}
