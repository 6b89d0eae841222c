#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "usage/specification.h"

#include "arena_scene.h"

static const char *changed(const char *before, const char *after)
{
    struct specification x = {.document = text_of(before)}, y = {.document = text_of(after)};
    return specification_changed(&x, &y, a);
}

static void names_stand_in_the_order_of_the_model_and_extensions_behind(void **state)
{
    (void)state;
    assert_string_equal(
        changed("{\"y\":1,\"x\":1,\"@type\":\"A\",\"version\":\"1\",\"name\":\"n\"}",
                "{\"z\":2,\"x\":2,\"isBundle\":true,\"name\":\"m\",\"@type\":\"B\"}"),
        "name,version,isBundle,@type,y,x,z");
}

static void what_says_the_same_is_no_change(void **state)
{
    (void)state;
    assert_string_equal(changed("{\"name\":\"n\",\"x\":{\"a\":[1,null]}}",
                                "{ \"x\" : { \"\\u0061\" : [ 1, null ] }, \"name\":\"n\" }"),
                        "");
    assert_string_equal(
        changed("{\"relatedParty\":[{\"id\":\"p\",\"@referredType\":\"C\"}],\"x\":1.50}",
                "{\"x\":1.5,\"relatedParty\":[{\"@referredType\":\"C\",\"id\":\"p\"}]}"),
        "");
    assert_string_equal(changed("{\"x\":[1,2]}", "{\"x\":[2,1]}"), "x");
    assert_string_equal(changed("{\"name\":\"n\",\"x\":1}", "{\"name\":\"n\",\"x\":2}"), "x");
    assert_string_equal(changed("{\"name\":\"n\"}", "{\"name\":\"n\",\"x\":{}}"), "x");
    assert_string_equal(changed("{\"name\":\"n\",\"x\":{}}", "{\"name\":\"n\"}"), "x");
    assert_string_equal(changed("{\"\":1}", "{\"\":2}"), "\"\"");
    assert_string_equal(changed("{\"name\":\"n\"}", "{\"\":1,\"x\":2}"), "name,\"\",x");
}

static void add_members(struct buf *b, const char *last)
{
    enum { MEMBERS = 50000 }; /* each with each would be 2.5 * 10^9 */
    buf_str(b, "{\"name\":\"n\"");
    for (int i = 0; i < MEMBERS; i++)
        buf_printf(b, ",\"x%d\":%d", i, i);
    buf_printf(b, ",%s}", last);
}

static void many_extensions_are_compared_in_little_time(void **state)
{
    (void)state;
    struct buf before = {0}, after = {0};
    add_members(&before, "\"version\":\"1\",\"y\":1");
    add_members(&after, "\"version\":\"2\",\"z\":1");

    assert_string_equal(changed(buf_text(&before), buf_text(&after)), "version,y,z");

    buf_fini(&before);
    buf_fini(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_stand_in_the_order_of_the_model_and_extensions_behind,
                                        start, end),
        cmocka_unit_test_setup_teardown(what_says_the_same_is_no_change, start, end),
        cmocka_unit_test_setup_teardown(many_extensions_are_compared_in_little_time, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
