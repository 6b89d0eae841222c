#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/http_accept.h"

static const char *const types[] = {"application/json", "text/csv", "application/x-ndjson"};
enum { JSON, CSV, NDJSON, TYPES };

static int liked(const char *first, const char *second)
{
    struct http_field fields[] = {{TEXT("Host"), TEXT("t")},
                                  {TEXT("accept"), text_of(first)},
                                  {TEXT("Accept"), text_of(second)}};
    struct http_request request = {.fields = fields, .field_count = second ? 3 : first ? 2 : 1};
    return http_accept(&request, types, TYPES);
}

static void the_first_type_is_for_who_does_not_say(void **state)
{
    (void)state;
    assert_int_equal(liked(NULL, NULL), JSON);
    assert_int_equal(liked("", NULL), JSON);
    assert_int_equal(liked("*/*", NULL), JSON);
    assert_int_equal(liked("application/json;charset=utf-8", NULL), JSON);
}

static void it_is_for_who_takes_none_of_them(void **state)
{
    (void)state;
    static const char *const strange[] = {"text/html", "image/*",      "text",
                                          "text/csvx", "text/cs",      "/",
                                          ",;,=",      "text/csv;q=0", "application/jsonx"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_int_equal(liked(strange[i], NULL), JSON);
}

static void a_type_is_found_in_a_list_in_any_case_and_with_parameters(void **state)
{
    (void)state;
    assert_int_equal(liked("text/csv", NULL), CSV);
    assert_int_equal(liked("Text/CSV; header=present ; charset=utf-8", NULL), CSV);
    assert_int_equal(liked("text/html ,\t application/x-ndjson", NULL), NDJSON);
    assert_int_equal(liked("text/html", "application/x-ndjson"), NDJSON);
    assert_int_equal(liked("text/*", NULL), CSV);
    assert_int_equal(liked("application/*", NULL), JSON);
}

static void the_higher_quality_wins(void **state)
{
    (void)state;
    assert_int_equal(liked("application/json;q=0.5, text/csv;q=0.6", NULL), CSV);
    assert_int_equal(liked("application/json;q=0.601, text/csv;q=0.6", NULL), JSON);
    assert_int_equal(liked("text/csv ; q=0.1 , application/x-ndjson;Q=0.2", NULL), NDJSON);
    assert_int_equal(liked("text/csv;q=0.1, */*;q=0.2", NULL), JSON);
    assert_int_equal(liked("application/json;q=0, */*", NULL), CSV);
    assert_int_equal(liked("text/csv;q=1.000, application/json;q=0.999", NULL), CSV);
}

static void of_two_alike_the_one_that_is_named_wins_and_then_the_first(void **state)
{
    (void)state;
    assert_int_equal(liked("text/csv, */*", NULL), CSV);
    assert_int_equal(liked("*/*, application/x-ndjson", NULL), NDJSON);
    assert_int_equal(liked("application/x-ndjson, text/*", NULL), NDJSON);
    assert_int_equal(liked("text/csv, application/json", NULL), JSON);
    assert_int_equal(liked("application/x-ndjson;q=0.5, text/csv;q=0.5", NULL), CSV);
}

static void the_more_exact_range_says_how_much_a_type_is_liked(void **state)
{
    (void)state;
    assert_int_equal(liked("text/*;q=0.9, text/csv;q=0.1, application/json;q=0.5", NULL), JSON);
    assert_int_equal(liked("text/csv;q=0.1, text/*;q=0.9, application/json;q=0.5", NULL), JSON);
    assert_int_equal(liked("*/*;q=0, application/x-ndjson;q=0.001", NULL), NDJSON);
}

static void what_is_no_quality_does_no_harm(void **state)
{
    (void)state;
    static const char *const odd[] = {"text/csv;q=",   "text/csv;q=x", "text/csv;q=2",
                                      "text/csv;q=-1", "text/csv;q",   "text/csv;q=1.5"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_int_equal(liked(odd[i], NULL), CSV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_type_is_for_who_does_not_say),
        cmocka_unit_test(it_is_for_who_takes_none_of_them),
        cmocka_unit_test(a_type_is_found_in_a_list_in_any_case_and_with_parameters),
        cmocka_unit_test(the_higher_quality_wins),
        cmocka_unit_test(of_two_alike_the_one_that_is_named_wins_and_then_the_first),
        cmocka_unit_test(the_more_exact_range_says_how_much_a_type_is_liked),
        cmocka_unit_test(what_is_no_quality_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
