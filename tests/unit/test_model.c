#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model_scene.h"

static void a_usage_of_the_model_is_taken(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{" SPEC "}",
        " {\n\t" SPEC "\r\n} ",
        "{\"description\":\"Outgoing call\",\"usageDate\":\"2026-11-23T08:15:30.250+08:00\","
        "\"usageType\":\"VOICE\",\"status\":\"received\",\"usageSpecification\":{\"id\":\"v\","
        "\"href\":\"https://bss.example.net/x/v\",\"name\":\"n\",\"@referredType\":"
        "\"UsageSpecification\"},\"usageCharacteristic\":[{\"name\":\"a\",\"value\":187,\"id\":"
        "\"1\",\"valueType\":\"integer\",\"characteristicRelationship\":[{\"id\":\"2\",\"href\":"
        "\"urn:x\",\"relationshipType\":\"of\"}]}],\"relatedParty\":[{\"id\":\"c\",\"role\":"
        "\"subscriber\",\"name\":\"示例\",\"href\":\"http://h\",\"@referredType\":\"Customer\"}],"
        "\"ratedProductUsage\":[{\"ratingDate\":\"2026-11-23T08:15:30Z\",\"ratingAmountType\":"
        "\"Total\",\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.60},"
        "\"taxIncludedRatingAmount\":{\"unit\":\"CNY\",\"value\":-1},\"taxRate\":6,"
        "\"isTaxExempt\":false,\"isBilled\":true,\"offerTariffType\":\"Normal\","
        "\"usageRatingTag\":\"usage\",\"bucketValueConvertedInAmount\":{\"unit\":\"MB\"},"
        "\"productRef\":{\"id\":\"p\"}}],\"@type\":\"VoiceUsage\",\"@baseType\":\"Usage\","
        "\"@schemaLocation\":\"https://example.net/s.json\"}",
        "{" SPEC ",\"relatedParty\":[],\"usageCharacteristic\":[],\"ratedProductUsage\":[{}]}",
        "{" SPEC ",\"us\\u0061geType\":\"V\"}",
    };
    TAKEN(MODEL_USAGE_CREATE, rows);
}

static void a_value_may_be_any_json_and_so_may_an_extension(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":null},"
        "{\"name\":\"a\",\"value\":\"\"},{\"name\":\"a\",\"value\":{\"b\":[null,{}]}},"
        "{\"name\":\"a\",\"value\":1e999},{\"name\":\"a\",\"value\":true},"
        "{\"name\":\"a\",\"value\":[]}]}",
        "{" SPEC ",\"tariff\":null,\"zone\":{\"a\":null,\"b\":\"\"},\"\":0}",
        "{\"usageSpecification\":{\"id\":\"x\",\"more\":[null]}}",
        "{" SPEC ",\"relatedParty\":[{\"id\":\"c\",\"@referredType\":\"C\",\"tier\":null}]}",
        "{" SPEC ",\"Status\":\"anything\",\"date\":\"none\"}",
        /* the same key in two objects */
        "{" SPEC ",\"x\":{\"a\":1},\"y\":{\"a\":1},\"a\":[{\"a\":{\"a\":1}},{\"a\":1}]}",
    };
    TAKEN(MODEL_USAGE_CREATE, rows);
}

static void a_wrong_type_is_refused_by_its_path(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"[]", "the body is an array: an object is expected"},
        {"null", "the body is null: an object is expected"},
        {"\"a\"", "the body is \"a\": an object is expected"},
        {"{" SPEC ",\"description\":7}", "description is 7: a string is expected"},
        {"{" SPEC ",\"description\":null}", "description is null: a string is expected"},
        {"{" SPEC ",\"usageDate\":1795421730250}",
         "usageDate is 1795421730250: a string is expected"},
        {"{" SPEC ",\"status\":null}", "status is null: a string is expected"},
        {"{" SPEC ",\"relatedParty\":{}}", "relatedParty is an object: an array is expected"},
        {"{" SPEC ",\"relatedParty\":null}", "relatedParty is null: an array is expected"},
        {"{" SPEC ",\"relatedParty\":[null]}", "relatedParty[0] is null: an object is expected"},
        {"{\"usageSpecification\":\"x\"}", "usageSpecification is \"x\": an object is expected"},
        {"{\"usageSpecification\":{\"id\":false}}",
         "usageSpecification.id is false: a string is expected"},
        {"{" SPEC ",\"ratedProductUsage\":[{},{\"isBilled\":\"no\"}]}",
         "ratedProductUsage[1].isBilled is \"no\": true or false is expected"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"isBilled\":0}]}",
         "ratedProductUsage[0].isBilled is 0: true or false is expected"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"productRef\":[]}]}",
         "ratedProductUsage[0].productRef is an array: an object is expected"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxExcludedRatingAmount\":{\"value\":\"0.60\"}}]}",
         "ratedProductUsage[0].taxExcludedRatingAmount.value is \"0.60\": a number is expected"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxRate\":true}]}",
         "ratedProductUsage[0].taxRate is true: a number is expected"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":null,\"value\":1}]}",
         "usageCharacteristic[0].name is null: a string is expected"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1,"
         "\"characteristicRelationship\":[{\"id\":\"1\"},{\"id\":2}]}]}",
         "usageCharacteristic[0].characteristicRelationship[1].id is 2: a string is expected"},
        {"{" SPEC ",\"@type\":{\"a\":1}}", "@type is an object: a string is expected"},
    };
    REFUSED(MODEL_USAGE_CREATE, rows);
}

static void what_is_needed_must_be_there_and_not_be_empty(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"{}", "usageSpecification is absent"},
        {"{\"usageSpecification\":{}}", "usageSpecification.id is absent"},
        {"{\"usageSpecification\":{\"id\":\"\"}}",
         "usageSpecification.id is empty: leave it out, or give it a value"},
        {"{" SPEC ",\"relatedParty\":[{\"id\":\"a\",\"@referredType\":\"C\"},{\"id\":\"b\"}]}",
         "relatedParty[1].@referredType is absent"},
        {"{" SPEC ",\"relatedParty\":[{\"@referredType\":\"C\"}]}", "relatedParty[0].id is absent"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\"}]}",
         "usageCharacteristic[0].value is absent"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"value\":\"a\"}]}",
         "usageCharacteristic[0].name is absent"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"\",\"value\":\"a\"}]}",
         "usageCharacteristic[0].name is empty: leave it out, or give it a value"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"productRef\":{\"name\":\"p\"}}]}",
         "ratedProductUsage[0].productRef.id is absent"},
        {"{" SPEC ",\"description\":\"\"}",
         "description is empty: leave it out, or give it a value"},
        {"{" SPEC ",\"usageType\":\"\"}", "usageType is empty: leave it out, or give it a value"},
    };
    REFUSED(MODEL_USAGE_CREATE, rows);
}

static void a_form_is_refused_with_what_is_expected(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"{" SPEC ",\"status\":\"Rated\"}",
         "status is \"Rated\": one of received, rejected, recycled, guided, rated, rerated, billed "
         "is expected"},
        {"{" SPEC ",\"usageDate\":\"2026-02-30T00:00:00Z\"}",
         "usageDate is \"2026-02-30T00:00:00Z\": a date-time with an offset is expected, such as "
         "2026-11-23T08:15:30.250Z"},
        {"{" SPEC ",\"usageDate\":\"2026-11-23T08:15:30\"}",
         "usageDate is \"2026-11-23T08:15:30\": a date-time with an offset is expected, such as "
         "2026-11-23T08:15:30.250Z"},
        {"{" SPEC ",\"usageDate\":\"\"}",
         "usageDate is \"\": a date-time with an offset is expected, such as "
         "2026-11-23T08:15:30.250Z"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"ratingDate\":\"0000-01-01T00:00:00+00:01\"}]}",
         "ratedProductUsage[0].ratingDate is \"0000-01-01T00:00:00+00:01\": in UTC it is not in "
         "the "
         "years 0 to 9999"},
        {"{" SPEC ",\"usageDate\":\"9999-12-31T23:59:59-00:01\"}",
         "usageDate is \"9999-12-31T23:59:59-00:01\": in UTC it is not in the years 0 to 9999"},
        {"{\"usageSpecification\":{\"id\":\"x\",\"href\":\"/usageSpecification/x\"}}",
         "usageSpecification.href is \"/usageSpecification/x\": a URI with a scheme is expected"},
        {"{" SPEC ",\"@schemaLocation\":\"a\\n\\\"b\"}",
         "@schemaLocation is \"a\\x0a\\x22b\": a URI with a scheme is expected"},
        {"{" SPEC ",\"id\":\"1\"}", "id is set by the server: leave it out"},
        {"{" SPEC ",\"href\":null}", "href is set by the server: leave it out"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxRate\":0.0000000001}]}",
         "ratedProductUsage[0].taxRate is 0.0000000001: at most 29 digits before the point, 9 "
         "behind "
         "it and 38 in all are allowed"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxExcludedRatingAmount\":{\"value\":1E29}}]}",
         "ratedProductUsage[0].taxExcludedRatingAmount.value is 1E29: at most 29 digits before the "
         "point, 9 behind it and 38 in all are allowed"},
        {"{" SPEC ",\"ratedProductUsage\":[{\"taxRate\":1e-999999999999999999999}]}",
         "ratedProductUsage[0].taxRate is 1e-999999999999999999999: at most 29 digits before the "
         "point, 9 behind it and 38 in all are allowed"},
    };
    REFUSED(MODEL_USAGE_CREATE, rows);
    static const char *const edges[] = {
        "{" SPEC ",\"usageDate\":\"0000-01-01T00:00:00Z\"}",
        "{" SPEC ",\"usageDate\":\"9999-12-31T23:59:59.999Z\"}",
        "{" SPEC ",\"ratedProductUsage\":[{\"taxRate\":0.000000001},"
        "{\"taxRate\":99999999999999999999999999999.999999999},{\"taxRate\":0.6000000000000},"
        "{\"taxRate\":-0},{\"taxRate\":1e28},{\"taxRate\":1.5e-8}]}",
    };
    TAKEN(MODEL_USAGE_CREATE, edges);
}

static void a_patch_may_remove_what_may_be_absent(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"description\":null,\"usageType\":null,\"usageCharacteristic\":null,\"relatedParty\":"
        "null,\"ratedProductUsage\":null,\"@type\":null,\"@baseType\":null,\"@schemaLocation\":"
        "null,\"extension\":null}",
        "{\"usageSpecification\":{}}",
        "{\"usageSpecification\":{\"name\":null,\"href\":null,\"@referredType\":null,\"x\":null}}",
        "{\"usageSpecification\":{\"name\":\"n\"}}",
        "{\"status\":\"guided\",\"relatedParty\":[{\"id\":\"a\",\"@referredType\":\"C\"}]}",
        "{\"usageDate\":\"2026-11-23T08:15:30Z\",\"x\":{\"y\":null}}",
    };
    TAKEN(MODEL_USAGE_UPDATE, rows);
    static const struct refused_row refused[] = {
        {"{\"status\":null}", "status is null: a string is expected"},
        {"{\"usageDate\":null}", "usageDate is null: a string is expected"},
        {"{\"usageSpecification\":null}", "usageSpecification is null: an object is expected"},
        {"{\"usageSpecification\":{\"id\":null}}",
         "usageSpecification.id is null: a string is expected"},
        {"{\"id\":null}", "id is set by the server: leave it out"},
        {"{\"href\":\"http://h\"}", "href is set by the server: leave it out"},
        /* what is inside an array replaces, so it is not a patch */
        {"{\"relatedParty\":[{\"id\":\"a\",\"@referredType\":\"C\",\"role\":null}]}",
         "relatedParty[0].role is null: a string is expected"},
        {"{\"relatedParty\":[{\"id\":\"a\"}]}", "relatedParty[0].@referredType is absent"},
        {"{\"description\":\"\"}", "description is empty: leave it out, or give it a value"},
        {"[]", "the body is an array: an object is expected"},
        {"null", "the body is null: an object is expected"},
        {"{\"x\":1,\"x\":1}", "x stands twice"},
    };
    REFUSED(MODEL_USAGE_UPDATE, refused);
}

static void a_merged_usage_keeps_what_a_record_may_bring(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"usageSpecification\":{\"id\":\"x\",\"href\":\"/voice 1\"}}",
        "{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":{\"k\":1,\"k\":[null]}}]}",
    };
    TAKEN(MODEL_USAGE_MERGED, rows);
    static const struct refused_row refused[] = {
        {"{}", "usageSpecification is absent"},
        {"{" SPEC ",\"id\":\"1\"}", "id is set by the server: leave it out"},
        {"{" SPEC ",\"description\":null}", "description is null: a string is expected"},
        {"{" SPEC ",\"x\":{\"k\":1,\"k\":1}}", "x.k stands twice"},
        {"{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":[}]}",
         "the body is no JSON that is taken: at byte 77 a value is expected"},
    };
    REFUSED(MODEL_USAGE_MERGED, refused);
}

static void a_specification_is_checked_through_all_its_parts(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"name\":\"x\"}",
        "{\"name\":\"VoiceUsageSpecification\",\"description\":\"d\",\"version\":\"1.0\","
        "\"lifecycleStatus\":\"Active\",\"isBundle\":false,\"lastUpdate\":\"2026-01-01T00:00:00Z\","
        "\"validFor\":{\"startDateTime\":\"2026-01-01T00:00:00Z\"},\"specCharacteristic\":[{"
        "\"name\":\"d\",\"valueType\":\"integer\",\"minCardinality\":1,\"maxCardinality\":-1,"
        "\"configurable\":true,\"characteristicValueSpecification\":[{\"valueFrom\":0,\"valueTo\":"
        "123456789012345678901234567890,\"value\":null,\"rangeInterval\":\"closed\"}],"
        "\"charSpecRelationship\":[{\"parentSpecificationHref\":\"http://h\"}]}],\"attachment\":[{"
        "\"content\":\"aGk=\",\"size\":{\"amount\":1.5e400,\"units\":\"MB\"},\"url\":\"http://"
        "h\"}],"
        "\"constraint\":[{\"id\":\"1\",\"version\":\"2\"}],\"entitySpecRelationship\":[{"
        "\"relationshipType\":\"r\",\"associationSpec\":{\"id\":\"1\"}}],\"targetEntitySchema\":{"
        "\"@type\":\"T\",\"@schemaLocation\":\"not a URI\"},\"relatedParty\":[{\"id\":\"1\","
        "\"@referredType\":\"C\"}],\"x\":{\"y\":null}}",
    };
    TAKEN(MODEL_SPECIFICATION_CREATE, rows);
    static const struct refused_row refused[] = {
        {"{}", "name is absent"},
        {"{\"name\":\"\"}", "name is empty: leave it out, or give it a value"},
        {"{\"name\":\"x\",\"id\":\"1\"}", "id is set by the server: leave it out"},
        {"{\"name\":\"x\",\"isBundle\":\"false\"}",
         "isBundle is \"false\": true or false is expected"},
        {"{\"name\":\"x\",\"validFor\":{\"endDateTime\":\"2026-01-01\"}}",
         "validFor.endDateTime is \"2026-01-01\": a date-time with an offset is expected, such as "
         "2026-11-23T08:15:30.250Z"},
        {"{\"name\":\"x\",\"validFor\":null}", "validFor is null: an object is expected"},
        {"{\"name\":\"x\",\"specCharacteristic\":[{\"minCardinality\":1.0}]}",
         "specCharacteristic[0].minCardinality is 1.0: an integer is expected"},
        {"{\"name\":\"x\",\"specCharacteristic\":[{\"maxCardinality\":1e0}]}",
         "specCharacteristic[0].maxCardinality is 1e0: an integer is expected"},
        {"{\"name\":\"x\",\"specCharacteristic\":[{\"maxCardinality\":\"1\"}]}",
         "specCharacteristic[0].maxCardinality is \"1\": an integer is expected"},
        {"{\"name\":\"x\",\"specCharacteristic\":[{},{\"characteristicValueSpecification\":[{},{"
         "\"validFor\":{\"startDateTime\":7}}]}]}",
         "specCharacteristic[1].characteristicValueSpecification[1].validFor.startDateTime is 7: a "
         "string is expected"},
        {"{\"name\":\"x\",\"attachment\":[{\"size\":{\"amount\":\"1\"}}]}",
         "attachment[0].size.amount is \"1\": a number is expected"},
        {"{\"name\":\"x\",\"constraint\":[{}]}", "constraint[0].id is absent"},
        {"{\"name\":\"x\",\"entitySpecRelationship\":[{}]}",
         "entitySpecRelationship[0].relationshipType is absent"},
        {"{\"name\":\"x\",\"entitySpecRelationship\":[{\"relationshipType\":\"r\","
         "\"associationSpec\":{}}]}",
         "entitySpecRelationship[0].associationSpec.id is absent"},
        {"{\"name\":\"x\",\"targetEntitySchema\":{\"@type\":\"T\"}}",
         "targetEntitySchema.@schemaLocation is absent"},
    };
    REFUSED(MODEL_SPECIFICATION_CREATE, refused);
}

static void a_patch_of_a_specification_merges_into_its_parts(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"description\":null,\"validFor\":null,\"specCharacteristic\":null,"
        "\"targetEntitySchema\":null,\"isBundle\":null,\"lastUpdate\":null,\"x\":null}",
        "{\"validFor\":{\"endDateTime\":null}}",
        "{\"targetEntitySchema\":{\"@type\":\"T\"}}",
    };
    TAKEN(MODEL_SPECIFICATION_UPDATE, rows);
    static const struct refused_row refused[] = {
        {"{\"name\":null}", "name is null: a string is expected"},
        {"{\"targetEntitySchema\":{\"@type\":null}}",
         "targetEntitySchema.@type is null: a string is expected"},
        {"{\"validFor\":{\"endDateTime\":\"\"}}",
         "validFor.endDateTime is \"\": a date-time with an offset is expected, such as "
         "2026-11-23T08:15:30.250Z"},
        {"{\"id\":\"1\"}", "id is set by the server: leave it out"},
    };
    REFUSED(MODEL_SPECIFICATION_UPDATE, refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usage_of_the_model_is_taken),
        cmocka_unit_test(a_value_may_be_any_json_and_so_may_an_extension),
        cmocka_unit_test(a_wrong_type_is_refused_by_its_path),
        cmocka_unit_test(what_is_needed_must_be_there_and_not_be_empty),
        cmocka_unit_test(a_form_is_refused_with_what_is_expected),
        cmocka_unit_test(a_patch_may_remove_what_may_be_absent),
        cmocka_unit_test(a_merged_usage_keeps_what_a_record_may_bring),
        cmocka_unit_test(a_specification_is_checked_through_all_its_parts),
        cmocka_unit_test(a_patch_of_a_specification_merges_into_its_parts),
    };
    return cmocka_run_group_tests(tests, start, end);
}
