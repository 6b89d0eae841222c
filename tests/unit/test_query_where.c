/* Filters as SQL: ranges of ids, columns, and the same element of an array
 * (HTTP contract section 5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "query_scene.h"

#define ID "01a20779-75ca-882e-8c96-86cbff439931"
#define OTHER "01a20779-75ca-882e-8c96-86cbff439932"

static const char *low_of(const char *date)
{
    struct usage_id id = id_floor(ms(date));
    char *text = arena_alloc(a, ID_CHARS);
    id_print(&id, text);
    return text;
}

/* The last id before a date. */
static const char *high_of(const char *date)
{
    struct usage_id id = id_floor(ms(date) - 1);
    char *text = arena_alloc(a, ID_CHARS);
    memset(id.bytes + 6, 255, 10);
    id_print(&id, text);
    return text;
}

static void assert_range(const char *raw, const char *low, const char *high)
{
    const char *from = low ? arena_printf(a, "id >= <%s>::uuid", low) : "";
    const char *to = high ? arena_printf(a, "id <= <%s>::uuid", high) : "";
    assert_where(raw, arena_printf(a, "%s%s%s", from, low && high ? " AND " : "", to));
}

/* --- ranges of ids -----------------------------------------------------------------------------
 */

static void a_window_of_dates_is_a_range_of_ids(void **state)
{
    (void)state;
    assert_range("usageDate.gte=2026-11-01T00:00:00Z&usageDate.lt=2026-12-01T00:00:00Z",
                 low_of("2026-11-01T00:00:00Z"), high_of("2026-12-01T00:00:00Z"));
    assert_range("usageDate.gt=2026-11-01T00:00:00Z", low_of("2026-11-01T00:00:00.001Z"), NULL);
    assert_range("usageDate.lte=2026-11-01T00:00:00Z", NULL, high_of("2026-11-01T00:00:00.001Z"));
    assert_range("usageDate.gte=2026-11-01T00:00:00.0001Z", low_of("2026-11-01T00:00:00.001Z"),
                 NULL);
    assert_where("usageDate.gte=2026-11-02T00:00:00Z&usageDate.lt=2026-11-01T00:00:00Z", "false");
}

static void repeated_windows_are_and_and_their_values_or(void **state)
{
    (void)state;
    assert_range("usageDate.gt=2026-11-01T00:00:00Z&usageDate.gte=2026-11-02T00:00:00Z",
                 low_of("2026-11-02T00:00:00Z"), NULL);
    assert_range("usageDate.gte=2026-11-02T00:00:00Z,2026-11-01T00:00:00Z",
                 low_of("2026-11-01T00:00:00Z"), NULL);
    assert_range("usageDate.lt=2026-11-02T00:00:00Z,2026-11-01T00:00:00Z", NULL,
                 high_of("2026-11-02T00:00:00Z"));
}

static void a_date_alone_is_the_ids_of_that_millisecond(void **state)
{
    (void)state;
    const char *low = low_of("2026-11-01T00:00:00Z"), *high = high_of("2026-11-01T00:00:00.001Z"),
               *later = low_of("2026-12-01T00:00:00Z"),
               *latest = high_of("2026-12-01T00:00:00.001Z");
    const char *either = arena_printf(a,
                                      "((id >= <%s>::uuid AND id <= <%s>::uuid) OR "
                                      "(id >= <%s>::uuid AND id <= <%s>::uuid))",
                                      low, high, later, latest);
    assert_range("usageDate=2026-11-01T00:00:00Z", low, high);
    assert_where(
        "usageDate=2026-11-01T00:00:00Z,2026-12-01T00:00:00Z",
        arena_printf(a, "id >= <%s>::uuid AND id <= <%s>::uuid AND %s", low, latest, either));
    assert_where("usageDate.ne=2026-11-01T00:00:00Z,2026-12-01T00:00:00Z",
                 arena_printf(a, "(%s) IS NOT TRUE", either));
    assert_where("usageDate=2026-11-01T00:00:00.0001Z", "false"); /* nothing stored lies there */
    assert_where("usageDate.ne=2026-11-01T00:00:00.0001Z", "((false)) IS NOT TRUE");
}

static void windows_beyond_what_an_id_can_name_are_open_or_empty(void **state)
{
    (void)state;
    assert_where("usageDate.gte=1960-01-01T00:00:00Z", "true");
    assert_where("usageDate.lt=1960-01-01T00:00:00Z", "false");
    assert_where("usageDate.lt=1970-01-01T00:00:00Z", "false");
    assert_where("usageDate.gte=1970-01-01T00:00:00Z", "true");
    assert_range("usageDate.lte=9999-12-31T23:59:59Z", NULL, high_of("9999-12-31T23:59:59.001Z"));
}

static void an_id_that_is_no_uuid_matches_nothing(void **state)
{
    (void)state;
    assert_where("id=x", "false");
    assert_where("id=", "false");
    assert_where("id=x&status=rated", "false");
    assert_where("id.ne=x", "(false) IS NOT TRUE");
    assert_where("id=" ID, "id = <" ID ">::uuid");
    assert_where("id=01A20779-75CA-882E-8C96-86CBFF439931,x", "id = <" ID ">::uuid");
    assert_where("id=" ID "," OTHER, "id = ANY(<" ID "," OTHER ">::uuid[])");
    assert_where("id.ne=" ID, "(id = <" ID ">::uuid) IS NOT TRUE");
}

static void an_order_of_ids_is_a_range(void **state)
{
    (void)state;
    assert_range("id.gte=" ID, ID, NULL);
    assert_range("id.lte=" ID, NULL, ID);
    assert_range("id.gt=" ID, OTHER, NULL);
    assert_range("id.lt=" OTHER, NULL, ID);
    assert_range("id.gt=" OTHER "," ID, OTHER, NULL);
    assert_range("id.gt=00000000-0000-0000-0000-0000000000ff",
                 "00000000-0000-0000-0000-000000000100", NULL);
    assert_where("id.gt=ffffffff-ffff-ffff-ffff-ffffffffffff", "false");
    assert_where("id.lt=00000000-0000-0000-0000-000000000000", "false");
    assert_where("id.gt=" ID "&id.lt=" OTHER, "false");
    assert_where("id.gt=01a", "(id::text) COLLATE \"C\" > <01a>");
    assert_where("id.regex=^01a", "(id::text) COLLATE \"C\" ~ <^01a>");
}

static void ids_outside_of_the_window_are_not_looked_for(void **state)
{
    (void)state;
    assert_where("id=" ID "," OTHER "&id.gt=" ID, "id = <" OTHER ">::uuid");
    assert_where("id=" ID "&usageDate.lt=2026-11-01T00:00:00Z", "false");
    assert_where("id=" ID "&usageDate.gt=2026-11-01T00:00:00Z", "id = <" ID ">::uuid");
}

static void an_href_is_found_by_its_id(void **state)
{
    (void)state;
    assert_where("href=http://h/v4/usage/" ID, "id = <" ID ">::uuid");
    assert_where("href=http://h/v4/usages/" ID, "false");
    assert_where("href=http://h/v4/usage/x", "false");
    assert_where("href=http://h/v4/usage/" ID "&id=" OTHER, "false");
    assert_where("href=http://h/v4/usage/" ID "&id=" OTHER "," ID, "id = <" ID ">::uuid");
    assert_where("href.regex=x$", "((<http://h/v4/usage/> || id::text)) COLLATE \"C\" ~ <x$>");
    assert_specification_where("href=x", "(<http://h/v4/usageSpecification/> || id) = <x>");
}

static void groups_that_all_have_a_window_have_an_outer_one(void **state)
{
    (void)state;
    const char *low = low_of("2026-11-01T00:00:00Z"), *high = high_of("2026-11-02T00:00:00Z"),
               *later = low_of("2026-11-05T00:00:00Z"), *latest = high_of("2026-11-06T00:00:00Z");
    const char *first = "usageDate.gte=2026-11-01T00:00:00Z&usageDate.lt=2026-11-02T00:00:00Z",
               *second = "usageDate.gte=2026-11-05T00:00:00Z&usageDate.lt=2026-11-06T00:00:00Z";
    assert_where(arena_printf(a, "%s;%s&status=rated", second, first),
                 arena_printf(a,
                              "id >= <%s>::uuid AND id <= <%s>::uuid AND "
                              "((id >= <%s>::uuid AND id <= <%s>::uuid) OR "
                              "(id >= <%s>::uuid AND id <= <%s>::uuid AND status = <rated>))",
                              low, latest, later, latest, low, high));
    assert_where(arena_printf(a, "%s;id=" ID, first),
                 arena_printf(a,
                              "id >= <%s>::uuid AND id <= <" ID ">::uuid AND "
                              "((id >= <%s>::uuid AND id <= <%s>::uuid) OR (id = <" ID ">::uuid))",
                              low, low, high));
    assert_where(arena_printf(a, "%s;status=rated", first),
                 arena_printf(a, "((id >= <%s>::uuid AND id <= <%s>::uuid) OR (status = <rated>))",
                              low, high));
    assert_where("id=x;id=y", "false AND ((false) OR (false))");
}

/* --- columns -----------------------------------------------------------------------------------
 */

static void a_party_is_looked_for_in_both_columns(void **state)
{
    (void)state;
    assert_where("relatedParty.id=a", "(party_id = <a> OR other_party_ids && <a>)");
    assert_where("relatedParty.id=a,b", "(party_id = ANY(<a,b>) OR other_party_ids && <a,b>)");
    assert_where("relatedParty.id.ne=a",
                 "((party_id = <a> OR other_party_ids && <a>)) IS NOT TRUE");
    assert_where("relatedParty.id.gt=a",
                 "EXISTS (SELECT FROM json_array_elements(document::json->'relatedParty') AS e1 "
                 "(v1) WHERE (v1->>'id') COLLATE \"C\" > <a>)");
}

static const char *party_part(const char *raw, int party)
{
    struct query q = parsed(raw);
    struct query_sql s = {.a = a};
    query_where(&q, party, &s);
    return readable(&s);
}

static void a_party_filter_can_be_read_in_parts_that_share_no_row(void **state)
{
    (void)state;
    struct query two = parsed("relatedParty.id=a,b"), twice = parsed("relatedParty.id=a,a"),
                 sorted = parsed("relatedParty.id=a&sort=status"),
                 groups = parsed("relatedParty.id=a;status=rated"),
                 ne = parsed("relatedParty.id.ne=a"),
                 nine = parsed("relatedParty.id=1,2,3,4,5,6,7,8,9");

    assert_int_equal(query_parties(&two), 2);
    assert_int_equal(query_parties(&twice), 0); /* its parts would share rows */
    assert_int_equal(query_parties(&sorted), 0);
    assert_int_equal(query_parties(&groups), 0);
    assert_int_equal(query_parties(&ne), 0);
    assert_int_equal(query_parties(&nine), 0);
    assert_string_equal(party_part("relatedParty.id=a,b&status=rated", 1),
                        "party_id = <b> AND status = <rated>");
    assert_string_equal(party_part("relatedParty.id=a,b&status=rated", QUERY_PARTY_OTHERS),
                        "(party_id = ANY(<a,b>)) IS NOT TRUE AND other_party_ids && <a,b> AND "
                        "status = <rated>");
}

static void the_specifications_id_has_a_column_and_its_name_has_none(void **state)
{
    (void)state;
    assert_where("usageSpecification.id=a", "specification_id = <a>");
    assert_where("usageSpecification.name=a&usageSpecification.@referredType=b",
                 "document::json->'usageSpecification'->>'name' = <a> AND "
                 "document::json->'usageSpecification'->>'@referredType' = <b>");
    assert_where("%40type=Usage", "document::json->>'@type' = <Usage>");
    assert_where("usageDate.regex=^2026", "(document::json->>'usageDate') COLLATE \"C\" ~ <^2026>");
}

/* --- elements ----------------------------------------------------------------------------------
 */

#define ELEMENT(array, condition)                                                                  \
    "EXISTS (SELECT FROM json_array_elements(document::json->'" array                              \
    "') AS e1 (v1) WHERE " condition ")"

static void conditions_under_one_array_are_asked_of_the_same_element(void **state)
{
    (void)state;
    assert_where("usageCharacteristic.name=caller&status=rated&usageCharacteristic.valueType=x",
                 "status = <rated> AND " ELEMENT(
                     "usageCharacteristic", "v1->>'name' = <caller> AND v1->>'valueType' = <x>"));
    assert_where("relatedParty.role=a&usageCharacteristic.name=b&relatedParty.name=c",
                 ELEMENT("relatedParty", "v1->>'role' = <a> AND v1->>'name' = <c>") " AND " ELEMENT(
                     "usageCharacteristic", "v1->>'name' = <b>"));
    assert_where("relatedParty.role=payer&relatedParty.id=a",
                 "(party_id = <a> OR other_party_ids && <a>) AND " ELEMENT(
                     "relatedParty", "v1->>'role' = <payer> AND v1->>'id' = <a>"));
    assert_where(
        "ratedProductUsage.isBilled=true&ratedProductUsage.productRef.id=p",
        "EXISTS (SELECT FROM json_array_elements(rated_product_usage::json) AS e1 (v1) WHERE "
        "v1->>'isBilled' = <true> AND v1->'productRef'->>'id' = <p>)");
}

static void in_another_group_it_may_be_another_element(void **state)
{
    (void)state;
    assert_where("usageCharacteristic.name=a;usageCharacteristic.valueType=b",
                 "((" ELEMENT("usageCharacteristic", "v1->>'name' = <a>") ") OR (" ELEMENT(
                     "usageCharacteristic", "v1->>'valueType' = <b>") "))");
}

static void arrays_in_arrays_have_elements_in_the_same_element(void **state)
{
    (void)state;
    assert_where("usageCharacteristic.name=a&usageCharacteristic.characteristicRelationship.id=b&"
                 "usageCharacteristic.id=c&usageCharacteristic.characteristicRelationship.href=d",
                 ELEMENT("usageCharacteristic",
                         "v1->>'name' = <a> AND EXISTS (SELECT FROM json_array_elements("
                         "v1->'characteristicRelationship') AS e2 (v2) WHERE v2->>'id' = <b> AND "
                         "v2->>'href' = <d>) AND v1->>'id' = <c>"));
}

static void not_equal_is_judged_by_itself_over_all_elements(void **state)
{
    (void)state;
    assert_where(
        "usageCharacteristic.name=a&usageCharacteristic.name.ne=b",
        "(" ELEMENT("usageCharacteristic", "v1->>'name' = <b>") ") IS NOT TRUE AND " ELEMENT(
            "usageCharacteristic", "v1->>'name' = <a>"));
    assert_where(
        "usageCharacteristic.characteristicRelationship.id.ne=b",
        "(" ELEMENT(
            "usageCharacteristic",
            "EXISTS (SELECT FROM json_array_elements("
            "v1->'characteristicRelationship') AS e2 (v2) WHERE v2->>'id' = <b>)") ") IS NOT TRUE");
}

/* --- characteristics with an index -------------------------------------------------------------
 */

static bool uses_index(const char *raw)
{
    return strstr(where_of(&query_usages, raw), "usage_characteristic_values") != NULL;
}

static void a_characteristic_of_the_setting_is_looked_for_in_its_index(void **state)
{
    (void)state;
    const char *sql = where_of(
        &query_usages, "usageCharacteristic.name=msisdn&usageCharacteristic.value=AMR,1.50");

    assert_non_null(strstr(
        sql, "(usage_characteristic_values(document, 'msisdn') && ARRAY[left(<AMR>, 256), "
             "left(<1.50>, 256), left(trim_scale(<1.50>::numeric)::text, 256)]) AND EXISTS"));
    assert_true(uses_index("usageCharacteristic.name=msisdn,imsi&usageCharacteristic.value=x"));
    assert_true(
        uses_index("status=rated;usageCharacteristic.name=imsi&usageCharacteristic.value=x"));
}

static void no_other_filter_names_an_index(void **state)
{
    (void)state;
    static const char *const others[] = {
        "usageCharacteristic.name=caller&usageCharacteristic.value=x",
        "usageCharacteristic.name=msisdn,caller&usageCharacteristic.value=x",
        "usageCharacteristic.name=msisdn;usageCharacteristic.value=x",
        "usageCharacteristic.name=msisdn&usageCharacteristic.value.gt=5",
        "usageCharacteristic.name=msisdn&usageCharacteristic.value.ne=5",
        "usageCharacteristic.name.regex=msisdn&usageCharacteristic.value=x",
        "usageCharacteristic.name=msisdn",
        "usageCharacteristic.value=msisdn",
        "usageCharacteristic.name='msisdn'&usageCharacteristic.value=x",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (uses_index(others[i]))
            fail_msg("%s", others[i]);
}

/* --- specifications ----------------------------------------------------------------------------
 */

static void specifications_have_columns_for_id_name_and_last_update(void **state)
{
    (void)state;
    assert_specification_where("id=a,b&name=c&isBundle=true",
                               "id = ANY(<a,b>) AND name = <c> AND "
                               "document::json->>'isBundle' = <true>");
    assert_specification_where(
        "lastUpdate.gt=2026-01-01T00:00:00Z",
        "(to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')) "
        "COLLATE \"C\" >= <2026-01-01T00:00:00.001Z>");
    assert_specification_where("relatedParty.id=a", ELEMENT("relatedParty", "v1->>'id' = <a>"));
    assert_specification_where("name=a;id.gt=b", "((name = <a>) OR ((id) COLLATE \"C\" > <b>))");
    assert_specification_where(
        "specCharacteristic.name=a&specCharacteristic.minCardinality.gte=1&"
        "specCharacteristic.characteristicValueSpecification.validFor.endDateTime.lt="
        "2026-01-01T00:00:00Z",
        ELEMENT("specCharacteristic",
                "v1->>'name' = <a> AND json_number(v1->'minCardinality') >= <1>::numeric AND "
                "EXISTS (SELECT FROM json_array_elements(v1->'characteristicValueSpecification') "
                "AS e2 (v2) WHERE (json_date_time(v2->'validFor'->>'endDateTime')) COLLATE \"C\" < "
                "<2026-01-01T00:00:00.000Z>)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_of_dates_is_a_range_of_ids),
        cmocka_unit_test(repeated_windows_are_and_and_their_values_or),
        cmocka_unit_test(a_date_alone_is_the_ids_of_that_millisecond),
        cmocka_unit_test(windows_beyond_what_an_id_can_name_are_open_or_empty),
        cmocka_unit_test(an_id_that_is_no_uuid_matches_nothing),
        cmocka_unit_test(an_order_of_ids_is_a_range),
        cmocka_unit_test(ids_outside_of_the_window_are_not_looked_for),
        cmocka_unit_test(an_href_is_found_by_its_id),
        cmocka_unit_test(groups_that_all_have_a_window_have_an_outer_one),
        cmocka_unit_test(a_party_is_looked_for_in_both_columns),
        cmocka_unit_test(a_party_filter_can_be_read_in_parts_that_share_no_row),
        cmocka_unit_test(the_specifications_id_has_a_column_and_its_name_has_none),
        cmocka_unit_test(conditions_under_one_array_are_asked_of_the_same_element),
        cmocka_unit_test(in_another_group_it_may_be_another_element),
        cmocka_unit_test(arrays_in_arrays_have_elements_in_the_same_element),
        cmocka_unit_test(not_equal_is_judged_by_itself_over_all_elements),
        cmocka_unit_test(a_characteristic_of_the_setting_is_looked_for_in_its_index),
        cmocka_unit_test(no_other_filter_names_an_index),
        cmocka_unit_test(specifications_have_columns_for_id_name_and_last_update),
    };
    return cmocka_run_group_tests(tests, start, end);
}
