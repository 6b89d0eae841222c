/* A UsageDocument on its way into the service, by all that may be wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "usage/body.h"
#include "usage/id.h"
#include "usage/render.h"

#include "mapping_scene.h"

#define SPEC "\"usageSpecification\":{\"id\":\"s\"}"

static bool mapped(const char *json)
{
    const struct usage_document d = {TEXT("med-gz-02"), TEXT("20261123-000417-88231"), SAMPLE_DATE,
                                     text_of(json)};
    return mapping_document(&settings, &d, -1, SAMPLE_NOW, a, &change, &err);
}

static void a_document_becomes_a_usage_in_its_own_status(void **state)
{
    (void)state;
    char id[ID_CHARS];

    assert_true(mapped("{\"id\":\"1\",\"href\":7,\"status\":\"rejected\",\"x\":1," SPEC "}"));

    id_print(&change.id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_int_equal(change.kind, CHANGE_DOCUMENT);
    assert_int_equal(change.usage->status, STATUS_REJECTED);
    assert_int_equal(change.usage->revision, 1);
    assert_true(text_is(change.source, "med-gz-02"));
    assert_true(text_is(change.record_id, "20261123-000417-88231"));
    assert_true(text_is(change.usage->extensions, "{\"x\":1}"));
}

static void its_status_and_ratings_are_no_other_content(void **state)
{
    (void)state;
    assert_true(mapped("{" SPEC "}"));
    uint64_t content = change.content;

    assert_true(mapped(
        "{" SPEC ",\"status\":\"rated\",\"ratedProductUsage\":[{\"ratingDate\":"
        "\"2026-11-23T08:18:41Z\",\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":1},"
        "\"taxIncludedRatingAmount\":{\"unit\":\"CNY\",\"value\":1},\"taxRate\":6,"
        "\"productRef\":{\"id\":\"p\"}}]}"));

    assert_int_equal(change.content, content);
    assert_int_equal(change.usage->ratings.count, 1);
    assert_true(mapped("{" SPEC ",\"description\":\"d\"}"));
    assert_int_not_equal(change.content, content);
}

/* One fault each, and two of which the first of reason.h counts. */
static void the_first_reason_counts(void **state)
{
    (void)state;
    const struct {
        const char *json;
        enum reason reason;
        const char *text;
    } rows[] = {
        {"", REASON_MISSING, "document is empty"},
        {"{}", REASON_MISSING, "usageSpecification.id is absent"},
        {"[]", REASON_VALUE, "an object is expected"},
        {"{" SPEC "} x", REASON_VALUE, ""},
        {"{" SPEC ",\"description\":null}", REASON_VALUE, "description is null"},
        {"{" SPEC ",\"description\":\"\"}", REASON_VALUE, "description is empty"},
        {"{" SPEC ",\"x\":1,\"x\":1}", REASON_VALUE, "x stands twice"},
        {"{" SPEC ",\"id\":\"1\",\"id\":\"1\"}", REASON_VALUE, "id stands twice"},
        {"{\"usageSpecification\":{\"id\":\"s\",\"href\":\"no uri\"}}", REASON_VALUE,
         "usageSpecification.href is \"no uri\""},
        {"{" SPEC ",\"status\":null}", REASON_VALUE, "status is null"},
        {"{" SPEC ",\"status\":\"Rated\"}", REASON_STATUS, "status \"Rated\" is not one of"},
        {"{" SPEC ",\"status\":\"rated\"}", REASON_INCOMPLETE, "ratedProductUsage"},
        {"{" SPEC ",\"status\":\"Rated\",\"x\":1,\"x\":1}", REASON_VALUE, "x stands twice"},
        {"{\"status\":\"Rated\"}", REASON_MISSING, "usageSpecification.id is absent"},
        {"{" SPEC ",\"status\":\"rated\",\"description\":null}", REASON_VALUE,
         "description is null"},
        {"{\"description\":\"\\u0000\"}", REASON_TEXT, ""},
        {"{" SPEC ",\"x\":\"\xff\"}", REASON_TEXT, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(mapped(rows[i].json), rows[i].reason, rows[i].text);
}

/* What a record from Kafka may bring and POST may not comes back from an export. */
static void a_usage_as_it_was_shown_may_hold_what_a_record_may(void **state)
{
    (void)state;
    const char *const odd[] = {
        "\"usageSpecification\":{\"id\":\"s\",\"href\":\"no uri\"}}",
        SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":{\"k\":1,\"k\":2}}]}",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_false(mapped(arena_printf(a, "{%s", odd[i])));
        assert_int_equal(err.code, REASON_VALUE);
        if (!mapped(arena_printf(a, "{\"id\":\"1\",%s", odd[i])))
            fail_msg("%s", err.text);
        assert_false(mapped(arena_printf(a, "{\"id\":1,%s", odd[i])));
    }
    refused(mapped("{\"id\":\"1\"," SPEC ",\"description\":null}"), REASON_VALUE,
            "description is null");
}

/* As an export writes them, with both of the key, and an extension. */
static const char *of_characteristics(int count, struct buf *b)
{
    buf_printf(b, "{" SPEC ",\"x\":{\"a\":1},\"usageCharacteristic\":[");
    for (int i = 0; i < count - 2; i++)
        buf_printf(b, "{\"name\":\"n%d\",\"value\":%d,\"valueType\":\"integer\"},", i, i);
    buf_printf(b, "{\"name\":\"sourceSystem\",\"value\":\"med-gz-02\"},"
                  "{\"name\":\"sourceRecordId\",\"value\":\"20261123-000417-88231\"}]}");
    return buf_text(b);
}

static void what_a_batch_keeps_of_a_document_is_no_more_than_its_parts(void **state)
{
    (void)state;
    struct buf b = {0};
    const char *json = of_characteristics(10, &b);
    size_t before = arena_bytes(a);

    assert_true(mapped(json));

    assert_int_equal(change.usage->characteristics.count, 10);
    assert_in_range(arena_bytes(a) - before, 1,
                    sizeof(struct usage) + 10 * sizeof(struct characteristic) + 128);
    buf_fini(&b);
}

static void a_list_may_be_of_any_length(void **state)
{
    (void)state;
    for (int count = 28; count < 200; count++) {
        struct buf b = {0};

        assert_true(mapped(of_characteristics(count, &b)));

        const struct characteristic *c = change.usage->characteristics.items;
        assert_int_equal(change.usage->characteristics.count, count);
        for (int i = 0; i < count - 2; i++)
            assert_true(c[i].value.kind == VALUE_INTEGER && c[i].value.integer == i);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_usage_in_its_own_status),
        cmocka_unit_test(its_status_and_ratings_are_no_other_content),
        cmocka_unit_test(the_first_reason_counts),
        cmocka_unit_test(a_usage_as_it_was_shown_may_hold_what_a_record_may),
        cmocka_unit_test(what_a_batch_keeps_of_a_document_is_no_more_than_its_parts),
        cmocka_unit_test(a_list_may_be_of_any_length),
    };
    return cmocka_run_group_tests(tests, start, end);
}
