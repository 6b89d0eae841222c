/* The document of a UsageDocument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "usage/id.h"

#include "body_scene.h"

#define SPEC "\"usageSpecification\":{\"id\":\"s\"}"

static const struct body_key sample_key = {
    {"med-gz-02", 9}, {"20261123-000417-88231", 21}, SAMPLE_DATE};

static bool document(const char *json, const struct body_key *key)
{
    return body_document(text_of(json), &settings, key, -1, SAMPLE_NOW, a, &body, &err);
}

static void a_document_gets_the_key_and_the_date_of_its_record(void **state)
{
    (void)state;
    char id[ID_CHARS];

    assert_true(
        document("{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1}]}", &sample_key));

    id_print(&body.usage->id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_true(body.natural && text_is(body.source, "med-gz-02"));
    assert_int_equal(body.usage->usage_date, SAMPLE_DATE);
    assert_non_null(
        strstr(shown(body.usage),
               "[{\"name\":\"a\",\"valueType\":\"integer\",\"value\":1},{\"name\":\"sourceSystem\","
               "\"valueType\":\"string\",\"value\":\"med-gz-02\"},{\"name\":\"sourceRecordId\","
               "\"valueType\":\"string\",\"value\":\"20261123-000417-88231\"}]"));

    assert_true(document("{" SPEC ",\"usageDate\":\"2026-11-23T16:15:30.250+08:00\","
                         "\"usageCharacteristic\":[{\"name\":\"sourceRecordId\",\"value\":\"x\"}]}",
                         &sample_key));

    id_print(&body.usage->id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_non_null(strstr(shown(body.usage),
                           "\"value\":\"x\"},{\"name\":\"sourceSystem\",\"valueType\":\"string\","
                           "\"value\":\"med-gz-02\"}]"));
}

static void a_document_is_refused_by_the_reasons_of_the_contract(void **state)
{
    (void)state;
    const struct body_key no_source = {{0}, sample_key.record_id, SAMPLE_DATE},
                          no_record = {sample_key.source, TEXT(""), SAMPLE_DATE},
                          no_date = {sample_key.source, sample_key.record_id, INSTANT_NONE},
                          old = {sample_key.source, sample_key.record_id, -1},
                          late = {sample_key.source, sample_key.record_id, SAMPLE_NOW + 86400001},
                          wide = {{arena_zero(a, 129), 129}, sample_key.record_id, SAMPLE_DATE};
    const struct {
        const char *json;
        const struct body_key *key;
        enum reason reason;
        const char *text;
    } rows[] = {
        {"{" SPEC "}", &no_source, REASON_MISSING, "source is absent"},
        {"{" SPEC "}", &no_record, REASON_MISSING, "recordId is empty"},
        {"{" SPEC "}", &no_date, REASON_MISSING, "usageDate is absent"},
        {"{\"usageDate\":\"2026-11-23T08:15:30.250Z\"," SPEC "}", &no_date, REASON_MISSING,
         "usageDate is absent"},
        {"", &sample_key, REASON_MISSING, "document is empty"},
        {"{}", &sample_key, REASON_MISSING, "usageSpecification.id is absent"},
        {"nonsense", &no_source, REASON_MISSING, "source is absent"},
        {"nonsense", &sample_key, REASON_VALUE, "an object is expected"},
        {"{\"usageType\":5}", &sample_key, REASON_MISSING, "usageSpecification.id is absent"},
        {"{\"usageType\":5,\"usageSpecification\":{\"id\":\"\",\"x\":[1]}}", &sample_key,
         REASON_MISSING, "usageSpecification.id is absent"},
        {"{\"usageType\":5,\"usageSpecification\":null}", &sample_key, REASON_MISSING,
         "usageSpecification.id is absent"},
        {"{\"usageType\":5," SPEC ",\"description\":\"\\ud800\"}", &sample_key, REASON_TEXT,
         "the JSON at byte"},
        {"{\"usageType\":5," SPEC "}", &sample_key, REASON_VALUE, "usageType"},
        {"{\"usageSpecification\":{\"id\":7}}", &sample_key, REASON_VALUE, "id at byte"},
        {"{\"usageSpecification\":7}", &sample_key, REASON_VALUE, "usageSpecification"},
        {"{\"usageType\":5", &sample_key, REASON_VALUE, "usageType"},
        {"{" SPEC "}", &wide, REASON_VALUE, "source has 129 bytes"},
        {"{" SPEC ",\"usageDate\":\"2026-11-23T08:15:30.251Z\"}", &sample_key, REASON_VALUE,
         "document.usageDate 2026-11-23T08:15:30.251Z contradicts"},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"\"}]}", &sample_key, REASON_VALUE,
         "relatedParty[0]"},
        {"{" SPEC "}", &old, REASON_DATE, "usageDate"},
        {"{" SPEC "}", &late, REASON_DATE, "usageDate"},
        {"{" SPEC ",\"status\":\"x\"}", &sample_key, REASON_STATUS, "status"},
        {"{" SPEC ",\"status\":\"billed\"}", &sample_key, REASON_INCOMPLETE, "ratedProductUsage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        is_refused(document(rows[i].json, rows[i].key), rows[i].reason, rows[i].text);
    bool took = body_document(TEXT("{" SPEC "}"), &settings, &sample_key, SAMPLE_DATE - 86400001,
                              SAMPLE_NOW, a, &body, &err);
    is_refused(took, REASON_DATE, "usageDate"); /* by the record's timestamp */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_gets_the_key_and_the_date_of_its_record),
        cmocka_unit_test(a_document_is_refused_by_the_reasons_of_the_contract),
    };
    return cmocka_run_group_tests(tests, start, end);
}
