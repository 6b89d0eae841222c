#include "base/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Each table from small to large. */
static const struct unit durations[] = {{"ms", 1},       {"s", 1000},
                                        {"m", 60000},    {"h", 3600000},
                                        {"d", 86400000}, {"y", 365 * INT64_C(86400000)}};
static const struct unit sizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Takes the number in front; returns what stands behind it and its blanks, NULL if there is no
 * number. */
static const char *take_number(const char *p, int64_t *out)
{
    bool minus = *p == '-';
    if (minus)
        p++;
    if (*p < '0' || *p > '9')
        return NULL;
    int64_t v = 0;
    bool over = false;
    for (; *p >= '0' && *p <= '9'; p++)
        over = over || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v);
    *out = over ? (minus ? INT64_MIN : INT64_MAX) : minus ? -v : v;
    while (*p == ' ')
        p++;
    return p;
}

static int64_t multiply(int64_t v, int64_t factor)
{
    int64_t product;
    if (__builtin_mul_overflow(v, factor, &product))
        return v < 0 ? INT64_MIN : INT64_MAX;
    return product;
}

static bool find_unit(const struct unit *units, size_t count, const char *name, int64_t *v)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0) {
            *v = multiply(*v, units[i].factor);
            return true;
        }
    return false;
}

static const char *print(const struct unit *units, size_t count, int64_t v, char out[UNITS_CHARS])
{
    size_t i = count - 1;
    while (i > 0 && (v == 0 || v % units[i].factor != 0))
        i--;
    snprintf(out, UNITS_CHARS, "%" PRId64 "%s%s", v / units[i].factor, units[i].name[0] ? " " : "",
             units[i].name);
    return out;
}

bool units_integer(const char *text, int64_t *out)
{
    const char *rest = take_number(text, out);
    return rest && *rest == 0;
}

bool units_duration(const char *text, bool bare, int64_t *ms)
{
    const char *rest = take_number(text, ms);
    if (!rest)
        return false;
    if (*rest == 0)
        return bare || *ms == 0;
    return find_unit(durations, COUNT(durations), rest, ms);
}

bool units_size(const char *text, int64_t *bytes)
{
    const char *rest = take_number(text, bytes);
    return rest && find_unit(sizes, COUNT(sizes), rest, bytes);
}

const char *units_print_duration(int64_t ms, char out[UNITS_CHARS])
{
    return print(durations, COUNT(durations), ms, out);
}

const char *units_print_size(int64_t bytes, char out[UNITS_CHARS])
{
    return print(sizes, COUNT(sizes), bytes, out);
}
