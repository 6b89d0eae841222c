/* Usages that the sweep passes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "usage/store_sweep_passed.h"

static struct sweep_passed passed;
static struct err why;

static int begin(void **state)
{
    (void)state;
    memset(&passed, 0, sizeof passed);
    why = (struct err){.kind = ERR_RETRY, .state = "P0001", .text = "cursed"};
    log_set_level(LOG_ERROR);
    return 0;
}

static struct usage_id id(int n)
{
    struct usage_id made = {{0}};
    made.bytes[0] = (unsigned char)n;
    return made;
}

static bool add(int n, int64_t now)
{
    struct usage_id usage = id(n);
    return sweep_passed_add(&passed, &usage, now, &why);
}

/* The first bytes of those that are due, as text. */
static const char *due(int64_t now)
{
    static char text[SWEEP_PASSED_MAX * 4 + 1];
    struct usage_id ids[SWEEP_PASSED_MAX];
    size_t n = sweep_passed_due(&passed, now, ids), at = 0;
    text[0] = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", i ? " " : "", ids[i].bytes[0]);
    return text;
}

static bool is_of_usage(const char *state, int code)
{
    struct err err = {.kind = ERR_RETRY, .code = code};
    snprintf(err.state, sizeof err.state, "%s", state);
    return sweep_passed_is_of_usage(&err);
}

static void a_usage_is_due_after_half_a_minute_and_again_each_time(void **state)
{
    (void)state;
    add(1, 1000);

    assert_string_equal(due(1000 + SWEEP_PASSED_MS - 1), "");
    assert_string_equal(due(1000 + SWEEP_PASSED_MS), "1");
    assert_string_equal(due(1000 + SWEEP_PASSED_MS), "1");

    add(1, 50000);
    assert_int_equal(passed.count, 1);
    assert_string_equal(due(50000), "");
    assert_string_equal(due(50000 + SWEEP_PASSED_MS), "1");
}

static void they_are_ascending_whatever_the_order_of_their_coming(void **state)
{
    (void)state;
    const int order[] = {200, 3, 90, 1, 4, 255};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        assert_true(add(order[i], (int64_t)i));

    assert_string_equal(due(5 + SWEEP_PASSED_MS), "1 3 4 90 200 255");
    assert_string_equal(due(1 + SWEEP_PASSED_MS), "3 200");
}

static void what_was_swept_is_passed_over_no_more(void **state)
{
    (void)state;
    struct usage_id swept[] = {id(0), id(2), id(3), id(9)};
    for (int n = 1; n <= 5; n++)
        add(n, 0);

    sweep_passed_remove(&passed, swept, sizeof swept / sizeof swept[0]);

    assert_string_equal(due(SWEEP_PASSED_MS), "1 4 5");
    sweep_passed_remove(&passed, swept, 0);
    assert_int_equal(passed.count, 3);
}

static void too_many_are_not_passed_over_and_the_error_says_so(void **state)
{
    (void)state;
    for (int n = 0; n < SWEEP_PASSED_MAX; n++)
        assert_true(add(n, 0));

    assert_true(add(5, 7)); /* it is among them */
    assert_false(add(SWEEP_PASSED_MAX, 0));

    assert_int_equal(passed.count, SWEEP_PASSED_MAX);
    assert_non_null(strstr(why.text, "so it is not they: cursed"));
    assert_string_equal(why.state, "P0001");
}

static void only_what_is_neither_data_nor_the_database_is_of_a_usage(void **state)
{
    (void)state;
    const char *const of_usage[] = {"P0001", "UR001", "38000", "XX001", "23505", "21000"};
    const char *const of_database[] = {"",      "08006", "25006", "40001", "40P01", "42501",
                                       "53100", "55P03", "57P01", "57014", "58030"};
    for (size_t i = 0; i < sizeof of_usage / sizeof of_usage[0]; i++)
        assert_true(is_of_usage(of_usage[i], 0));
    for (size_t i = 0; i < sizeof of_database / sizeof of_database[0]; i++)
        assert_false(is_of_usage(of_database[i], 0));
    assert_false(is_of_usage("22003", 0));
    assert_false(is_of_usage("23502", 0));
    assert_false(is_of_usage("23514", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_usage_is_due_after_half_a_minute_and_again_each_time, begin),
        cmocka_unit_test_setup(they_are_ascending_whatever_the_order_of_their_coming, begin),
        cmocka_unit_test_setup(what_was_swept_is_passed_over_no_more, begin),
        cmocka_unit_test_setup(too_many_are_not_passed_over_and_the_error_says_so, begin),
        cmocka_unit_test_setup(only_what_is_neither_data_nor_the_database_is_of_a_usage, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
