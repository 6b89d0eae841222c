/* Attribute filters: every operator, every type of value, and how they are joined
 * (HTTP contract section 5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "query_scene.h"

/* --- operators ---------------------------------------------------------------------------------
 */

static void each_operator_has_a_word_and_signs(void **state)
{
    (void)state;
    static const struct {
        const char *expected, *forms[8];
    } cases[] = {
        {"status = <rated>",
         {"status=rated", "status.eq=rated", "status==rated", "status%3D%3Drated",
          "status%3D=rated", "stat%75s=r%61ted"}},
        {"(usage_type) COLLATE \"C\" > <A>", {"usageType.gt=A", "usageType%3EA", "usageType>A"}},
        {"(usage_type) COLLATE \"C\" >= <A>",
         {"usageType.gte=A", "usageType%3E%3DA", "usageType%3e=A", "usageType>=A"}},
        {"(usage_type) COLLATE \"C\" < <A>", {"usageType.lt=A", "usageType%3CA", "usageType<A"}},
        {"(usage_type) COLLATE \"C\" <= <A>",
         {"usageType.lte=A", "usageType%3C%3DA", "usageType<%3dA"}},
        {"(description) COLLATE \"C\" ~ <^Call>",
         {"description.regex=^Call", "description*=^Call", "description*%3D^Call",
          "description%2A%3D^Call", "description%3D~^Call", "description=~^Call",
          "description%3D%7E^Call"}},
        {"(status = <billed>) IS NOT TRUE", {"status.ne=billed"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < 8 && cases[i].forms[j]; j++)
            assert_where(cases[i].forms[j], cases[i].expected);
}

static void an_encoded_sign_behind_a_raw_equals_sign_begins_the_value(void **state)
{
    (void)state;
    assert_where("usageType=%3Dx", "usage_type = <=x>");
    assert_where("usageType=%7Ex", "usage_type = <~x>");
    assert_where("usageType==%3Dx", "usage_type = <=x>");
    assert_where("usageType.gt=%3Dx", "(usage_type) COLLATE \"C\" > <=x>");
    /* Behind a word it does so raw, too. */
    assert_where("usageType.eq==x", "usage_type = <=x>");
    assert_where("usageType.ne=~x", "(usage_type = <~x>) IS NOT TRUE");
}

static void signs_that_are_no_operator_are_400_and_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"usageType!=a",    "usageType%3Da",   "usageType*a",
                                      "usageType~a",     "usageType*",      "usageType!",
                                      "usageType%21=a",  "usageType%3D",    "usageType%7Ea",
                                      "usageType.gte>a", "usageType.like=a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], 400, "usageType");
}

static void an_attribute_that_is_called_as_an_operator_is_found(void **state)
{
    (void)state;
    static const char element[] =
        "EXISTS (SELECT FROM json_array_elements(document::json->'specCharacteristic') AS e1 (v1) "
        "WHERE %s)";
    assert_specification_where("specCharacteristic.regex=a",
                               arena_printf(a, element, "v1->>'regex' = <a>"));
    assert_specification_where("specCharacteristic.regex.regex=a",
                               arena_printf(a, element, "(v1->>'regex') COLLATE \"C\" ~ <a>"));
    assert_specification_where("specCharacteristic.regex.eq=a",
                               arena_printf(a, element, "v1->>'regex' = <a>"));
    assert_refused_of(&query_specifications, "entitySpecRelationship.regex=a", 400,
                      "entitySpecRelationship");
}

/* --- or and and --------------------------------------------------------------------------------
 */

static void a_comma_and_a_repeated_name_are_or(void **state)
{
    (void)state;
    static const char *const same[] = {"status=rated&status=rerated", "status.eq=rated,rerated",
                                       "status=rated&status.eq=rerated",
                                       "status%3D%3Drated,rerated", "status==rated,rerated"};
    assert_where("status=rated,rerated", "status = ANY(<rated,rerated>)");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_same(same[i], "status=rated,rerated");
    assert_where("status=rated&usageType=A&status=billed",
                 "status = ANY(<rated,billed>) AND usage_type = <A>");
}

static void different_attributes_are_and(void **state)
{
    (void)state;
    assert_where("usageType=VOICE&status=rated&description=d",
                 "usage_type = <VOICE> AND status = <rated> AND description = <d>");
}

static void an_encoded_comma_semicolon_or_ampersand_is_part_of_the_value(void **state)
{
    (void)state;
    assert_where("usageType=A%2CB,C%26D%3b+E&description=%E8%AE%A1",
                 "usage_type = ANY(<A,B,C&D; E>) AND description = <\xe8\xae\xa1>");
    struct query q = parsed("usageType=A%2CB,C");
    const struct query_group *g = q.groups.items;
    const struct query_condition *c = g->conditions.items;
    assert_int_equal(c->values.count, 2);
}

static void repeated_ranges_are_and_and_so_are_ne_and_regex(void **state)
{
    (void)state;
    assert_where("usageType.gt=A&usageType.lte=C&usageType.gt=B",
                 "(usage_type) COLLATE \"C\" > <A> AND (usage_type) COLLATE \"C\" <= <C> AND "
                 "(usage_type) COLLATE \"C\" > <B>");
    assert_where("usageType=A&usageType.ne=B&usageType.gt=C",
                 "usage_type = <A> AND (usage_type = <B>) IS NOT TRUE AND (usage_type) COLLATE "
                 "\"C\" > <C>");
    assert_where("usageType.ne=A&usageType.ne=B",
                 "(usage_type = <A>) IS NOT TRUE AND (usage_type = <B>) IS NOT TRUE");
    assert_where("description.regex=a&description.regex=b",
                 "(description) COLLATE \"C\" ~ <a> AND (description) COLLATE \"C\" ~ <b>");
}

static void values_of_one_range_ne_or_regex_are_or(void **state)
{
    (void)state;
    assert_where("usageType.gt=A,B", "(usage_type) COLLATE \"C\" > ANY(<A,B>)");
    assert_where("usageType.ne=A,B", "(usage_type = ANY(<A,B>)) IS NOT TRUE");
    assert_where("description.regex=^a,^b", "(description) COLLATE \"C\" ~ ANY(<^a,^b>)");
}

/* --- values ------------------------------------------------------------------------------------
 */

#define RATING(condition)                                                                          \
    "EXISTS (SELECT FROM json_array_elements(rated_product_usage::json) AS e1 (v1) "               \
    "WHERE " condition ")"

static void a_truth_is_true_or_false(void **state)
{
    (void)state;
    static const char *const bad[] = {"1", "True", "", "yes", "true%20", "true,no"};
    assert_where("ratedProductUsage.isBilled=true", RATING("v1->>'isBilled' = <true>"));
    assert_where("ratedProductUsage.isBilled.ne=false",
                 "(" RATING("v1->>'isBilled' = <false>") ") IS NOT TRUE");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(arena_printf(a, "ratedProductUsage.isBilled=%s", bad[i]), 400, "isBilled");
}

static void a_number_is_one_of_json_that_is_not_too_long(void **state)
{
    (void)state;
    static const char *const good[] = {"6",      "-0",        "6.00",     "1e5",
                                       "1E%2B5", "-1.5e-300", "1e0000005"};
    static const char *const bad[] = {"",
                                      "six",
                                      "%2B6",
                                      ".5",
                                      "5.",
                                      "0x6",
                                      "6%20",
                                      "01",
                                      "1e",
                                      "NaN",
                                      "1,",
                                      "1e1000",
                                      "1e-1000",
                                      "Infinity",
                                      "1_000",
                                      "--1",
                                      "1e99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_non_null(strstr(
            where_of(&query_usages, arena_printf(a, "ratedProductUsage.taxRate=%s", good[i])),
            "::numeric"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(arena_printf(a, "ratedProductUsage.taxRate.gt=%s", bad[i]), 400, "taxRate");
    char long_number[302];
    memset(long_number, '9', sizeof long_number - 1);
    long_number[301] = 0;
    assert_refused(arena_printf(a, "ratedProductUsage.taxRate=%s", long_number), 400, "300");
    assert_where("ratedProductUsage.taxRate.gte=6,7",
                 RATING("json_number(v1->'taxRate') >= ANY(<6,7>::numeric[])"));
    assert_where("ratedProductUsage.taxExcludedRatingAmount.value=0.60",
                 RATING("json_number(v1->'taxExcludedRatingAmount'->'value') = <0.60>::numeric"));
}

static void a_date_is_one_of_rfc_3339_and_its_plus_may_have_become_a_blank(void **state)
{
    (void)state;
    static const char *const same[] = {"2026-11-01T08:00:00%2B08:00", "2026-11-01T08:00:00+08:00",
                                       "2026-11-01T08:00:00%2008:00", "2026-10-31T23:00:00-01:00",
                                       "2026-11-01t00:00:00.000z"};
    static const char *const bad[] = {"yesterday",
                                      "2026-11-01",
                                      "2026-02-30T00:00:00Z",
                                      "",
                                      "2026-11-01T08:00:00%20%2008:00",
                                      "2026-11-01T08:00:00",
                                      "1795421730250",
                                      "2026-11-01T00:00:00Z,"};
    assert_where("ratedProductUsage.ratingDate=2026-11-01T00:00:00Z",
                 RATING("v1->>'ratingDate' = <2026-11-01T00:00:00.000Z>"));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_same(arena_printf(a, "ratedProductUsage.ratingDate=%s", same[i]),
                    "ratedProductUsage.ratingDate=2026-11-01T00:00:00Z");
        assert_same(arena_printf(a, "usageDate.gte=%s", same[i]),
                    "usageDate.gte=2026-11-01T00:00:00Z");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_refused(arena_printf(a, "usageDate.lt=%s", bad[i]), 400, "usageDate");
        assert_refused(arena_printf(a, "ratedProductUsage.ratingDate=%s", bad[i]), 400,
                       "ratingDate");
    }
}

static void a_bound_between_two_milliseconds_keeps_its_meaning(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"gte=2026-11-01T00:00:00.500Z", ">= <2026-11-01T00:00:00.500Z>"},
        {"gt=2026-11-01T00:00:00.500Z", ">= <2026-11-01T00:00:00.501Z>"},
        {"lt=2026-11-01T00:00:00.500Z", "< <2026-11-01T00:00:00.500Z>"},
        {"lte=2026-11-01T00:00:00.500Z", "< <2026-11-01T00:00:00.501Z>"},
        {"gte=2026-11-01T00:00:00.5000Z", ">= <2026-11-01T00:00:00.500Z>"},
        {"gte=2026-11-01T00:00:00.5001Z", ">= <2026-11-01T00:00:00.501Z>"},
        {"gt=2026-11-01T00:00:00.5001Z", ">= <2026-11-01T00:00:00.501Z>"},
        {"lt=2026-11-01T00:00:00.5001Z", "< <2026-11-01T00:00:00.501Z>"},
        {"lte=2026-11-01T00:00:00.5001Z", "< <2026-11-01T00:00:00.501Z>"},
        {"gte=2026-11-02T00:00:00Z,2026-11-01T00:00:00Z", ">= <2026-11-01T00:00:00.000Z>"},
        {"lt=2026-11-01T00:00:00Z,2026-11-02T00:00:00Z", "< <2026-11-02T00:00:00.000Z>"},
        {"gt=9999-12-31T23:59:59.999Z", ">= <:>"},
        {"lte=9999-12-31T23:59:59.999Z", "< <:>"},
        {"gte=0000-01-01T00:00:00%2B01:00", ">= <>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_where(arena_printf(a, "ratedProductUsage.ratingDate.%s", cases[i][0]),
                     arena_printf(a, RATING("(v1->>'ratingDate') COLLATE \"C\" %s"), cases[i][1]));
    assert_where("ratedProductUsage.ratingDate=2026-11-01T00:00:00.0001Z", RATING("false"));
    assert_where("ratedProductUsage.ratingDate.ne=2026-11-01T00:00:00.0001Z",
                 "(" RATING("false") ") IS NOT TRUE");
}

static void dates_of_specifications_are_compared_however_they_are_written(void **state)
{
    (void)state;
    assert_specification_where(
        "validFor.startDateTime.lt=2026-01-01T00:00:00Z",
        "(json_date_time(document::json->'validFor'->>'startDateTime')) COLLATE \"C\" < "
        "<2026-01-01T00:00:00.000Z>");
}

static void an_unknown_status_is_400_under_every_comparison(void **state)
{
    (void)state;
    static const char *const bad[] = {"Rated",  "rerate",         "",
                                      "rated,", "rated%2Cbilled", "%20rated"};
    static const char *const operators[] = {"", ".ne", ".gt", ".gte", ".lt", ".lte", ".eq"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t j = 0; j < sizeof operators / sizeof *operators; j++)
            assert_refused(arena_printf(a, "status%s=%s", operators[j], bad[i]), 400, "status");
    assert_where("status.regex=^Rat", "(status) COLLATE \"C\" ~ <^Rat>");
}

#define CHARACTERISTIC(condition)                                                                  \
    "EXISTS (SELECT FROM json_array_elements(document::json->'usageCharacteristic') AS e1 (v1) "   \
    "WHERE " condition ")"
#define SCALAR "json_typeof(v1->'value') IN ('string', 'number', 'boolean') AND "

static void a_characteristics_value_is_a_text_or_a_number_and_order_is_between_numbers(void **state)
{
    (void)state;
    assert_where("usageCharacteristic.value=187",
                 CHARACTERISTIC("(" SCALAR "v1->>'value' = <187> OR "
                                "json_number(v1->'value') = <187>::numeric)"));
    assert_where("usageCharacteristic.value=AMR,187.0",
                 CHARACTERISTIC("(" SCALAR "v1->>'value' = ANY(<AMR,187.0>) OR "
                                "json_number(v1->'value') = <187.0>::numeric)"));
    assert_where("usageCharacteristic.value=true", CHARACTERISTIC(SCALAR "v1->>'value' = <true>"));
    assert_where("usageCharacteristic.value.regex=^138",
                 CHARACTERISTIC(SCALAR "(v1->>'value') COLLATE \"C\" ~ <^138>"));
    assert_where("usageCharacteristic.value.gte=60",
                 CHARACTERISTIC("json_number(v1->'value') >= <60>::numeric"));
    assert_where("usageCharacteristic.value.ne=187",
                 "(" CHARACTERISTIC("(" SCALAR "v1->>'value' = <187> OR "
                                    "json_number(v1->'value') = <187>::numeric)") ") IS NOT TRUE");
    assert_refused("usageCharacteristic.value.gt=AMR", 400, "AMR");
    /* A number that numeric cannot hold can still be asked for as it is written. */
    assert_where("usageCharacteristic.value=1e400000",
                 CHARACTERISTIC(SCALAR "v1->>'value' = <1e400000>"));
}

static void a_regular_expression_may_have_256_bytes(void **state)
{
    (void)state;
    char longest[258];
    memset(longest, 'x', sizeof longest - 1);
    longest[257] = 0;
    assert_refused(arena_printf(a, "description.regex=%s", longest), 400, "256");
    assert_refused(arena_printf(a, "usageDate*=%s", longest), 400, "256");
    longest[256] = 0;
    parsed(arena_printf(a, "description.regex=%s", longest));
    assert_refused("description.regex=a,b,c,d,e,f,g,h&usageType.regex=a,b,c,d,e,f,g,h,i", 400,
                   "16");
}

static void what_is_no_utf8_or_holds_nul_is_400(void **state)
{
    (void)state;
    static const char *const bad[] = {"%00", "%ff", "a%00b", "%ed%a0%80", "%c0%80", "x,%ff"};
    static const char *const names[] = {"usageType",
                                        "id",
                                        "relatedParty.id",
                                        "description.regex",
                                        "usageCharacteristic.value",
                                        "href",
                                        "usageDate"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            assert_refused(arena_printf(a, "%s=%s", names[j], bad[i]), 400, "");
}

/* --- unknown -----------------------------------------------------------------------------------
 */

static void an_unknown_attribute_is_400_never_ignored_and_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"colour=red", "colour"},
        {"Status=rated", "Status"},
        {"revision=1", "revision"},
        {"usageDate.=x", "usageDate."},
        {".usageDate=x", ".usageDate"},
        {"usageDate..gt=x", "usageDate."},
        {"status.x.eq=rated", "status.x"},
        {"relatedParty.id.x=1", "relatedParty.id.x"},
        {"usageCharacteristic.value.mcc=460", "usageCharacteristic.value.mcc"},
        {"usageCharacteristic.caller=1", "usageCharacteristic.caller"},
        {"ratedProductUsage.id=1", "ratedProductUsage.id"},
        {"specCharacteristic.name=x", "specCharacteristic.name"},
        {"date=2026-11-01T00:00:00Z", "date"},
        {"type=VOICE", "type"},
        {"@referredType=x", "@referredType"},
        {"eq=x", "eq"},
        {".eq=x", ".eq"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i][0], 400, bad[i][1]);
}

static void a_filter_on_an_object_or_array_is_400_and_named(void **state)
{
    (void)state;
    static const char *const names[] = {"relatedParty",
                                        "usageSpecification",
                                        "usageCharacteristic",
                                        "ratedProductUsage",
                                        "ratedProductUsage.productRef",
                                        "usageCharacteristic.characteristicRelationship",
                                        "ratedProductUsage.taxExcludedRatingAmount"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_refused(arena_printf(a, "%s=x", names[i]), 400, names[i]);
        assert_refused(arena_printf(a, "%s.ne=x", names[i]), 400, names[i]);
        assert_refused(arena_printf(a, "%s.regex=x", names[i]), 400, names[i]);
    }
}

static void what_has_no_name_no_operator_or_a_broken_escape_is_400_and_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"status", "status"},
        {"=rated", "=rated"},
        {"status=rat%ed", "status"},
        {"status=rated%2", "status"},
        {"usageType=%zz", "usageType"},
        {"%00=x", "no attribute"},
        {"stat%us=x", "stat%us"},
        {"status%00=x", "status"},
        {"%F0%9F%92%A9=1", "no attribute"},
        {"a b=1", "a b"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i][0], 400, bad[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operator_has_a_word_and_signs),
        cmocka_unit_test(an_encoded_sign_behind_a_raw_equals_sign_begins_the_value),
        cmocka_unit_test(signs_that_are_no_operator_are_400_and_named),
        cmocka_unit_test(an_attribute_that_is_called_as_an_operator_is_found),
        cmocka_unit_test(a_comma_and_a_repeated_name_are_or),
        cmocka_unit_test(different_attributes_are_and),
        cmocka_unit_test(an_encoded_comma_semicolon_or_ampersand_is_part_of_the_value),
        cmocka_unit_test(repeated_ranges_are_and_and_so_are_ne_and_regex),
        cmocka_unit_test(values_of_one_range_ne_or_regex_are_or),
        cmocka_unit_test(a_truth_is_true_or_false),
        cmocka_unit_test(a_number_is_one_of_json_that_is_not_too_long),
        cmocka_unit_test(a_date_is_one_of_rfc_3339_and_its_plus_may_have_become_a_blank),
        cmocka_unit_test(a_bound_between_two_milliseconds_keeps_its_meaning),
        cmocka_unit_test(dates_of_specifications_are_compared_however_they_are_written),
        cmocka_unit_test(an_unknown_status_is_400_under_every_comparison),
        cmocka_unit_test(
            a_characteristics_value_is_a_text_or_a_number_and_order_is_between_numbers),
        cmocka_unit_test(a_regular_expression_may_have_256_bytes),
        cmocka_unit_test(what_is_no_utf8_or_holds_nul_is_400),
        cmocka_unit_test(an_unknown_attribute_is_400_never_ignored_and_named),
        cmocka_unit_test(a_filter_on_an_object_or_array_is_400_and_named),
        cmocka_unit_test(what_has_no_name_no_operator_or_a_broken_escape_is_400_and_named),
    };
    return cmocka_run_group_tests(tests, start, end);
}
