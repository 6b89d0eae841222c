#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"

static struct decimal parsed(const char *s)
{
    struct decimal d;
    if (!decimal_parse(text_of(s), &d))
        fail_msg("\"%s\" is no decimal", s);
    return d;
}

static void assert_prints(struct decimal d, const char *expected)
{
    char out[DECIMAL_CHARS];
    size_t n = decimal_print(d, out);

    assert_string_equal(out, expected);
    assert_int_equal(n, strlen(expected));
}

static void a_number_keeps_the_places_it_was_written_with(void **state)
{
    static const char *const pairs[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"0.60", "0.60"},
        {"-0.6", "-0.6"},
        {"12.50", "12.50"},
        {"1e3", "1000"},
        {"1E+3", "1000"},
        {"1.5e1", "15"},
        {"1.50e1", "15.0"},
        {"1e-5", "0.00001"},
        {"0.000", "0.000"},
        {"0e99", "0"},
        {"-1.25e-1", "-0.125"},
        {"10e-1", "1.0"},
        {"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
        {"0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001"},
        {"-9.9999999999999999999999999999999999999", "-9.9999999999999999999999999999999999999"},
        {"1e37", "10000000000000000000000000000000000000"}};
    (void)state;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_prints(parsed(pairs[i][0]), pairs[i][1]);
}

static void only_numbers_of_json_within_38_digits_are_decimals(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "1x",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "--1",
                                      "1.2.3",
                                      "NaN",
                                      "Infinity",
                                      "1e38",
                                      "1e400",
                                      "1e-39",
                                      "1e99999999999999999999",
                                      "0.0e-99999999999",
                                      "-00",
                                      "100000000000000000000000000000000000000",
                                      "0.000000000000000000000000000000000000001",
                                      "12345678901234567890123456789012345678.9"};
    struct decimal d;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (decimal_parse(text_of(bad[i]), &d))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_false(decimal_parse((struct text){NULL, 0}, &d));
    assert_false(decimal_parse((struct text){"1\0", 2}, &d));
}

static void avros_bytes_are_big_endian_twos_complement_of_any_length(void **state)
{
    struct decimal d;
    unsigned char wide[40];
    (void)state;

    assert_true(decimal_from_be("", 0, 2, &d));
    assert_prints(d, "0.00");
    assert_true(decimal_from_be("\x3c", 1, 2, &d));
    assert_prints(d, "0.60");
    assert_true(decimal_from_be("\xff", 1, 0, &d));
    assert_prints(d, "-1");
    assert_true(decimal_from_be("\x00\x80", 2, 1, &d));
    assert_prints(d, "12.8");
    memset(wide, 0xff, sizeof wide);
    wide[39] = 0x00;
    assert_true(decimal_from_be(wide, sizeof wide, 0, &d));
    assert_prints(d, "-256");
}

static void bytes_with_more_than_38_digits_or_places_are_refused(void **state)
{
    static const unsigned char most[] = {0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a,
                                         0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff};
    unsigned char more[17];
    struct decimal d;
    (void)state;

    assert_true(decimal_from_be(most, 16, 38, &d));
    assert_prints(d, "0.99999999999999999999999999999999999999");
    memcpy(more, most, 16);
    memcpy(more + 11, "\x40\x00\x00\x00\x00", 5); /* 10^38 */
    assert_false(decimal_from_be(more, 16, 0, &d));
    memset(more, 0, sizeof more);
    more[1] = 0x80; /* 2^127 */
    assert_false(decimal_from_be(more, 17, 0, &d));
    more[0] = 1;
    assert_false(decimal_from_be(more, 17, 0, &d));
    assert_false(decimal_from_be("\x01", 1, 39, &d));
    assert_false(decimal_from_be("\x01", 1, -1, &d));
}

static void the_shortest_bytes_read_back_as_the_same_number(void **state)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "127",
                                          "128",
                                          "-128",
                                          "-129",
                                          "255",
                                          "256",
                                          "-256",
                                          "32767",
                                          "32768",
                                          "-32768",
                                          "9223372036854775808",
                                          "99999999999999999999999999999999999999",
                                          "-99999999999999999999999999999999999999"};
    static const size_t lengths[] = {1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 2, 3, 2, 9, 16, 16};
    (void)state;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        unsigned char bytes[16];
        struct decimal d = {0};
        size_t n = decimal_to_be(parsed(numbers[i]), bytes);
        assert_int_equal(n, lengths[i]);
        assert_true(decimal_from_be(bytes, n, 0, &d));
        assert_prints(d, numbers[i]);
    }
}

static void numbers_are_compared_by_value(void **state)
{
    static const char *const order[] = {"-99999999999999999999999999999999999999",
                                        "-1.5",
                                        "-1.4999999999999999999999999999999999999",
                                        "-0.00000000000000000000000000000000000001",
                                        "0.000",
                                        "0.00000000000000000000000000000000000001",
                                        "0.6",
                                        "0.61",
                                        "10",
                                        "99999999999999999999999999999999999999"};
    enum { N = sizeof order / sizeof *order };
    (void)state;

    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            assert_int_equal(decimal_compare(parsed(order[i]), parsed(order[k])),
                             (i > k) - (i < k));
    assert_int_equal(decimal_compare(parsed("0.60"), parsed("0.6")), 0);
    assert_int_equal(decimal_compare(parsed("-0.0"), parsed("0")), 0);
}

static void normal_form_has_no_zeros_at_the_end(void **state)
{
    (void)state;

    assert_prints(decimal_normal(parsed("0.60")), "0.6");
    assert_prints(decimal_normal(parsed("100.00")), "100");
    assert_prints(decimal_normal(parsed("100")), "100");
    assert_prints(decimal_normal(parsed("-0.000")), "0");
    assert_prints(decimal_normal(parsed("1234567890123456789012345678.5000000000")),
                  "1234567890123456789012345678.5");
}

static void rescaling_rounds_half_away_from_zero_and_never_overflows(void **state)
{
    struct decimal d;
    (void)state;

    assert_true(decimal_rescale(parsed("0.125"), 2, &d));
    assert_prints(d, "0.13");
    assert_true(decimal_rescale(parsed("-0.125"), 2, &d));
    assert_prints(d, "-0.13");
    assert_true(decimal_rescale(parsed("0.1249999"), 2, &d));
    assert_prints(d, "0.12");
    assert_true(decimal_rescale(parsed("0.4"), 0, &d));
    assert_prints(d, "0");
    assert_true(decimal_rescale(parsed("0.6"), 9, &d));
    assert_prints(d, "0.600000000");
    assert_false(decimal_rescale(parsed("1e37"), 1, &d));
    assert_false(decimal_rescale(parsed("10"), 38, &d));
    assert_false(decimal_rescale(parsed("1"), 39, &d));
    assert_true(decimal_rescale(parsed("0.99999999999999999999999999999999999999"), 0, &d));
    assert_prints(d, "1");
}

static void digits_are_counted_on_both_sides_of_the_point(void **state)
{
    (void)state;

    assert_int_equal(decimal_whole_digits(parsed("0.999")), 0);
    assert_int_equal(decimal_whole_digits(parsed("-1.0")), 1);
    assert_int_equal(decimal_whole_digits(parsed("12345678901234567890123456789.5")), 29);
    assert_int_equal(decimal_whole_digits(parsed("99999999999999999999999999999999999999")), 38);
    assert_int_equal(decimal_places(parsed("0.60")), 1);
    assert_int_equal(decimal_places(parsed("5.000")), 0);
    assert_int_equal(decimal_places(parsed("0.000000001")), 9);
}

static void a_double_is_the_shortest_decimal_that_reads_back(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.0, "0"},
                 {-0.0, "0"},
                 {0.1, "0.1"},
                 {300.0, "300"},
                 {-2.5, "-2.5"},
                 {1e22, "10000000000000000000000"},
                 {0.30000000000000004, "0.30000000000000004"},
                 {1.0 / 3, "0.3333333333333333"},
                 {123456789.123456, "123456789.123456"},
                 {1e-7, "0.0000001"},
                 {9007199254740993.0, "9007199254740992"}};
    struct decimal d;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(decimal_from_double(cases[i].v, &d));
        assert_prints(d, cases[i].text);
        assert_true(decimal_to_double(d) == cases[i].v);
    }
    assert_false(decimal_from_double(NAN, &d));
    assert_false(decimal_from_double(INFINITY, &d));
    assert_false(decimal_from_double(1e300, &d));
    assert_false(decimal_from_double(5e-324, &d));
}

static double random_double(void)
{
    static uint64_t seed = 4711;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t bits = seed ^ seed >> 29;
    double v;
    switch (seed >> 62) {
    case 0:
        memcpy(&v, &bits, sizeof v);
        return isfinite(v) ? v : 1.0;
    case 1:
        return (double)(int64_t)(bits % 2000000000000ull) / 1000 - 1e9;
    case 2:
        return (double)(bits % 1000000) / 100;
    default:
        return (double)(int64_t)bits * 1e-9;
    }
}

static void any_double_prints_as_a_real_of_json_and_reads_back(void **state)
{
    (void)state;

    for (int i = 0; i < 20000; i++) {
        double v = random_double();
        char out[32], plain[32];
        size_t n = double_print(v, out);

        assert_int_equal(n, strlen(out));
        assert_true(strtod(out, NULL) == v);
        assert_non_null(strpbrk(out, ".e"));
        snprintf(plain, sizeof plain, "%.15g", v);
        if (strtod(plain, NULL) == v) /* then it is the shortest, and must be the one */
            assert_memory_equal(out, plain, strlen(plain));
        struct decimal d;
        if (decimal_from_double(v, &d))
            assert_true(decimal_to_double(d) == v);
    }
}

static void doubles_of_few_digits_print_no_more_of_them(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{5e-324, "5e-324"},
                 {-1e-323, "-1e-323"},
                 {1.5e-310, "1.5e-310"},
                 {0x1p-1022, "2.2250738585072014e-308"},
                 {0x1p-1023, "1.1125369292536007e-308"},
                 {0x1p-24, "5.960464477539063e-08"}, /* nearer, but not back: ...062e-08 */
                 {-0x1p-44, "-5.684341886080802e-14"},
                 {0x1p-140, "7.174648137343064e-43"},
                 {0x1p-791, "7.678447687145631e-239"},
                 {0x1p89, "6.189700196426902e+26"},
                 {0x1p976, "6.386688990511104e+293"},
                 {0x1p53, "9007199254740992.0"},
                 {0x1p1023, "8.98846567431158e+307"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"}};
    char out[32];
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double_print(cases[i].v, out);
        assert_string_equal(out, cases[i].text);
    }
    for (int power = -1074; power < 1024; power++) {
        double_print(ldexp(1, power), out);
        assert_true(strtod(out, NULL) == ldexp(1, power));
    }
}

static void a_whole_double_still_looks_like_a_real(void **state)
{
    char out[32];
    (void)state;

    double_print(300.0, out);
    assert_string_equal(out, "300.0");
    double_print(-0.0, out);
    assert_string_equal(out, "-0.0");
    double_print(0.0, out);
    assert_string_equal(out, "0.0");
    double_print(1e300, out);
    assert_string_equal(out, "1e+300");
    double_print(123456789012345680.0, out);
    assert_string_equal(out, "1.2345678901234568e+17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_keeps_the_places_it_was_written_with),
        cmocka_unit_test(only_numbers_of_json_within_38_digits_are_decimals),
        cmocka_unit_test(avros_bytes_are_big_endian_twos_complement_of_any_length),
        cmocka_unit_test(bytes_with_more_than_38_digits_or_places_are_refused),
        cmocka_unit_test(the_shortest_bytes_read_back_as_the_same_number),
        cmocka_unit_test(numbers_are_compared_by_value),
        cmocka_unit_test(normal_form_has_no_zeros_at_the_end),
        cmocka_unit_test(rescaling_rounds_half_away_from_zero_and_never_overflows),
        cmocka_unit_test(digits_are_counted_on_both_sides_of_the_point),
        cmocka_unit_test(a_double_is_the_shortest_decimal_that_reads_back),
        cmocka_unit_test(any_double_prints_as_a_real_of_json_and_reads_back),
        cmocka_unit_test(doubles_of_few_digits_print_no_more_of_them),
        cmocka_unit_test(a_whole_double_still_looks_like_a_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
