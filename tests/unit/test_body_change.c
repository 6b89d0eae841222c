/* A PATCH: what it makes of a usage, what it may not touch, and what it is said to have changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json_merge.h"
#include "usage/id.h"

#include "body_scene.h"

#define SPEC "\"usageSpecification\":{\"id\":\"s\",\"name\":\"n\"}"
#define DATE "\"usageDate\":\"2026-11-23T08:15:30.250Z\""
#define CALL                                                                                       \
    "{\"description\":\"d\",\"status\":\"guided\"," SPEC "," DATE                                  \
    ",\"usageType\":\"VOICE\",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1},{\"name\":"    \
    "\"b\",\"value\":{ \"x\" : 1.50, \"y\" : [1, 2] }}],\"relatedParty\":[{\"id\":\"p\","          \
    "\"@referredType\":\"C\"}],\"ratedProductUsage\":[{\"ratingDate\":\"2026-11-23T08:18:41."      \
    "007Z\","                                                                                      \
    "\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.60},\"taxIncludedRatingAmount\":{"  \
    "\"unit\":\"CNY\",\"value\":0.636},\"taxRate\":6,\"productRef\":{\"id\":\"p\"}}],"             \
    "\"@type\":\"T\",\"zone\":{\"a\":1,\"b\":null},\"n\":1}"
#define NATURAL                                                                                    \
    "{" SPEC "," DATE ",\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":\"s\"},"     \
    "{\"name\":\"sourceRecordId\",\"value\":\"r\"}]}"

static struct usage *usage_of(const char *json)
{
    taken(json);
    return body.usage;
}

/* Into `body`. */
static bool patched(const struct usage *before, const char *patch)
{
    struct buf b = {0};
    assert_true(json_merge(text_of(shown(before)), text_of(patch), a, &b));
    struct text merged = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    return body_merged(merged, &settings, before, a, &body, &err);
}

static void a_patch_replaces_removes_and_lets_be(void **state)
{
    (void)state;
    struct usage *before = usage_of(CALL);
    before->revision = 7;

    assert_true(patched(before, "{\"description\":\"e\",\"usageType\":null,\"usageSpecification\":{"
                                "\"name\":null,\"href\":\"h\"},\"relatedParty\":[],\"zone\":{\"a\":"
                                "null,\"c\":2},\"n\":null,\"ratedProductUsage\":null,\n\"m\":0.10,"
                                "\"usageDate\":\"2026-11-23T16:15:30.2509+08:00\"}"));

    assert_int_equal(id_compare(&body.usage->id, &before->id), 0);
    assert_int_equal(body.usage->revision, 7);
    assert_int_equal(body.content, 0);
    assert_string_equal(
        shown_attributes(body.usage),
        "\"description\":\"e\",\"status\":\"guided\"," DATE ",\"usageSpecification\":{\"id\":\"s\","
        "\"href\":\"h\"},\"usageCharacteristic\":[{\"name\":\"a\",\"valueType\":\"integer\","
        "\"value\":"
        "1},{\"name\":\"b\",\"valueType\":\"object\",\"value\":{ \"x\" : 1.50, \"y\" : [1, 2] }}],"
        "\"@type\":\"T\",\"zone\":{\"b\":null,\"c\":2},\"m\":0.10}");
}

static void the_merged_result_is_checked_like_a_body(void **state)
{
    (void)state;
    struct usage *before = usage_of(CALL);
    is_refused(patched(before, "{\"usageSpecification\":null}"), REASON_MISSING, "usageSpec");
    is_refused(patched(before, "{\"usageSpecification\":{\"id\":null}}"), REASON_MISSING,
               "usageSpec");
    is_refused(patched(before, "{\"relatedParty\":[{\"id\":\"x\"}]}"), REASON_VALUE,
               "@referredType");
    is_refused(patched(before, "{\"status\":\"x\"}"), REASON_STATUS, "status");
    is_refused(patched(before, "{\"status\":\"rated\",\"ratedProductUsage\":[{}]}"),
               REASON_INCOMPLETE, "ratingDate");

    assert_true(patched(before, "{\"status\":\"rated\"}")); /* with the ratings that it has */
    assert_non_null(strstr(shown(body.usage), "\"usageRatingTag\":\"usage\""));
}

static void a_usage_that_has_grown_old_may_be_patched(void **state)
{
    (void)state;
    struct usage *before = usage_of(CALL);
    settings.usage_oldest_ms = 1;
    settings.usage_newest_ms = -INT64_C(3650) * 86400000;

    bool took = patched(before, "{\"description\":\"e\"}");

    settings = sample_settings();
    assert_true(took);
}

static void a_usage_keeps_its_identity(void **state)
{
    (void)state;
    struct usage *natural = usage_of(NATURAL), *random = usage_of(CALL);
    static const char other_date[] = "{\"usageDate\":\"2026-11-23T08:15:30.251Z\"}",
                      no_key[] = "{\"usageCharacteristic\":[]}";
    assert_int_equal(id_version(&natural->id), 8);

    is_refused(patched(natural, other_date), REASON_VALUE,
               "usageDate cannot become 2026-11-23T08:15:30.251Z, it is 2026-11-23T08:15:30.250Z");
    is_refused(patched(random, other_date), REASON_VALUE, "usageDate cannot become");
    is_refused(patched(natural, no_key), REASON_VALUE,
               "sourceSystem cannot become absent, it is s");
    is_refused(patched(natural,
                       "{\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":\"s\"},"
                       "{\"name\":\"sourceRecordId\",\"value\":\"R\"}]}"),
               REASON_VALUE, "sourceRecordId cannot become R, it is r");
    is_refused(patched(natural, "{\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":5},"
                                "{\"name\":\"sourceRecordId\",\"value\":\"r\"}]}"),
               REASON_VALUE, "sourceSystem");

    assert_true(patched(natural, "{\"usageCharacteristic\":[{\"name\":\"sourceRecordId\",\"value\":"
                                 "\"r\",\"id\":\"1\"},{\"name\":\"x\",\"value\":1},{\"name\":"
                                 "\"sourceSystem\",\"value\":\"s\"}]}"));
    assert_true(body.natural && text_is(body.source, "s") && text_is(body.record_id, "r"));
    assert_true(patched(random, no_key));
    assert_false(body.natural);
    /* one that has none may call itself what it likes: its id stays */
    assert_true(patched(random,
                        "{\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":\"s\"},"
                        "{\"name\":\"sourceRecordId\",\"value\":\"r\"}]}"));
    assert_false(body.natural);
    assert_int_equal(id_compare(&body.usage->id, &random->id), 0);
}

/* What was passed over when the id was made is passed over when it is looked after. */
static void a_source_that_is_too_long_for_a_key_hides_none_behind_it(void **state)
{
    (void)state;
    static const char form[] =
        "{" SPEC "," DATE ",\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":"
        "\"%0129d\"},{\"name\":\"sourceSystem\",\"value\":\"%s\"},{\"name\":\"sourceRecordId\","
        "\"value\":\"r\"}]}";
    struct usage *natural = usage_of(arena_printf(a, form, 1, "s"));
    assert_int_equal(id_version(&natural->id), 8);

    is_refused(patched(natural, arena_printf(a, form, 1, "t")), REASON_VALUE,
               "sourceSystem cannot become t, it is s");

    assert_true(patched(natural, arena_printf(a, form, 2, "s")));
    assert_true(text_is(body.source, "s"));
}

/* A record may have a sourceSystem of its own that is not its source: its usage can be patched. */
static void characteristics_that_are_not_the_key_are_kept_too(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    struct characteristic *c = raw->characteristics.items;
    struct change change;
    c[0] = (struct characteristic){.name = TEXT("sourceSystem"), .value = sample_text(TEXT("own"))};
    assert_true(mapping_raw(&settings, raw, -1, SAMPLE_NOW, a, &change, &err));

    assert_true(patched(change.usage, "{\"description\":\"e\"}"));
    is_refused(patched(change.usage, "{\"usageCharacteristic\":[]}"), REASON_VALUE, "it is own");
}

static void each_change_is_named(const char *patch, const char *path)
{
    struct usage *before = usage_of(CALL);
    if (!patched(before, patch))
        fail_msg("%s: %s", patch, err.text);
    const char *named = body_field_path(before, body.usage, a);
    if (strcmp(named, path) != 0)
        fail_msg("%s: \"%s\", expected \"%s\"", patch, named, path);
}

static void what_changed_is_named_in_the_order_of_the_contract(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"description\":\"e\"}", "description"},
        {"{\"description\":null}", "description"},
        {"{\"usageType\":\"SMS\"}", "usageType"},
        {"{\"status\":\"rejected\"}", "status"},
        {"{\"usageSpecification\":{\"name\":\"m\"}}", "usageSpecification"},
        {"{\"usageSpecification\":{\"x\":1}}", "usageSpecification"},
        {"{\"usageCharacteristic\":[]}", "usageCharacteristic"},
        {"{\"relatedParty\":[]}", "relatedParty"},
        {"{\"relatedParty\":[{\"id\":\"p\",\"@referredType\":\"C\",\"x\":1}]}", "relatedParty"},
        {"{\"ratedProductUsage\":[]}", "ratedProductUsage"},
        {"{\"@type\":null}", "@type"},
        {"{\"@baseType\":\"x\"}", "@baseType"},
        {"{\"@schemaLocation\":\"x\"}", "@schemaLocation"},
        {"{\"zone\":null}", "zone"},
        {"{\"zone\":{\"a\":2}}", "zone"},
        {"{\"new\":1}", "new"},
        {"{\"new\":1,\"n\":2,\"\\u540d\\\"\":[],\"zone\":1,\"@schemaLocation\":\"x\",\"@baseType\":"
         "\"x\","
         "\"@type\":\"x\",\"ratedProductUsage\":null,\"relatedParty\":null,\"usageCharacteristic\":"
         "null,"
         "\"usageSpecification\":{\"id\":\"t\"},\"status\":\"rejected\",\"usageType\":null,"
         "\"description\":null}",
         "description,usageType,status,usageSpecification,usageCharacteristic,relatedParty,"
         "ratedProductUsage,@type,@baseType,@schemaLocation,zone,n,new,名\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        each_change_is_named(rows[i][0], rows[i][1]);
}

static void a_patch_that_changes_nothing_is_known(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"description\":\"d\"}",
        "{\"none\":null,\"@baseType\":null,\"new\":null}",
        "{\"usageDate\":\"2026-11-23T16:15:30.25+08:00\"}",
        "{\"status\":\"guided\",\"usageSpecification\":{}}",
        "{\"zone\":{\"a\":1.0},\"n\":10e-1}",
        "{\"@baseType\":\"\"}",
        /* as a client writes it that has read it */
        "{\"usageCharacteristic\":[{\"value\":1,\"name\":\"a\",\"valueType\":\"integer\"},{"
        "\"name\":"
        "\"b\",\"value\":{\"y\":[1,2],\"x\":1.5}}]}",
        "{\"ratedProductUsage\":[{\"taxRate\":6.0,\"ratingDate\":\"2026-11-23T08:18:41.007+00:00\","
        "\"taxExcludedRatingAmount\":{\"value\":0.6,\"unit\":\"CNY\"},\"taxIncludedRatingAmount\":{"
        "\"unit\":\"CNY\",\"value\":0.6360},\"productRef\":{\"id\":\"p\",\"name\":\"\"},\"x\":null}"
        "]}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        each_change_is_named(rows[i], "");
    struct usage *u = usage_of(CALL);
    assert_string_equal(body_field_path(u, u, a), "");
}

static void the_order_of_an_array_is_a_difference(void **state)
{
    (void)state;
    each_change_is_named(
        "{\"usageCharacteristic\":[{\"name\":\"b\",\"value\":{\"x\":1.5,\"y\":[1,2]}},"
        "{\"name\":\"a\",\"value\":1}]}",
        "usageCharacteristic");
    each_change_is_named("{\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1},{\"name\":\"b\","
                         "\"value\":{\"x\":1.5,\"y\":[2,1]}}]}",
                         "usageCharacteristic");
    each_change_is_named("{\"usageCharacteristic\":[{\"name\":\"a\",\"value\":\"1\",\"valueType\":"
                         "\"integer\"},{\"name\":\"b\",\"value\":{\"x\":1.5,\"y\":[1,2]}}]}",
                         "usageCharacteristic");
}

static void many_extensions_are_compared_in_little_time(void **state)
{
    (void)state;
    struct buf b = {0};
    enum { MEMBERS = 50000 }; /* each with each would be 2.5 * 10^9 */
    buf_str(&b, "{");
    for (int i = 0; i < MEMBERS; i++)
        buf_printf(&b, "\"x%d\":%d,", i, i);
    buf_str(&b, SPEC "," DATE "}");
    struct usage *before = usage_of(arena_copy(a, b.data, b.len));
    buf_fini(&b);

    assert_true(patched(before, "{\"x49999\":0,\"x7\":null,\"y\":1}"));

    assert_string_equal(body_field_path(before, body.usage, a), "x7,x49999,y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_patch_replaces_removes_and_lets_be),
        cmocka_unit_test(the_merged_result_is_checked_like_a_body),
        cmocka_unit_test(a_usage_that_has_grown_old_may_be_patched),
        cmocka_unit_test(a_usage_keeps_its_identity),
        cmocka_unit_test(a_source_that_is_too_long_for_a_key_hides_none_behind_it),
        cmocka_unit_test(characteristics_that_are_not_the_key_are_kept_too),
        cmocka_unit_test(what_changed_is_named_in_the_order_of_the_contract),
        cmocka_unit_test(a_patch_that_changes_nothing_is_known),
        cmocka_unit_test(the_order_of_an_array_is_a_difference),
        cmocka_unit_test(many_extensions_are_compared_in_little_time),
    };
    return cmocka_run_group_tests(tests, start, end);
}
