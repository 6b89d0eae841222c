#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "app/storm.h"

static char counts[STORM_COUNTS];
static uint64_t total;

static enum storm_line due(struct storm *s, int64_t now)
{
    return storm_due(s, now, false, counts, &total);
}

static void a_single_dead_letter_is_one_line(void **state)
{
    (void)state;
    struct storm s = {0};
    storm_add(&s, REASON_VALUE, 1, 1000);

    assert_int_equal(due(&s, 1000), STORM_GOES_ON);
    assert_string_equal(counts, "value=1");
    assert_int_equal(total, 1);

    for (int64_t now = 1500; now < 200000; now += 500)
        assert_int_equal(due(&s, now), STORM_SILENT);
}

static void a_storm_is_a_line_at_first_one_a_minute_and_one_at_its_end(void **state)
{
    (void)state;
    struct storm s = {0};
    int goes_on = 0, ended = 0;
    for (int64_t now = 1; now < 400000; now += 100) {
        if (now < 150000)
            storm_add(&s, REASON_FRAMING, 10, now);
        enum storm_line line = due(&s, now);
        goes_on += line == STORM_GOES_ON;
        ended += line == STORM_HAS_ENDED;
    }

    assert_int_equal(goes_on, 3);
    assert_int_equal(ended, 1);
    assert_int_equal(total, 15000);
}

static void each_line_has_what_no_line_had_before(void **state)
{
    (void)state;
    struct storm s = {0};
    storm_add(&s, REASON_FRAMING, 2, 1000);
    storm_add(&s, REASON_VALUE, 3, 1000);
    assert_int_equal(due(&s, 1000), STORM_GOES_ON);
    assert_string_equal(counts, "framing=2 value=3");

    storm_add(&s, REASON_FRAMING, 400, 2000);
    assert_int_equal(due(&s, 2000), STORM_SILENT);
    assert_int_equal(due(&s, 2000 + STORM_QUIET_MS), STORM_HAS_ENDED);

    assert_string_equal(counts, "framing=400");
    assert_int_equal(total, 405);
}

static void a_reason_that_is_new_is_said_at_once(void **state)
{
    (void)state;
    struct storm s = {0};
    storm_add(&s, REASON_FRAMING, 1, 1000);
    assert_int_equal(due(&s, 1000), STORM_GOES_ON);

    storm_add(&s, REASON_TEXT, 1, 1100);

    assert_int_equal(due(&s, 1100), STORM_GOES_ON);
    assert_string_equal(counts, "text=1");
}

static void one_every_few_seconds_is_no_line_each(void **state)
{
    (void)state;
    struct storm s = {0};
    int lines = 0;
    for (int64_t now = 1; now < 600000; now += 500) {
        if (now % 15000 == 1)
            storm_add(&s, REASON_DATE, 1, now);
        lines += due(&s, now) != STORM_SILENT;
    }

    assert_in_range(lines, 9, 11);
}

static void at_the_end_of_the_process_nothing_is_left_unsaid(void **state)
{
    (void)state;
    struct storm s = {0};
    storm_add(&s, REASON_DATE, 1, 1000);
    assert_int_equal(due(&s, 1000), STORM_GOES_ON);
    storm_add(&s, REASON_DATE, 6, 1200);

    assert_int_equal(storm_due(&s, 1300, true, counts, &total), STORM_HAS_ENDED);

    assert_string_equal(counts, "date=6");
    assert_int_equal(total, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_dead_letter_is_one_line),
        cmocka_unit_test(a_storm_is_a_line_at_first_one_a_minute_and_one_at_its_end),
        cmocka_unit_test(each_line_has_what_no_line_had_before),
        cmocka_unit_test(a_reason_that_is_new_is_said_at_once),
        cmocka_unit_test(one_every_few_seconds_is_no_line_each),
        cmocka_unit_test(at_the_end_of_the_process_nothing_is_left_unsaid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
