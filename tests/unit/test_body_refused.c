/* What a body may not say, and by which name and reason it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/jsonr.h"

#include "body_scene.h"

#define SPEC "\"usageSpecification\":{\"id\":\"s\"}"

static void what_is_wrong_is_refused_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum reason reason;
        const char *text;
    } rows[] = {
        {"", REASON_VALUE, "the JSON at byte 0: an object is expected"},
        {"[]", REASON_VALUE, "an object is expected"},
        {"{" SPEC "} {}", REASON_VALUE, "something stands behind"},
        {"{" SPEC ",\"description\":\"\\u0000\"}", REASON_TEXT, "description at byte"},
        {"{" SPEC ",\"description\":\"\xff\"}", REASON_TEXT, "UTF-8"},
        {"{" SPEC ",\"x\":\"\\ud800\"}", REASON_TEXT, "lone surrogate"},
        {"{" SPEC ",\"description\":5}", REASON_VALUE, "description at byte"},
        {"{" SPEC ",\"description\":null}", REASON_VALUE, "a string is expected"},
        {"{" SPEC ",\"usageDate\":\"2026-11-31T00:00:00Z\"}", REASON_VALUE, "usageDate at byte"},
        {"{" SPEC ",\"usageDate\":\"\"}", REASON_VALUE, "a date-time is expected"},
        {"{" SPEC ",\"status\":\"Rated\"}", REASON_STATUS, "status \"Rated\" is not one of"},
        {"{" SPEC ",\"status\":\"\"}", REASON_STATUS, "status \"\" is not one of"},
        {"{" SPEC ",\"status\":null}", REASON_VALUE, "status is not a string"},
        {"{}", REASON_MISSING, "usageSpecification.id is absent"},
        {"{\"usageSpecification\":{\"id\":\"\"}}", REASON_MISSING, "usageSpecification.id"},
        {"{\"usageSpecification\":\"s\"}", REASON_VALUE, "usageSpecification at byte"},
        {"{\"usageSpecification\":{\"id\":5}}", REASON_VALUE, "id at byte"},
        {"{" SPEC ",\"usageCharacteristic\":{}}", REASON_VALUE, "an array is expected"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"value\":1}]}", REASON_VALUE,
         "usageCharacteristic[0].name is absent"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\"}]}", REASON_VALUE,
         "usageCharacteristic[0].value is absent"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1,"
         "\"characteristicRelationship\":{}}]}",
         REASON_VALUE, "usageCharacteristic[0].characteristicRelationship an array"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1,"
         "\"characteristicRelationship\":null}]}",
         REASON_VALUE, "characteristicRelationship"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1,"
         "\"characteristicRelationship\":[{\"id\":5}]}]}",
         REASON_VALUE, "a string is expected"},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"a\",\"@referredType\":\"C\"},{\"@referredType\":"
         "\"C\"}]}",
         REASON_VALUE, "relatedParty[1].id is absent"},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"a\"}]}", REASON_VALUE,
         "relatedParty[0].@referredType is absent"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxRate\":\"6\"}]}", REASON_VALUE, "taxRate at byte"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"isBilled\":1}]}", REASON_VALUE, "isBilled at byte"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"productRef\":{}}]}", REASON_VALUE,
         "ratedProductUsage[0].productRef.id is absent"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"productRef\":[]}]}", REASON_VALUE, "productRef at"},
        {"{" SPEC ",\"ratedProductUsage\":[null]}", REASON_VALUE, "an object is expected"},
        {"{" SPEC ",\"status\":\"rated\",\"ratedProductUsage\":[{\"taxExcludedRatingAmount\":{"
         "\"value\":1}}]}",
         REASON_VALUE, "ratedProductUsage[0].taxExcludedRatingAmount.unit is absent"},
        {"{" SPEC ",\"status\":\"rated\",\"ratedProductUsage\":[{\"taxIncludedRatingAmount\":{"
         "\"unit\":\"CNY\"}}]}",
         REASON_VALUE, "ratedProductUsage[0].taxIncludedRatingAmount.value is absent"},
        /* of several the first of reason.h */
        {"{\"status\":\"x\",\"usageDate\":\"1969-01-01T00:00:00Z\",\"relatedParty\":[{}]}",
         REASON_MISSING, "usageSpecification"},
        {"{\"status\":\"x\",\"usageDate\":\"1969-01-01T00:00:00Z\"," SPEC "}", REASON_DATE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(rows[i].json, rows[i].reason, rows[i].text);
}

static const char *long_text(size_t n)
{
    char *text = arena_zero(a, n + 1);
    memset(text, 'x', n);
    return text;
}

static void lengths_are_those_of_a_record(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t max;
        const char *text;
    } rows[] = {
        {"{" SPEC ",\"usageType\":\"%s\"}", 64, "usageType"},
        {"{\"usageSpecification\":{\"id\":\"%s\"}}", 256, "usageSpecification.id"},
        {"{\"usageSpecification\":{\"id\":\"s\",\"name\":\"%s\"}}", 256, "usageSpecification.name"},
        {"{" SPEC ",\"relatedParty\":[{\"@referredType\":\"C\",\"id\":\"%s\"}]}", 256,
         "relatedParty[0].id"},
        {"{" SPEC ",\"relatedParty\":[{\"@referredType\":\"C\",\"id\":\"i\",\"role\":\"%s\"}]}",
         256, "relatedParty[0].role"},
        {"{" SPEC ",\"relatedParty\":[{\"@referredType\":\"C\",\"id\":\"i\",\"name\":\"%s\"}]}",
         256, "relatedParty[0].name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t more = 0; more < 2; more++) {
            char json[600];
            snprintf(json, sizeof json, rows[i].json, long_text(rows[i].max + more));
            if (more)
                refused(json, REASON_VALUE, rows[i].text);
            else
                taken(json);
        }
}

static void what_is_taken_can_be_read_when_it_is_stored(void **state)
{
    (void)state;
    /* the usage, the array and the characteristic are three of the levels */
    for (size_t depth = JSONR_DEPTH_MAX - 4; depth < JSONR_DEPTH_MAX; depth++) {
        char *value = arena_zero(a, 2 * depth + 1);
        memset(value, '[', depth);
        memset(value + depth, ']', depth);
        const char *json = arena_printf(
            a, "{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":%s}]}", value);
        if (depth > JSONR_DEPTH_MAX - 3) {
            refused(json, REASON_VALUE, "nested deeper than 64");
            continue;
        }
        taken(json);
        struct buf b = {0};
        struct usage back = {0};
        render_document(&b, body.usage);
        struct render_row row = {.status = TEXT("received"), .document = {b.data, b.len}};
        assert_true(render_read(&row, a, &back, &err));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused_by_its_name),
        cmocka_unit_test(lengths_are_those_of_a_record),
        cmocka_unit_test(what_is_taken_can_be_read_when_it_is_stored),
    };
    return cmocka_run_group_tests(tests, start, end);
}
