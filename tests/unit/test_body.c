#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/instant.h"
#include "usage/id.h"

#include "body_scene.h"

#define SPEC "\"usageSpecification\":{\"id\":\"s\"}"
#define DATE "\"usageDate\":\"2026-11-23T08:15:30.250Z\""
#define KEY                                                                                        \
    "{\"name\":\"sourceSystem\",\"value\":\"med-gz-02\"},"                                         \
    "{\"name\":\"sourceRecordId\",\"value\":\"20261123-000417-88231\"}"
#define RATING                                                                                     \
    "\"ratingDate\":\"2026-11-23T08:18:41.007Z\",\"taxExcludedRatingAmount\":{\"unit\":\"CNY\","   \
    "\"value\":0.60},\"taxIncludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.636},\"taxRate\":"  \
    "6,"                                                                                           \
    "\"productRef\":{\"id\":\"p\"}"

static void the_least_body_gets_the_defaults(void **state)
{
    (void)state;
    taken("{" SPEC "}");

    assert_string_equal(shown_attributes(body.usage),
                        "\"status\":\"received\",\"usageDate\":\"2026-11-23T08:20:00.000Z\"," SPEC
                        ",\"@type\":\"Usage\"}");
    assert_false(body.natural);
    assert_null(body.source.p);
    assert_null(body.record_id.p);
    assert_int_equal(body.usage->revision, 1);
    assert_int_equal(id_version(&body.usage->id), 7);
    assert_int_equal(id_milliseconds(&body.usage->id), SAMPLE_NOW);
    assert_int_equal(body.usage->usage_date, SAMPLE_NOW);
}

static void a_whole_body_comes_out_as_it_went_in(void **state)
{
    (void)state;
    static const char whole[] =
        "\"description\":\"d\",\"status\":\"rated\",\"ratedProductUsage\":[{"
        "\"ratingDate\":\"2026-11-23T08:18:41.007Z\",\"ratingAmountType\":\"T\","
        "\"usageRatingTag\":\"u\",\"offerTariffType\":\"o\","
        "\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.60,\"id\":\"1\"},"
        "\"taxIncludedRatingAmount\":{\"unit\":\"CNY\",\"value\":-0.636},"
        "\"bucketValueConvertedInAmount\":{\"unit\":\"MB\",\"value\":0},\"taxRate\":6.00,"
        "\"isTaxExempt\":true,\"isBilled\":false,"
        "\"productRef\":{\"id\":\"p\",\"href\":\"h\",\"name\":\"n\",\"@referredType\":\"Product\","
        "\"@type\":\"P\"},\"discount\":[0.10]}],"
        "\"usageDate\":\"2026-11-23T08:15:30.250Z\",\"usageType\":\"VOICE\","
        "\"usageSpecification\":{\"id\":\"s\",\"href\":\"h\",\"name\":\"n\",\"@referredType\":"
        "\"U\","
        "\"@type\":\"S\"},"
        "\"usageCharacteristic\":[{\"id\":\"1\",\"name\":\"a\",\"valueType\":\"date-time\","
        "\"value\":"
        "\"2026-11-23T08:15:30.250+08:00\",\"characteristicRelationship\":[{\"id\":\"2\",\"href\":"
        "\"h\",\"relationshipType\":\"of\",\"x\":{\"y\":null}}],\"@type\":\"C\"},"
        "{\"name\":\"a\",\"valueType\":\"integer\",\"value\":300},"
        "{\"name\":\"a\",\"valueType\":\"number\",\"value\":300.0},"
        "{\"name\":\"a\",\"valueType\":\"number\",\"value\":1E+400},"
        "{\"name\":\"a\",\"valueType\":\"boolean\",\"value\":false},"
        "{\"name\":\"a\",\"valueType\":\"object\",\"value\":{ \"b\" : [null] }},"
        "{\"name\":\"a\",\"valueType\":\"array\",\"value\":[]},"
        "{\"name\":\"a\",\"valueType\":\"string\",\"value\":\"\"},"
        "{\"name\":\"a\",\"value\":null}],"
        "\"relatedParty\":[{\"id\":\"p\",\"href\":\"h\",\"role\":\"r\",\"name\":\"n\","
        "\"@referredType\":\"Individual\",\"@baseType\":\"B\"}],"
        "\"@type\":\"VoiceUsage\",\"@baseType\":\"Usage\",\"@schemaLocation\":\"l\","
        "\"roamingZone\":{\"a\":null,\"b\":1.50},\"revision\":1}";

    taken(arena_printf(a, "{\"id\":\"x\",\"href\":5,%s", whole)); /* as GET or an export shows it */

    assert_string_equal(shown_attributes(body.usage), whole);
}

static void what_the_mapping_fills_in_is_filled_in(void **state)
{
    (void)state;
    taken("{" SPEC ",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":\"x\"},"
          "{\"name\":\"a\",\"value\":5},{\"name\":\"a\",\"value\":5.0},{\"name\":\"a\",\"value\":"
          "true},{\"name\":\"a\",\"value\":{}},{\"name\":\"a\",\"value\":[]},"
          "{\"name\":\"a\",\"value\":1e400},{\"name\":\"a\",\"value\":5,\"valueType\":\"x\"},"
          "{\"name\":\"a\",\"value\":5,\"valueType\":\"\"}]}");
    static const char *const types[] = {"string", "integer", "number", "boolean", "object",
                                        "array",  "number",  "x",      "integer"};
    const struct characteristic *c = body.usage->characteristics.items;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_true(text_is(c[i].value_type, types[i]));
}

static void what_counts_as_absent_is_absent(void **state)
{
    (void)state;
    taken("{\"description\":\"\",\"usageType\":\"\",\"usageSpecification\":{\"id\":\"s\",\"name\":"
          "\"\",\"href\":\"\",\"@referredType\":\"\",\"x\":null},\"usageCharacteristic\":[],"
          "\"relatedParty\":[],\"ratedProductUsage\":[],\"@type\":\"\",\"@baseType\":\"\","
          "\"@schemaLocation\":\"\",\"x\":null,\"y\":1,\"z\":null,\"v\":2," DATE "}");

    assert_string_equal(shown_attributes(body.usage), "\"status\":\"received\"," DATE "," SPEC
                                                      ",\"@type\":\"Usage\",\"y\":1,\"v\":2}");
    assert_null(body.usage->description.p); /* columns: null, not empty */
    assert_null(body.usage->usage_type.p);

    taken("{" SPEC "," DATE
          ",\"status\":\"guided\",\"usageCharacteristic\":[{\"name\":\"a\",\"value\":1,\"id\":\"\","
          "\"characteristicRelationship\":[],\"x\":null},{\"name\":\"b\",\"value\":1,"
          "\"characteristicRelationship\":[{\"id\":\"\",\"x\":null,\"y\":[null]}]}],"
          "\"relatedParty\":[{\"id\":\"p\",\"role\":\"\",\"name\":\"\",\"href\":\"\",\"@"
          "referredType\":"
          "\"C\",\"x\":null}],\"ratedProductUsage\":[{\"ratingAmountType\":\"\",\"x\":null,"
          "\"productRef\":{\"id\":\"p\",\"name\":\"\",\"x\":null},\"taxExcludedRatingAmount\":{"
          "\"unit\":\"\",\"x\":null}}]}");

    assert_string_equal(
        shown_attributes(body.usage),
        "\"status\":\"guided\",\"ratedProductUsage\":[{\"taxExcludedRatingAmount\":{},"
        "\"productRef\":{\"id\":\"p\"}}]," DATE "," SPEC
        ",\"usageCharacteristic\":[{\"name\":\"a\",\"valueType\":\"integer\",\"value\":1},"
        "{\"name\":\"b\",\"valueType\":\"integer\",\"value\":1,\"characteristicRelationship\":[{"
        "\"y\":[null]}]}],\"relatedParty\":[{\"id\":\"p\",\"@referredType\":\"C\"}],"
        "\"@type\":\"Usage\"}");
}

static void what_is_kept_as_it_stands_is_brought_onto_one_line(void **state)
{
    (void)state;
    taken(
        "{\n  " SPEC ",\n  \"x\": {\n \"a\\n b\": 1\n },\r\n \"y\": [ 1 ],\n " DATE
        ", \"usageCharacteristic\": [{\"name\":\"a\",\"value\":{\n\"b\": \" \\\" \" }, \"u\": [\n]"
        "}, {\"name\":\"a\",\"value\":{ \"b\" : 1 }}] }");

    const char *text = shown_attributes(body.usage);

    assert_null(strchr(text, '\n'));
    assert_null(strchr(text, '\r'));
    assert_non_null(strstr(text, "\"x\":{\"a\\n b\":1},\"y\":[1]}"));
    assert_non_null(strstr(text, "\"value\":{\"b\":\" \\\" \"},\"u\":[]}"));
    assert_non_null(strstr(text, "\"value\":{ \"b\" : 1 }}")); /* has no line end: as it came */
}

static void dates_are_cut_to_milliseconds_in_utc(void **state)
{
    (void)state;
    taken("{" SPEC ",\"usageDate\":\"2026-11-23T16:15:30.2509999+08:00\",\"ratedProductUsage\":["
          "{\"ratingDate\":\"2026-11-23T08:18:41Z\"}]}");

    assert_int_equal(body.usage->usage_date, SAMPLE_DATE);
    assert_non_null(strstr(shown(body.usage), "{\"ratingDate\":\"2026-11-23T08:18:41.000Z\"}"));
    assert_int_equal(id_milliseconds(&body.usage->id), SAMPLE_DATE);
    assert_int_equal(id_version(&body.usage->id), 7);
}

static void a_date_outside_the_window_is_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        bool inside;
    } rows[] = {
        {SAMPLE_NOW + 86400000, true},
        {SAMPLE_NOW + 86400001, false},
        {SAMPLE_NOW - INT64_C(3650) * 86400000, true},
        {SAMPLE_NOW - INT64_C(3650) * 86400000 - 1, false},
        {-1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char date[INSTANT_CHARS];
        instant_print(rows[i].ms, date);
        const char *json = arena_printf(a, "{" SPEC ",\"usageDate\":\"%s\"}", date);
        if (rows[i].inside)
            taken(json);
        else
            refused(json, REASON_DATE, date);
    }
}

static void a_natural_key_makes_the_id_of_the_record(void **state)
{
    (void)state;
    char id[ID_CHARS];
    taken("{" SPEC "," DATE ",\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":5},"
          "{\"name\":\"sourceSystem\",\"value\":\"\"}," KEY
          ",{\"name\":\"sourceRecordId\",\"value\":\"other\"}]}");

    id_print(&body.usage->id, id);

    assert_true(body.natural);
    assert_string_equal(id, SAMPLE_ID);
    assert_true(text_is(body.source, "med-gz-02"));
    assert_true(text_is(body.record_id, "20261123-000417-88231"));
}

static const char *keyed(size_t source_bytes, size_t record_bytes)
{
    char *source = arena_zero(a, source_bytes + 1), *record = arena_zero(a, record_bytes + 1);
    memset(source, 'x', source_bytes);
    memset(record, 'y', record_bytes);
    return arena_printf(a,
                        "{" SPEC "," DATE ",\"usageCharacteristic\":[{\"name\":\"sourceSystem\","
                        "\"value\":\"%s\"},{\"name\":\"sourceRecordId\",\"value\":\"%s\"}]}",
                        source, record);
}

static void without_all_of_a_key_there_is_none(void **state)
{
    (void)state;
    const struct {
        const char *json;
        bool natural;
    } rows[] = {
        {"{" SPEC ",\"usageCharacteristic\":[" KEY "]}", false}, /* no usageDate */
        {"{" SPEC "," DATE
         ",\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":\"x\"}]}",
         false},
        {"{" SPEC "," DATE ",\"usageCharacteristic\":[{\"name\":\"sourceSystem\",\"value\":\"x\"},"
         "{\"name\":\"sourceRecordId\",\"value\":5}]}",
         false},
        {keyed(0, 1), false},
        {keyed(1, 0), false},
        {keyed(1, 1), true},
        {keyed(128, 256), true},
        {keyed(129, 256), false},
        {keyed(128, 257), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taken(rows[i].json);
        assert_int_equal(body.natural, rows[i].natural);
        assert_int_equal(id_version(&body.usage->id), rows[i].natural ? 8 : 7);
        assert_int_equal(body.source.p != NULL, rows[i].natural);
    }
}

static void a_price_is_whole_and_gets_the_defaults(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "ratedProductUsage is empty"},
        {"{}", "ratedProductUsage[0].ratingDate is absent"},
        {"{" RATING "},{" RATING ",\"taxRate\":1},{\"ratingDate\":\"2026-11-23T08:18:41.007Z\"}",
         "ratedProductUsage[2].taxExcludedRatingAmount is absent"},
    };
    for (size_t i = 0; i < 3; i++)
        refused(arena_printf(a, "{" SPEC ",\"status\":\"rerated\",\"ratedProductUsage\":[%s]}",
                             rows[i][0]),
                REASON_INCOMPLETE, rows[i][1]);

    taken("{" SPEC ",\"status\":\"billed\",\"ratedProductUsage\":[{" RATING
          ",\"isBilled\":true}]}");

    const struct rating *r = body.usage->ratings.items;
    assert_true(text_is(r->rating_amount_type, "Total") && text_is(r->offer_tariff_type, "Normal"));
    assert_true(text_is(r->usage_rating_tag, "usage"));
    assert_int_equal(r->is_tax_exempt, 0);
    assert_int_equal(r->is_billed, 1);

    taken("{" SPEC ",\"status\":\"guided\",\"ratedProductUsage\":[{" RATING "}]}");

    r = body.usage->ratings.items;
    assert_null(r->rating_amount_type.p);
    assert_int_equal(r->is_billed, -1);
}

static void amounts_have_the_limits_of_the_mapping(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        bool inside;
    } rows[] = {
        {"12345678901234567890123456789.123456789", true},
        {"-1e28", true},
        {"123456789012345678901234567890", false},
        {"1e29", false},
        {"0.1234567891", false},
        {"0.1234567890", true},
        {"1e-10", false},
        {"1e400", false},
    };
    static const char *const places[] = {
        "\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":%s}",
        "\"bucketValueConvertedInAmount\":{\"value\":%s}", "\"taxRate\":%s"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t k = 0; k < 3; k++) {
            char place[200], json[500];
            snprintf(place, sizeof place, places[k], rows[i].number);
            snprintf(json, sizeof json, "{" SPEC ",\"ratedProductUsage\":[{%s}]}", place);
            if (rows[i].inside)
                taken(json);
            else
                refused(json, REASON_VALUE, "digits");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_body_gets_the_defaults),
        cmocka_unit_test(a_whole_body_comes_out_as_it_went_in),
        cmocka_unit_test(what_the_mapping_fills_in_is_filled_in),
        cmocka_unit_test(what_counts_as_absent_is_absent),
        cmocka_unit_test(what_is_kept_as_it_stands_is_brought_onto_one_line),
        cmocka_unit_test(dates_are_cut_to_milliseconds_in_utc),
        cmocka_unit_test(a_date_outside_the_window_is_refused),
        cmocka_unit_test(a_natural_key_makes_the_id_of_the_record),
        cmocka_unit_test(without_all_of_a_key_there_is_none),
        cmocka_unit_test(a_price_is_whole_and_gets_the_defaults),
        cmocka_unit_test(amounts_have_the_limits_of_the_mapping),
    };
    return cmocka_run_group_tests(tests, start, end);
}
