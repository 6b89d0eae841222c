#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/instant.h"

static void assert_prints(int64_t ms, const char *expected)
{
    char out[INSTANT_CHARS];
    size_t n = instant_print(ms, out);

    assert_string_equal(out, expected);
    assert_int_equal(n, strlen(expected));
}

static void an_instant_prints_with_milliseconds_and_z(void **state)
{
    (void)state;

    assert_prints(1795421730250, "2026-11-23T08:15:30.250Z");
    assert_prints(0, "1970-01-01T00:00:00.000Z");
    assert_prints(-1, "1969-12-31T23:59:59.999Z");
    assert_prints(951782400000, "2000-02-29T00:00:00.000Z");
    assert_prints(INT64_MIN, "0000-01-01T00:00:00.000Z");
    assert_prints(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void rfc_3339_is_read_with_any_offset_and_fraction(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"2026-11-23T08:15:30.250Z", 1795421730250},
                 {"2026-11-23t08:15:30.25z", 1795421730250},
                 {"2026-11-23 16:15:30.250+08:00", 1795421730250},
                 {"2026-11-23T02:45:30.250999999999999-05:30", 1795421730250},
                 {"2026-11-23T08:15:30Z", 1795421730000},
                 {"1969-12-31T23:59:59.9999Z", -1},
                 {"2016-12-31T23:59:60Z", 1483228800000},
                 {"2016-12-31T23:59:60.9Z", 1483228800000},
                 {"1970-01-01T00:00:00-00:00", 0},
                 {"2000-02-29T00:00:00Z", 951782400000},
                 {"0000-01-01T00:00:00Z", -62167219200000},
                 {"9999-12-31T23:59:59.999Z", 253402300799999}};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 0;
        if (!instant_parse(text_of(cases[i].text), &ms))
            fail_msg("%s was refused", cases[i].text);
        assert_true(ms == cases[i].ms);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-23",
                                      "2026-11-23T08:15:30",
                                      "2026-11-23T08:15Z",
                                      "2026-11-23T08:15:30.Z",
                                      "2026-11-23T08:15:30,5Z",
                                      "2026-11-23T08:15:30+0800",
                                      "2026-11-23T08:15:30+24:00",
                                      "2026-11-23T08:15:30+08:60",
                                      "2026-11-23T08:15:30Zz",
                                      " 2026-11-23T08:15:30Z",
                                      "2026-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-00-10T00:00:00Z",
                                      "2026-13-10T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:61Z",
                                      "2026-1-01T00:00:00Z",
                                      "+2026-01-01T00:00:00Z",
                                      "20260101T000000Z"};
    int64_t ms;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (instant_parse(text_of(bad[i]), &ms))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_false(instant_parse((struct text){NULL, 0}, &ms));
    assert_false(instant_parse((struct text){"2026-11-23T08:15:30Z\0", 21}, &ms));
}

static void every_day_prints_as_the_c_library_has_it_and_reads_back(void **state)
{
    (void)state;

    for (int64_t day = -719528; day < 2932896; day += 13) { /* years 0 to 9999 */
        char expected[64], out[INSTANT_CHARS];
        time_t s = day * 86400 + 43210;
        struct tm tm;
        gmtime_r(&s, &tm);
        int64_t back;

        instant_print(s * 1000 + 7, out);

        strftime(expected, sizeof expected, "-%m-%dT%H:%M:%S.007Z", &tm);
        assert_string_equal(out + 4, expected);
        assert_true(instant_parse(text_of(out), &back));
        assert_true(back == s * 1000 + 7);
    }
}

static void a_date_alone_is_its_first_moment(void **state)
{
    (void)state;
    int64_t ms, whole;
    static const char *const bad[] = {"2026-11-2",   "2026-11-234", "2026-13-01",
                                      "2026-11-23T", "yesterday!",  ""};

    assert_true(instant_parse_date(TEXT("2026-11-23"), &ms));
    assert_true(instant_parse(TEXT("2026-11-23T00:00:00Z"), &whole) && ms == whole);
    assert_true(instant_parse_date(TEXT("2026-11-23T01:30:00+01:30"), &ms) && ms == whole);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(instant_parse_date(text_of(bad[i]), &ms));
    assert_false(instant_parse_date((struct text){NULL, 0}, &ms));
}

static void the_clocks_are_in_milliseconds(void **state)
{
    (void)state;

    time_t before = time(NULL);
    int64_t now = instant_now(), ticks = instant_ticks();

    assert_true(now / 1000 >= before && now / 1000 <= time(NULL) + 1);
    assert_true(instant_ticks() - ticks < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_prints_with_milliseconds_and_z),
        cmocka_unit_test(rfc_3339_is_read_with_any_offset_and_fraction),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(every_day_prints_as_the_c_library_has_it_and_reads_back),
        cmocka_unit_test(a_date_alone_is_its_first_moment),
        cmocka_unit_test(the_clocks_are_in_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
