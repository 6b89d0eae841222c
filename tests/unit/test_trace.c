#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "usage/trace.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void a_parent_has_the_form_of_its_version(void **state)
{
    (void)state;
    static const char *const good[] = {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00",
                                       "cc-" TRACE "-" PARENT "-01",
                                       "01-" TRACE "-" PARENT "-01-x"};
    static const char *const bad[] = {"",
                                      "00",
                                      "00-" TRACE "-" PARENT "-0",
                                      "00-" TRACE "-" PARENT "-01-x",
                                      "01-" TRACE "-" PARENT "-01x",
                                      "01-" TRACE "-" PARENT "-01-\r\nX: y",
                                      "ff-" TRACE "-" PARENT "-01",
                                      "00-" TRACE "-" PARENT "-0G",
                                      "00-0AF7651916cd43dd8448eb211c80319c-" PARENT "-01",
                                      "00-00000000000000000000000000000000-" PARENT "-01",
                                      "00-" TRACE "-0000000000000000-01",
                                      "00_" TRACE "_" PARENT "_01",
                                      " 00-" TRACE "-" PARENT "-01"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(trace_is_parent(text_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(trace_is_parent(text_of(bad[i])));
}

static void a_parent_is_not_read_behind_its_end(void **state)
{
    (void)state;
    const char *text = "00-" TRACE "-" PARENT "-01";
    for (size_t n = 0; n < strlen(text); n++)
        assert_false(trace_is_parent((struct text){text, n}));
    assert_false(trace_is_parent((struct text){NULL, 0}));
}

static void a_state_is_printable_and_not_long(void **state)
{
    (void)state;
    char longest[TRACE_STATE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[1] = '=';
    assert_true(trace_is_state(TEXT("congo=t61rcWkgMzE, rojo=00f067aa0ba902b7")));
    assert_true(trace_is_state((struct text){longest, TRACE_STATE_MAX}));
    assert_false(trace_is_state((struct text){longest, TRACE_STATE_MAX + 1}));
    assert_false(trace_is_state(TEXT("")));
    assert_false(trace_is_state(TEXT("congo")));
    assert_false(trace_is_state(TEXT("a=b\r\nX: y")));
    assert_false(trace_is_state(TEXT("a=\xc3\xa4")));
    assert_false(trace_is_state(TEXT("a=b\0c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_has_the_form_of_its_version),
        cmocka_unit_test(a_parent_is_not_read_behind_its_end),
        cmocka_unit_test(a_state_is_printable_and_not_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
