#include "base/instant.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400 };

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. Years begin in March here,
 * so that the leap day is a year's last; an era is 400 years, 146,097 days. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (unsigned)((int64_t)year_of_era + era * 400 + (*month <= 2));
}

static char *put(char *p, unsigned v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + digits;
}

size_t instant_print(int64_t ms, char out[INSTANT_CHARS])
{
    const int64_t first = -62167219200000, last = 253402300799999; /* years 0 to 9999 */
    ms = ms < first ? first : ms > last ? last : ms;
    int64_t s = ms / 1000 - (ms % 1000 < 0);
    unsigned milli = (unsigned)(ms - s * 1000);
    int64_t days = s / DAY_S - (s % DAY_S < 0);
    unsigned of_day = (unsigned)(s - days * DAY_S);
    unsigned year, month, day;
    date_of(days, &year, &month, &day);
    char *p = put(out, year, 4);
    *p++ = '-';
    p = put(p, month, 2);
    *p++ = '-';
    p = put(p, day, 2);
    *p++ = 'T';
    p = put(p, of_day / 3600, 2);
    *p++ = ':';
    p = put(p, of_day / 60 % 60, 2);
    *p++ = ':';
    p = put(p, of_day % 60, 2);
    *p++ = '.';
    p = put(p, milli, 3);
    *p++ = 'Z';
    *p = 0;
    return (size_t)(p - out);
}

/* What is still to be read; `bad` sticks. */
struct rest {
    const char *p, *end;
    bool bad;
};

static char take(struct rest *r)
{
    if (r->p == r->end) {
        r->bad = true;
        return 0;
    }
    return *r->p++;
}

static void expect(struct rest *r, const char *any)
{
    char c = take(r);
    if (c == 0 || !strchr(any, c))
        r->bad = true;
}

static unsigned number(struct rest *r, int digits, unsigned most)
{
    unsigned v = 0;
    for (int i = 0; i < digits; i++) {
        char c = take(r);
        if (c < '0' || c > '9')
            r->bad = true;
        else
            v = v * 10 + (unsigned)(c - '0');
    }
    if (v > most)
        r->bad = true;
    return v;
}

/* Any number of digits behind a point; the milliseconds. What comes after them is cut. */
static unsigned fraction(struct rest *r)
{
    unsigned v = 0;
    int digits = 0;
    if (r->p == r->end || *r->p != '.')
        return 0;
    for (r->p++; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        if (digits++ < 3)
            v = v * 10 + (unsigned)(*r->p - '0');
    if (digits == 0)
        r->bad = true;
    for (; digits < 3; digits++)
        v *= 10;
    return v;
}

/* Seconds that local time is ahead of UTC. */
static int64_t zone(struct rest *r)
{
    char c = take(r);
    if (c == 'Z' || c == 'z')
        return 0;
    if (c != '+' && c != '-')
        r->bad = true;
    unsigned hours = number(r, 2, 23);
    expect(r, ":");
    int64_t ahead = hours * 3600 + number(r, 2, 59) * 60;
    return c == '-' ? -ahead : ahead;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool instant_parse(struct text t, int64_t *ms)
{
    if (!t.p)
        return false;
    struct rest r = {t.p, t.p + t.n, false};
    unsigned year = number(&r, 4, 9999);
    expect(&r, "-");
    unsigned month = number(&r, 2, 12);
    expect(&r, "-");
    unsigned day = number(&r, 2, 31);
    expect(&r, "Tt ");
    unsigned hour = number(&r, 2, 23);
    expect(&r, ":");
    unsigned minute = number(&r, 2, 59);
    expect(&r, ":");
    unsigned second = number(&r, 2, 60);
    unsigned milli = fraction(&r);
    int64_t ahead = zone(&r);
    if (r.bad || r.p != r.end || month == 0 || day == 0 || day > month_days(year, month))
        return false;
    if (second == 60)
        milli = 0; /* our clock has no leap second: all of it is one moment */
    int64_t s = days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - ahead;
    *ms = s * 1000 + milli;
    return true;
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0)
        abort();
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool instant_parse_date(struct text t, int64_t *ms)
{
    static const char midnight[] = "T00:00:00Z";
    enum { DATE = 10 };
    char day[DATE + sizeof midnight];
    if (instant_parse(t, ms))
        return true;
    if (t.n != DATE)
        return false;
    memcpy(day, t.p, DATE);
    memcpy(day + DATE, midnight, sizeof midnight);
    return instant_parse(text_of(day), ms);
}

int64_t instant_now(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t instant_ticks(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}
