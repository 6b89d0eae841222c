#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json_line.h"
#include "base/json_merge.h"
#include "base/jsonr.h"

#include "arena_scene.h"

static const char *merged(const char *target, const char *patch)
{
    struct buf b = {0};
    bool ok = json_merge(text_of(target), text_of(patch), a, &b);
    if (!ok)
        assert_int_equal(b.len, 0);
    const char *text = ok ? arena_copy(a, b.data, b.len) : "(refused)";
    buf_fini(&b);
    return text;
}

struct row {
    const char *target, *patch, *expected;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_string_equal(merged(rows[i].target, rows[i].patch), rows[i].expected);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows)[0])

static void every_example_of_rfc_7396_comes_out(void **state)
{
    (void)state;
    static const struct row appendix_a[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    CHECK(appendix_a);
    assert_string_equal(
        merged("{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
               "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
               "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{"
               "\"familyName\":null},\"tags\":[\"example\"]}"),
        "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
        "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}");
}

static void what_is_kept_stays_byte_for_byte(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {" { \"a\" : 0.60 , \"\\u0062\\n\" :[ 1e400, {\"x\": null} ]}\n", "{\"c\" : 1.50}",
         "{\"a\":0.60,\"\\u0062\\n\":[ 1e400, {\"x\": null} ],\"c\":1.50}"},
        {"{\"a\":1}", "{\"a\":-0.0e+1}", "{\"a\":-0.0e+1}"},
        {"{\"a\":{ \"b\" : 1 }}", "{}", "{\"a\":{ \"b\" : 1 }}"},
        {"{\"a\":1}", "{\"a\":[ null, {\"b\":null} ]}", "{\"a\":[ null, {\"b\":null} ]}"},
        {"{}", "{\"\\\"}\" : \"{\\\"\\\\\"}", "{\"\\\"}\":\"{\\\"\\\\\"}"},
    };
    CHECK(rows);
}

static void a_key_is_the_same_however_it_is_written(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"ab\":1,\"c\":2}", "{\"\\u0061b\":null}", "{\"c\":2}"},
        {"{\"\\u0061b\":1}", "{\"ab\":2}", "{\"\\u0061b\":2}"},
        {"{\"a\":1,\"ab\":2,\"\":3}", "{\"\":null,\"ab\":4}", "{\"a\":1,\"ab\":4}"},
    };
    CHECK(rows);
}

static void new_members_stand_behind_in_the_order_of_the_patch(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"m\":1,\"b\":2}", "{\"z\":1,\"b\":3,\"a\":2,\"y\":null,\"c\":{}}",
         "{\"m\":1,\"b\":3,\"z\":1,\"a\":2,\"c\":{}}"},
        {"", "{\"b\":{\"y\":1,\"x\":null,\"w\":2},\"a\":1}", "{\"b\":{\"y\":1,\"w\":2},\"a\":1}"},
    };
    CHECK(rows);
}

static void of_a_key_that_is_twice_in_the_patch_the_last_counts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"a\":1}", "{\"a\":2,\"a\":3}", "{\"a\":3}"},
        {"{\"a\":1}", "{\"a\":2,\"a\":null}", "{}"},
        {"{}", "{\"a\":2,\"b\":1,\"a\":{\"c\":3},\"\\u0061\":4}", "{\"b\":1,\"\\u0061\":4}"},
        {"{\"a\":1,\"a\":{\"b\":2}}", "{\"a\":{\"c\":3}}",
         "{\"a\":{\"c\":3},\"a\":{\"b\":2,\"c\":3}}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":null}", "{}"},
    };
    CHECK(rows);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"{", "{\"a\":}", "1 2", "{\"a\":\"\\ud800\"}", "nul"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(merged("{}", rows[i]), "(refused)");
        assert_string_equal(merged(rows[i], "{}"), "(refused)");
        assert_string_equal(merged(rows[i], "1"), "(refused)");
    }
    assert_string_equal(merged("{}", ""), "(refused)");
}

/* {"a":{"a": ... value ... }} */
static char *nested(int levels, const char *value)
{
    struct buf b = {0};
    for (int i = 0; i < levels; i++)
        buf_str(&b, "{\"a\":");
    buf_str(&b, value);
    for (int i = 0; i < levels; i++)
        buf_byte(&b, '}');
    char *text = arena_copy(a, b.data, b.len);
    buf_fini(&b);
    return text;
}

static void the_depth_is_bounded_and_no_merge_adds_to_it(void **state)
{
    (void)state;
    const char *deepest = nested(JSONR_DEPTH_MAX, "1"), *deeper = nested(JSONR_DEPTH_MAX + 1, "1");

    assert_string_equal(merged(deepest, nested(JSONR_DEPTH_MAX, "2")),
                        nested(JSONR_DEPTH_MAX, "2"));
    assert_string_equal(merged("{}", deepest), deepest);
    assert_string_equal(merged(deepest, "{}"), deepest);
    assert_string_equal(merged(deeper, "{}"), "(refused)");
    assert_string_equal(merged("{}", deeper), "(refused)");
}

static void many_members_are_merged_in_little_time(void **state)
{
    (void)state;
    struct buf target = {0}, patch = {0}, out = {0};
    enum { MEMBERS = 100000 }; /* each with each would be 10^10 */
    for (int i = 0; i < MEMBERS; i++) {
        buf_printf(&target, "%c\"t%d\":%d", i ? ',' : '{', i, i);
        buf_printf(&patch, "%c\"%c%d\":null", i ? ',' : '{', i % 2 ? 't' : 'p', i);
    }
    buf_byte(&target, '}');
    buf_byte(&patch, '}');

    bool ok = json_merge((struct text){target.data, target.len},
                         (struct text){patch.data, patch.len}, a, &out);

    assert_true(ok);
    size_t commas = 0;
    for (size_t i = 0; i < out.len; i++)
        commas += out.data[i] == ',';
    assert_int_equal(commas, MEMBERS / 2 - 1);
    buf_fini(&target);
    buf_fini(&patch);
    buf_fini(&out);
}

static void json_is_brought_onto_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *json, *expected;
    } rows[] = {
        {"{ \"a\": 1 }", "{ \"a\": 1 }"},
        {"{ \"a b\\\\\":\n\t1 }", "{\"a b\\\\\":1}"},
        {"\"x\": 1,\r \"y \\\" \": [ 2 ]", "\"x\":1,\"y \\\" \":[2]"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(text_is(json_one_line(text_of(rows[i].json), a), rows[i].expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_example_of_rfc_7396_comes_out, start, end),
        cmocka_unit_test_setup_teardown(what_is_kept_stays_byte_for_byte, start, end),
        cmocka_unit_test_setup_teardown(a_key_is_the_same_however_it_is_written, start, end),
        cmocka_unit_test_setup_teardown(new_members_stand_behind_in_the_order_of_the_patch, start,
                                        end),
        cmocka_unit_test_setup_teardown(of_a_key_that_is_twice_in_the_patch_the_last_counts, start,
                                        end),
        cmocka_unit_test_setup_teardown(what_is_not_json_is_refused, start, end),
        cmocka_unit_test_setup_teardown(the_depth_is_bounded_and_no_merge_adds_to_it, start, end),
        cmocka_unit_test_setup_teardown(many_members_are_merged_in_little_time, start, end),
        cmocka_unit_test_setup_teardown(json_is_brought_onto_one_line, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
