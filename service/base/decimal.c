#include "base/decimal.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* 10^k for k up to 38; 10^38 still fits 127 bits. */
static __int128 power(int k)
{
    static const uint64_t small[] = {1,
                                     10,
                                     100,
                                     1000,
                                     10000,
                                     100000,
                                     1000000,
                                     10000000,
                                     100000000,
                                     1000000000,
                                     10000000000,
                                     100000000000,
                                     1000000000000,
                                     10000000000000,
                                     100000000000000,
                                     1000000000000000,
                                     10000000000000000,
                                     100000000000000000,
                                     1000000000000000000,
                                     10000000000000000000ULL};
    assert(k >= 0 && k <= 38);
    if (k <= 19)
        return small[k];
    return (__int128)small[19] * small[k - 19];
}

static unsigned __int128 magnitude(__int128 v)
{
    return v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
}

static bool fits(__int128 v)
{
    return magnitude(v) < (unsigned __int128)power(DECIMAL_DIGITS);
}

bool decimal_from_be(const void *bytes, size_t n, int scale, struct decimal *out)
{
    const unsigned char *p = bytes;
    if (scale < 0 || scale > DECIMAL_SCALE_MAX)
        return false;
    unsigned char sign = n > 0 && (p[0] & 0x80) ? 0xff : 0;
    while (n > 16 && p[0] == sign) { /* a writer may pad, and fixed always does */
        p++;
        n--;
    }
    if (n > 16 || (n == 16 && (p[0] & 0x80) != (sign & 0x80)))
        return false;
    unsigned __int128 v = sign ? ~(unsigned __int128)0 : 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    *out = (struct decimal){(__int128)v, scale};
    return fits(out->unscaled);
}

size_t decimal_to_be(struct decimal d, unsigned char out[16])
{
    unsigned char all[16];
    unsigned __int128 v = (unsigned __int128)d.unscaled;
    for (int i = 15; i >= 0; i--, v >>= 8)
        all[i] = (unsigned char)v;
    unsigned char sign = d.unscaled < 0 ? 0xff : 0;
    size_t skip = 0;
    while (skip < 15 && all[skip] == sign && (all[skip + 1] & 0x80) == (sign & 0x80))
        skip++;
    memcpy(out, all + skip, 16 - skip);
    return 16 - skip;
}

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* Digits from p on, added to *v; NULL: none, or too many. */
static const char *take_digits(const char *p, const char *end, unsigned __int128 *v)
{
    if (!is_digit(p, end))
        return NULL;
    const unsigned __int128 limit = (unsigned __int128)power(DECIMAL_DIGITS);
    for (; is_digit(p, end); p++) {
        if (*v >= limit / 10)
            return NULL;
        *v = *v * 10 + (unsigned)(*p - '0');
    }
    return p;
}

/* The exponent at p if there is one; cut above 100,000: as there are no more than 10,000 places, no
 * such number fits anyway. */
static const char *take_exponent(const char *p, const char *end, int *exponent)
{
    *exponent = 0;
    if (p == end || (*p != 'e' && *p != 'E'))
        return p;
    p++;
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (!is_digit(p, end))
        return NULL;
    for (; is_digit(p, end); p++)
        if (*exponent < 100000)
            *exponent = *exponent * 10 + (*p - '0');
    if (minus)
        *exponent = -*exponent;
    return p;
}

bool decimal_parse(struct text t, struct decimal *out)
{
    const char *p = t.p, *end = t.n > 0 ? t.p + t.n : t.p;
    bool minus = t.n > 0 && *p == '-';
    if (minus)
        p++;
    unsigned __int128 v = 0;
    if (is_digit(p, end) && *p == '0')
        p++;
    else
        p = take_digits(p, end, &v);
    if (!p)
        return false;
    size_t places = 0;
    if (p < end && *p == '.') {
        const char *point = p;
        p = take_digits(p + 1, end, &v);
        if (!p)
            return false;
        places = (size_t)(p - point - 1);
    }
    int exponent;
    p = take_exponent(p, end, &exponent);
    if (!p || p != end || places > 10000)
        return false;
    int scale = (int)places - exponent;
    if (scale < 0) {
        if (v != 0 && (-scale > DECIMAL_DIGITS || v >= (unsigned __int128)power(DECIMAL_DIGITS) /
                                                           (unsigned __int128)power(-scale)))
            return false;
        if (v != 0)
            v *= (unsigned __int128)power(-scale);
        scale = 0;
    }
    if (scale > DECIMAL_SCALE_MAX)
        return false;
    *out = (struct decimal){minus ? -(__int128)v : (__int128)v, scale};
    return true;
}

/* The digits of v end at `end`; returns where they begin. */
static char *digits_before(char *end, unsigned __int128 v)
{
    while (v > UINT64_MAX) {
        *--end = (char)('0' + (int)(v % 10));
        v /= 10;
    }
    uint64_t low = (uint64_t)v; /* divisions of 64 bits are several times faster */
    do {
        *--end = (char)('0' + (int)(low % 10));
        low /= 10;
    } while (low > 0);
    return end;
}

size_t decimal_print(struct decimal d, char out[DECIMAL_CHARS])
{
    assert(d.scale >= 0 && d.scale <= DECIMAL_SCALE_MAX);
    char digits[DECIMAL_CHARS];
    char *end = digits + sizeof digits;
    char *p = digits_before(end, magnitude(d.unscaled));
    while (end - p <= d.scale)
        *--p = '0';
    char *o = out;
    if (d.unscaled < 0)
        *o++ = '-';
    size_t whole = (size_t)(end - p) - (size_t)d.scale;
    memcpy(o, p, whole);
    o += whole;
    if (d.scale > 0) {
        *o++ = '.';
        memcpy(o, p + whole, (size_t)d.scale);
        o += d.scale;
    }
    *o = 0;
    return (size_t)(o - out);
}

/* Most doubles in records are short decimals. i / 10^k with i below 2^53 is rounded once, so when
 * it gives v, i / 10^k reads back as v; and with at most 15 digits there is only one such decimal,
 * that of "%.15g". */
static bool short_decimal(double v, struct decimal *out)
{
    double ten = 1;
    if (!(fabs(v) < 1e15) || (v != 0 && fabs(v) < 1e-4) || (v == 0 && signbit(v)))
        return false;
    for (int k = 0; k <= 9; k++, ten *= 10) {
        double i = rint(v * ten);
        if (fabs(i) >= 1e15)
            return false;
        if (i / ten == v) {
            *out = (struct decimal){(int64_t)i, k};
            return true;
        }
    }
    return false;
}

/* Below a power of two the doubles lie twice as close as above it, so the nearest decimal of 16
 * digits may read back as the one below, and the next one away from zero as v. */
static bool next_reads_back(double v, char text[32])
{
    int exponent;
    if (frexp(fabs(v), &exponent) != 0.5)
        return false;
    snprintf(text, 32, "%.15e", v); /* keeps zeros at the end, which the last digit may be */
    for (size_t i = strcspn(text, "e"); i > 0 && text[i - 1] != '-'; i--) {
        char *digit = &text[i - 1];
        if (*digit == '.')
            continue;
        *digit = *digit == '9' ? '0' : (char)(*digit + 1);
        if (*digit != '0')
            break;
    }
    return strtod(text, NULL) == v;
}

static size_t shortest_print(double v, char out[32])
{
    int fewest = fabs(v) < DBL_MIN ? 1 : DBL_DIG; /* subnormals have fewer digits that count */
    for (int digits = fewest; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, v);
        if (strtod(out, NULL) == v || (digits == 16 && next_reads_back(v, out)))
            break;
    }
    return strlen(out);
}

bool decimal_from_double(double v, struct decimal *out)
{
    if (!isfinite(v))
        return false;
    if (short_decimal(v, out))
        return true;
    char text[32];
    size_t n = shortest_print(v, text);
    return decimal_parse((struct text){text, n}, out);
}

double decimal_to_double(struct decimal d)
{
    if (magnitude(d.unscaled) <= (1ULL << 53) && d.scale <= 22) /* both exact: one rounding */
        return (double)(int64_t)d.unscaled / (double)power(d.scale);
    char text[DECIMAL_CHARS];
    decimal_print(d, text);
    return strtod(text, NULL);
}

struct decimal decimal_normal(struct decimal d)
{
    if (d.unscaled == 0)
        return (struct decimal){0, 0};
    while (d.scale > 0 && (d.unscaled > INT64_MAX || d.unscaled < INT64_MIN) &&
           d.unscaled % 10 == 0) {
        d.unscaled /= 10;
        d.scale--;
    }
    if (d.unscaled > INT64_MAX || d.unscaled < INT64_MIN)
        return d;
    int64_t v = (int64_t)d.unscaled;
    for (; d.scale > 0 && v % 10 == 0; d.scale--)
        v /= 10;
    d.unscaled = v;
    return d;
}

int decimal_compare(struct decimal a, struct decimal b)
{
    if (a.scale == b.scale)
        return (a.unscaled > b.unscaled) - (a.unscaled < b.unscaled);
    /* What stands before the point, then what stands behind it, both brought to 38 places: that
     * cannot overflow, as the numbers themselves could. The parts have the sign of the number. */
    __int128 pa = power(a.scale), pb = power(b.scale);
    __int128 wa = a.unscaled / pa, wb = b.unscaled / pb;
    if (wa != wb)
        return wa > wb ? 1 : -1;
    __int128 ra = a.unscaled % pa * power(38 - a.scale), rb = b.unscaled % pb * power(38 - b.scale);
    return (ra > rb) - (ra < rb);
}

bool decimal_rescale(struct decimal d, int scale, struct decimal *out)
{
    if (scale < 0 || scale > DECIMAL_SCALE_MAX)
        return false;
    __int128 v = d.unscaled;
    if (scale >= d.scale) {
        if (__builtin_mul_overflow(v, power(scale - d.scale), &v))
            return false;
    } else {
        __int128 cut = power(d.scale - scale), rest = v % cut;
        v /= cut;
        if (magnitude(rest) >= magnitude(cut) / 2)
            v += d.unscaled < 0 ? -1 : 1;
    }
    if (!fits(v))
        return false;
    *out = (struct decimal){v, scale};
    return true;
}

int decimal_whole_digits(struct decimal d)
{
    int n = 0;
    for (unsigned __int128 v = magnitude(d.unscaled) / (unsigned __int128)power(d.scale); v > 0;
         v /= 10)
        n++;
    return n;
}

int decimal_places(struct decimal d)
{
    return decimal_normal(d).scale;
}

size_t double_print(double v, char out[32])
{
    assert(isfinite(v));
    struct decimal d;
    size_t n;
    if (short_decimal(v, &d)) {
        char text[DECIMAL_CHARS]; /* at most a sign, 15 digits, a point and a 0 before it */
        n = decimal_print(d, text);
        memcpy(out, text, n + 1);
    } else {
        n = shortest_print(v, out);
    }
    if (!strpbrk(out, ".e")) { /* must still read as a real, not as an integer */
        memcpy(out + n, ".0", 3);
        n += 2;
    }
    return n;
}
