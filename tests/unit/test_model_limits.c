#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model_scene.h"

/* A body with a text of n bytes, made of `unit` again and again, between `before` and `behind`. */
static struct text with_text(const char *before, size_t n, const char *unit, const char *behind)
{
    struct buf b = {0};
    buf_str(&b, before);
    for (size_t i = 0; i < n; i += strlen(unit))
        buf_str(&b, unit);
    buf_str(&b, behind);
    struct text t = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    return t;
}

static void lengths_count_bytes_and_end_where_the_contract_says(void **state)
{
    (void)state;
    static const struct {
        const char *before, *behind, *path;
        size_t most;
    } rows[] = {
        {"{\"usageSpecification\":{\"id\":\"", "\"}}", "usageSpecification.id", 256},
        {"{\"usageSpecification\":{\"id\":\"x\",\"name\":\"", "\"}}", "usageSpecification.name",
         256},
        {"{" SPEC ",\"usageType\":\"", "\"}", "usageType", 64},
        {"{" SPEC ",\"relatedParty\":[{\"@referredType\":\"C\",\"id\":\"", "\"}]}",
         "relatedParty[0].id", 256},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"x\",\"@referredType\":\"C\",\"role\":\"", "\"}]}",
         "relatedParty[0].role", 256},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"x\",\"@referredType\":\"C\",\"name\":\"", "\"}]}",
         "relatedParty[0].name", 256},
        {"{" SPEC ",\"description\":\"", "\"}", NULL, 100000},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"x\",\"@referredType\":\"", "\"}]}", NULL, 100000},
        {"{" SPEC ",\"usageCharacteristic\":[{\"value\":1,\"name\":\"", "\"}]}", NULL, 100000},
        {"{" SPEC ",\"ratedProductUsage\":[{\"productRef\":{\"id\":\"", "\"}}]}", NULL, 100000},
    };
    struct err err;
    char why[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const char *const units[] = {"a", "é", "😀"};
        for (size_t u = 0; u < 3; u++) {
            struct text fits = with_text(rows[i].before, rows[i].most, units[u], rows[i].behind);
            if (!takes_text(MODEL_USAGE_CREATE, fits, &err))
                fail_msg("row %zu: %s", i, err.text);
            if (!rows[i].path)
                continue;
            struct text longer =
                with_text(rows[i].before, rows[i].most + 1, units[u], rows[i].behind);
            assert_false(takes_text(MODEL_USAGE_CREATE, longer, &err));
            snprintf(why, sizeof why, "%s has %zu bytes, at most %zu are allowed: \"%s",
                     rows[i].path, rows[i].most + strlen(units[u]), rows[i].most, units[u]);
            if (strncmp(err.text, why, strlen(why)) != 0)
                fail_msg("row %zu: %s", i, err.text);
        }
    }
}

static void a_key_stands_once_in_its_object_at_any_depth(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"{" SPEC "," SPEC "}", "usageSpecification stands twice"},
        {"{" SPEC ",\"status\":\"rated\",\"st\\u0061tus\":\"rated\"}", "status stands twice"},
        {"{" SPEC ",\"x\":1,\"y\":2,\"x\":1}", "x stands twice"},
        {"{" SPEC ",\"\":1,\"\":2}", "\"\" stands twice"},
        {"{\"usageSpecification\":{\"id\":\"x\",\"id\":\"x\"}}",
         "usageSpecification.id stands twice"},
        {"{\"usageSpecification\":{\"id\":\"x\",\"e\":1,\"e\":1}}",
         "usageSpecification.e stands twice"},
        {"{" SPEC ",\"x\":[0,{\"y\":{\"k\":1,\"\\u006b\":2}}]}", "x[1].y.k stands twice"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":[{\"k\":1,\"k\":1}]}]}",
         "usageCharacteristic[0].value[0].k stands twice"},
    };
    REFUSED(MODEL_USAGE_CREATE, rows);
}

static void many_keys_are_looked_at_without_being_slow(void **state)
{
    (void)state;
    enum { KEYS = 100000 };
    struct buf b = {0};
    struct err err;
    buf_str(&b, "{" SPEC);
    for (int i = 0; i < KEYS; i++)
        buf_printf(&b, ",\"k%07d\":{\"k%07d\":0}", (i * 7919) % KEYS, i);
    size_t single = b.len;
    buf_str(&b, "}");
    bool taken = takes_text(MODEL_USAGE_CREATE, (struct text){b.data, b.len}, &err);
    b.len = single;
    buf_str(&b, ",\"k0054321\":0}");

    bool taken_twice = takes_text(MODEL_USAGE_CREATE, (struct text){b.data, b.len}, &err);

    assert_true(taken);
    assert_false(taken_twice);
    assert_string_equal(err.text, "k0054321 stands twice");
    buf_fini(&b);
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"", "the body is no JSON that is taken: at byte 0 a value is expected"},
        {"{" SPEC, "the body is no JSON that is taken: at byte 32 a comma or a closing bracket is "
                   "expected"},
        {"{" SPEC "} x",
         "the body is no JSON that is taken: at byte 34 something stands behind the value"},
        {"{" SPEC ",}", "the body is no JSON that is taken: at byte 33 a string is expected"},
        {"{" SPEC ",\"x\":nul}", "the body is no JSON that is taken: at byte 37 null is expected"},
        {"{" SPEC ",\"usageType\":\"a\\ud800\"}",
         "the body is no JSON that is taken: at byte 46 a string holds a lone surrogate"},
        {"{" SPEC ",\"x\":[\"\\u0000\"]}",
         "the body is no JSON that is taken: at byte 39 a string holds NUL"},
        {"{" SPEC ",\"\\u0000\":1}",
         "the body is no JSON that is taken: at byte 34 a string holds NUL"},
        {"{" SPEC ",\"x\":\"\xff\"}",
         "the body is no JSON that is taken: at byte 38 a string is not UTF-8"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxRate\":01}]}",
         "the body is no JSON that is taken: at byte 65 a number begins with 0"},
        {"{" SPEC ",\"description\":tru}",
         "the body is no JSON that is taken: at byte 47 true or false is expected"},
    };
    REFUSED(MODEL_USAGE_CREATE, rows);
}

static void nesting_ends_at_64(void **state)
{
    (void)state;
    struct err err;
    struct text deepest = with_text("{" SPEC ",\"x\":", 63, "[", "");
    struct text deeper = with_text("{" SPEC ",\"x\":", 64, "[", "");
    struct buf b = {0};
    buf_printf(&b, "%.*s", TEXT_ARGS(deepest));
    for (int i = 0; i < 63; i++)
        buf_byte(&b, ']');
    buf_byte(&b, '}');

    bool taken = takes_text(MODEL_USAGE_CREATE, (struct text){b.data, b.len}, &err);
    bool too_deep_taken = takes_text(MODEL_USAGE_CREATE, deeper, &err);

    assert_true(taken);
    assert_false(too_deep_taken);
    assert_non_null(strstr(err.text, "nested deeper than 64"));
    buf_fini(&b);
}

static void a_text_of_an_error_is_cut_but_stays_utf8(void **state)
{
    (void)state;
    struct err err;
    struct buf b = {0};
    /* as many escapes as fit, then characters of many bytes, at a place that is itself cut */
    buf_str(&b, "{" SPEC ",\"extension\":{\"");
    for (int i = 0; i < 300; i++)
        buf_str(&b, "计");
    buf_str(&b, "\":{\"a\":1,\"a\":1}}}");
    assert_false(takes_text(MODEL_USAGE_CREATE, (struct text){b.data, b.len}, &err));
    assert_string_equal(err.text, "extension.... stands twice");
    for (int escapes = 150; escapes < 200; escapes++) {
        b.len = 0;
        buf_str(&b, "{\"name\":\"x\",\"specCharacteristic\":[{\"characteristicValueSpecification\":"
                    "[{\"validFor\":{\"startDateTime\":\"");
        for (int i = 0; i < escapes; i++)
            buf_str(&b, "\\u0001");
        for (int i = 0; i < 30; i++)
            buf_str(&b, "计");
        buf_str(&b, "\"}}]}]}");
        assert_false(takes_text(MODEL_SPECIFICATION_CREATE, (struct text){b.data, b.len}, &err));
        assert_non_null(strstr(err.text, "such as 2026-11-23T08:15:30.250Z"));
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_bytes_and_end_where_the_contract_says),
        cmocka_unit_test(a_key_stands_once_in_its_object_at_any_depth),
        cmocka_unit_test(many_keys_are_looked_at_without_being_slow),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(nesting_ends_at_64),
        cmocka_unit_test(a_text_of_an_error_is_cut_but_stays_utf8),
    };
    return cmocka_run_group_tests(tests, start, end);
}
