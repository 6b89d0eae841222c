#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/jsonw.h"

static void commas_stand_between_items_and_nowhere_else(void **state)
{
    (void)state;
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);

    jsonw_object(&w);
    jsonw_key(&w, "a");
    jsonw_array(&w);
    jsonw_end(&w);
    jsonw_key(&w, "b");
    jsonw_array(&w);
    jsonw_integer(&w, 1);
    jsonw_object(&w);
    jsonw_end(&w);
    jsonw_null(&w);
    jsonw_end(&w);
    jsonw_member(&w, TEXT("c\"d"));
    jsonw_truth(&w, true);
    jsonw_end(&w);

    assert_string_equal(buf_text(&b), "{\"a\":[],\"b\":[1,{},null],\"c\\\"d\":true}");
    buf_fini(&b);
}

static void text_is_escaped_where_json_needs_it_at_every_position(void **state)
{
    (void)state;
    static const struct {
        char c;
        const char *escaped;
    } rows[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"},     {'\t', "\\t"},    {'\r', "\\r"},
                {'\b', "\\b"}, {'\f', "\\f"},  {0x01, "\\u0001"}, {0x1f, "\\u001f"}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
        for (size_t at = 0; at < 20; at++) {
            char plain[21], expected[64];
            memset(plain, 'x', 20);
            plain[at] = rows[row].c;
            snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)at, plain, rows[row].escaped,
                     (int)(19 - at), plain + at + 1);
            struct buf b = {0};
            struct jsonw w = jsonw_start(&b);

            jsonw_text(&w, (struct text){plain, 20});

            assert_string_equal(buf_text(&b), expected);
            buf_fini(&b);
        }
}

static void other_characters_stay_as_they_are(void **state)
{
    (void)state;
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);

    jsonw_text(&w, TEXT("计费 \x7f /<>& é 😀 and some more to fill words"));

    assert_string_equal(buf_text(&b), "\"计费 \x7f /<>& é 😀 and some more to fill words\"");
    buf_fini(&b);
}

static void numbers_keep_their_digits(void **state)
{
    (void)state;
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);

    jsonw_array(&w);
    jsonw_integer(&w, INT64_MIN);
    jsonw_integer(&w, INT64_MAX);
    jsonw_integer(&w, 0);
    jsonw_real(&w, 300.0);
    jsonw_real(&w, 0.1);
    jsonw_decimal(&w, (struct decimal){60, 2});
    jsonw_decimal(&w, (struct decimal){-5, 3});
    jsonw_end(&w);

    assert_string_equal(buf_text(&b),
                        "[-9223372036854775808,9223372036854775807,0,300.0,0.1,0.60,-0.005]");
    buf_fini(&b);
}

static void an_instant_has_milliseconds_and_z(void **state)
{
    (void)state;
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);

    jsonw_instant(&w, 1795421730000);

    assert_string_equal(buf_text(&b), "\"2026-11-23T08:15:30.000Z\"");
    buf_fini(&b);
}

static void an_absent_or_empty_optional_text_leaves_no_key(void **state)
{
    (void)state;
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);

    jsonw_object(&w);
    jsonw_optional(&w, "a", (struct text){0});
    jsonw_optional(&w, "b", TEXT(""));
    jsonw_optional(&w, "c", TEXT("x"));
    jsonw_end(&w);

    assert_string_equal(buf_text(&b), "{\"c\":\"x\"}");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_items_and_nowhere_else),
        cmocka_unit_test(text_is_escaped_where_json_needs_it_at_every_position),
        cmocka_unit_test(other_characters_stay_as_they_are),
        cmocka_unit_test(numbers_keep_their_digits),
        cmocka_unit_test(an_instant_has_milliseconds_and_z),
        cmocka_unit_test(an_absent_or_empty_optional_text_leaves_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
