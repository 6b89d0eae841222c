#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "raw_shape.h"

/* A RawUsage with the needed fields and `more` (", {...}" each); single quotes. */
#define NEEDED                                                                                     \
    "{'name':'source','type':'string'},{'name':'recordId','type':'string'},{'name':'usageDate','"  \
    "type':'long'},"                                                                               \
    "{'name':'usageType','type':'string'}"
#define RAW(more) "{'type':'record','name':'RawUsage','fields':[" NEEDED more "]}"
#define FIELD(name, type) ",{'name':'" name "','type':" type "}"

static struct plan *plan_of(const char *quoted, struct err *err)
{
    size_t n = strlen(quoted);
    char *json = malloc(n + 1);
    schema_text(quoted, json, n + 1);
    err_clear(err);
    struct plan *p = plan_new(json, n, raw_shapes, err);
    free(json);
    return p;
}

static void assert_taken(const char *quoted)
{
    struct err err;
    struct plan *p = plan_of(quoted, &err);
    if (!p)
        fail_msg("%s: %s", quoted, err.text);
    assert_ptr_equal(plan_shape(p), &raw_shape);
    plan_free(p);
}

static void assert_refused(const char *quoted, const char *part_of_text)
{
    struct err err;
    struct plan *p = plan_of(quoted, &err);
    if (p)
        fail_msg("taken: %s", quoted);
    assert_int_equal(err.kind, ERR_DATA);
    if (!strstr(err.text, part_of_text))
        fail_msg("\"%s\" is not in \"%s\"", part_of_text, err.text);
}

static void a_sensible_schema_is_taken_whole(void **state)
{
    struct err err;
    (void)state;

    struct plan *p = plan_of(RAW_SCHEMA, &err);

    assert_non_null(p);
    assert_string_equal(plan_skipped(p), "usageSpecification.href, relatedParty.name");
    plan_free(p);
}

static void what_is_no_schema_is_refused(void **state)
{
    (void)state;

    assert_refused("", "no JSON");
    assert_refused("{", "no JSON");
    assert_refused("{'type':'record'} x", "no JSON");
    assert_refused("17", "no string, list or object");
    assert_refused("{}", "no string, list or object");
    assert_refused("{'type':'nothing'}", "no such type \"nothing\"");
    assert_refused(RAW(FIELD("x", "[]")), "at least one branch");
    assert_refused("{'type':'record','fields':[]}", "no name");
    assert_refused("{'type':'record','name':'RawUsage'}", "no fields");
    assert_refused("{'type':'record','name':'Raw Usage','fields':[]}", "bad name");
    assert_refused("{'type':'record','name':'RawUsage','namespace':'a..b','fields':[]}",
                   "bad name");
    assert_refused("{'type':'record','name':'RawUsage','fields':[{'name':'a b','type':'int'}]}",
                   "proper name");
    assert_refused("{'type':'record','name':'RawUsage','fields':[{'name':'a'}]}",
                   "proper name and type");
    assert_refused(RAW(FIELD("x", "{'type':'array'}")), "items");
    assert_refused(RAW(FIELD("x", "{'type':'map'}")), "values");
    assert_refused(RAW(FIELD("x", "{'type':'enum','name':'E'}")), "symbols");
    assert_refused(RAW(FIELD("x", "{'type':'enum','name':'E','symbols':['A','A']}")),
                   "symbol twice");
    assert_refused(RAW(FIELD("x", "{'type':'enum','name':'E','symbols':['A',1]}")), "symbols");
    assert_refused(RAW(FIELD("source", "'string'")), "twice the field \"source\"");
}

static void only_a_record_of_a_known_name_is_taken(void **state)
{
    (void)state;

    assert_refused("'string'", "is string, not a record");
    assert_refused("['null','string']", "is union, not a record");
    assert_refused("{'type':'enum','name':'RawUsage','symbols':['A']}", "not a record");
    assert_refused("{'type':'record','name':'x.Other','fields':[" NEEDED "]}",
                   "record x.Other is none");
    assert_taken("{'type':'record','name':'net.partner.RawUsage','fields':[" NEEDED "]}");
    assert_taken("{'type':'record','name':'RawUsage','namespace':'a.b','fields':[" NEEDED "]}");
    assert_taken("{'type':'record','name':'Other','aliases':['x.y.RawUsage'],'fields':[" NEEDED
                 "]}");
}

static void a_fixed_has_a_size_from_0_to_16_mib(void **state)
{
    (void)state;

    assert_taken(RAW(FIELD("x", "{'type':'fixed','name':'F','size':16777216}")));
    assert_refused(RAW(FIELD("x", "{'type':'fixed','name':'F','size':-3}")), "size");
    assert_refused(RAW(FIELD("x", "{'type':'fixed','name':'F','size':16777217}")), "size");
    assert_refused(RAW(FIELD("x", "{'type':'fixed','name':'F','size':99999999999}")), "size");
    assert_refused(RAW(FIELD("x", "{'type':'fixed','name':'F','size':'4'}")), "size");
    assert_refused(RAW(FIELD("x", "{'type':'fixed','name':'F'}")), "size");
}

static void a_union_has_no_two_branches_of_a_type_and_no_union(void **state)
{
    (void)state;

    assert_refused(RAW(FIELD("x", "['null','null']")), "two branches");
    assert_refused(RAW(FIELD("x", "['string',{'type':'string','logicalType':'uuid'}]")),
                   "two branches");
    assert_refused(RAW(FIELD("x", "['null',['int','string']]")), "two branches");
    assert_refused(
        RAW(FIELD("x", "[{'type':'array','items':'int'},{'type':'array','items':'long'}]")),
        "two branches");
    assert_refused(RAW(FIELD("x", "[{'type':'fixed','name':'F','size':2},'F']")), "two branches");
    assert_taken(RAW(
        FIELD("x", "[{'type':'fixed','name':'F','size':2},{'type':'fixed','name':'G','size':2}]")));
}

static void a_type_that_contains_itself_is_refused(void **state)
{
    (void)state;

    assert_refused("{'type':'record','name':'RawUsage','fields':[" NEEDED FIELD(
                       "next", "['null','RawUsage']") "]}",
                   "recursive type \"RawUsage\"");
    assert_refused(
        RAW(FIELD(
            "x", "{'type':'record','name':'A','fields':[{'name':'b','type':{'type':'record','name':"
                 "'B','fields':[{'name':'a','type':{'type':'array','items':'A'}}]}}]}")),
        "recursive type \"A\"");
    assert_refused(
        RAW(FIELD("x", "{'type':'record','name':'n.A','fields':[{'name':'a','type':{'type':'map',"
                       "'values':'A'}}]}")),
        "recursive type \"n.A\"");
}

static void a_named_type_is_found_again_by_its_name_or_full_name(void **state)
{
    (void)state;

    assert_taken(RAW(FIELD(
        "a", "{'type':'record','name':'x.y.R','fields':[{'name':'e','type':{'type':'enum','name':"
             "'E','symbols':['A']}},{'name':'f','type':'E'}]}") FIELD("b", "'x.y.R'")
                         FIELD("c", "'x.y.E'") FIELD("d", "['null','x.y.R']")));
    assert_taken("{'type':'record','name':'RawUsage','namespace':'n.s','fields':[" NEEDED FIELD(
        "a", "{'type':'fixed','name':'F','size':3}") FIELD("b", "'F'") FIELD("c", "'n.s.F'")
                     FIELD("d", "{'type':'array','items':'F'}") "]}");
    assert_refused(RAW(FIELD("a", "{'type':'fixed','name':'x.F','size':3}") FIELD("b", "'F'")),
                   "no such type \"F\"");
    assert_refused(RAW(FIELD("b", "'F'") FIELD("a", "{'type':'fixed','name':'F','size':3}")),
                   "no such type \"F\"");
    assert_refused(RAW(FIELD("a", "{'type':'fixed','name':'F','size':3}")
                           FIELD("b", "{'type':'fixed','name':'F',"
                                      "'size':3}")),
                   "defined twice");
}

/* A schema with `fields` fields more than the needed ones. */
static bool takes_fields(int fields)
{
    struct buf b = {0};
    struct err err;
    buf_str(&b, "{'type':'record','name':'RawUsage','fields':[" NEEDED);
    for (int i = 0; i < fields; i++)
        buf_printf(&b, ",{'name':'f%d','type':'int'}", i);
    buf_str(&b, "]}");
    struct plan *p = plan_of(buf_text(&b), &err);
    if (!p)
        assert_non_null(strstr(err.text, "1000 fields"));
    plan_free(p);
    buf_fini(&b);
    return p != NULL;
}

static void a_thousand_fields_are_taken_and_no_more(void **state)
{
    (void)state;

    assert_true(takes_fields(996));
    assert_false(takes_fields(997));
}

/* Records in records, `depth` with the outermost. */
static bool takes_depth(int depth)
{
    struct buf b = {0};
    struct err err;
    buf_str(&b, "{'type':'record','name':'RawUsage','fields':[" NEEDED);
    for (int i = 1; i < depth; i++)
        buf_printf(&b, "%s{'name':'f','type':['null',{'type':'record','name':'R%d','fields':[",
                   i == 1 ? "," : "", i);
    buf_str(&b, "{'name':'i','type':'int'}");
    for (int i = 1; i < depth; i++)
        buf_str(&b, "]}]}");
    buf_str(&b, "]}");
    struct plan *p = plan_of(buf_text(&b), &err);
    if (!p)
        assert_non_null(strstr(err.text, "deeper than 64"));
    plan_free(p);
    buf_fini(&b);
    return p != NULL;
}

static void records_nest_64_deep_and_no_deeper(void **state)
{
    (void)state;

    assert_true(takes_depth(64));
    assert_false(takes_depth(65));
    assert_false(takes_depth(400));
}

static void types_that_multiply_by_reference_are_refused_at_once(void **state)
{
    struct buf b = {0};
    (void)state;

    buf_str(&b, "{'type':'record','name':'RawUsage','fields':[" NEEDED);
    buf_str(&b, ",{'name':'r0','type':{'type':'record','name':'R0','fields':[{'name':'n','type':'"
                "null'}]}}");
    for (int i = 1; i < 60; i++)
        buf_printf(&b,
                   ",{'name':'r%d','type':{'type':'record','name':'R%d','fields':[{'name':'a','"
                   "type':'R%d'},"
                   "{'name':'b','type':'R%d'}]}}",
                   i, i, i - 1, i - 1);
    buf_str(&b, "]}");

    assert_refused(buf_text(&b), "types");
    buf_fini(&b);
}

static void a_needed_field_must_be_there_by_name_or_alias(void **state)
{
    (void)state;

    assert_refused(
        "{'type':'record','name':'RawUsage','fields':[{'name':'source','type':'string'},{'name':"
        "'recordId','type':'string'},{'name':'usageType','type':'string'}]}",
        "field usageDate");
    assert_refused(
        RAW(FIELD("relatedParty",
                  "{'type':'array','items':{'type':'record','name':'P','fields':[{'name':"
                  "'role','type':'string'}]}}")),
        "field relatedParty.id");
#define WITH_TYPE(field)                                                                           \
    "{'type':'record','name':'RawUsage','fields':[{'name':'source','type':'string'},{'name':'"     \
    "recordId','type':"                                                                            \
    "'string'},{'name':'usageDate','type':'long'}," field "]}"
    assert_refused(WITH_TYPE("{'name':'sort','type':'string'}"), "field usageType");
    assert_taken(WITH_TYPE("{'name':'kind','type':'string'}"));
    assert_taken(WITH_TYPE("{'name':'typeOfUsage','type':'string'}"));
    assert_taken(WITH_TYPE("{'name':'sort','type':'string','aliases':['x','usageType']}"));
    assert_refused(WITH_TYPE("{'name':'description','type':'string','aliases':['usageType']}"),
                   "field usageType");
}

static void a_field_of_another_type_makes_the_schema_unsupported(void **state)
{
    static const char *const bad[][2] = {
        {"description", "'long'"},
        {"description", "['null','string','int']"},
        {"description", "{'type':'bytes','logicalType':'decimal','precision':4}"},
        {"description", "{'type':'record','name':'R','fields':[]}"},
        {"description", "{'type':'fixed','name':'F','size':3}"},
        {"isBilled", "'int'"},
        {"isBilled", "'string'"},
        {"status", "'int'"},
        {"amount", "'double'"},
        {"amount", "'float'"},
        {"amount", "'string'"},
        {"amount", "'bytes'"},
        {"amount", "['null','double']"},
        {"taxRate", "'string'"},
        {"taxRate", "'boolean'"},
        {"usageSpecification", "'string'"},
        {"usageSpecification", "{'type':'map','values':'string'}"},
        {"relatedParty", "{'type':'array','items':'string'}"},
        {"relatedParty", "{'type':'map','values':{'type':'record','name':'P','fields':[{'name':'id'"
                         ",'type':'string'}]}}"},
        {"relatedParty", "{'type':'record','name':'P','fields':[{'name':'id','type':'string'}]}"},
        {"usageCharacteristic",
         "{'type':'array','items':{'type':'record','name':'T','fields':[{'name':'name','type':"
         "'string'},{'name':'value','type':{'type':'map','values':'string'}}]}}"},
        {"usageCharacteristic",
         "{'type':'array','items':{'type':'record','name':'T','fields':[{'name':'name','type':"
         "'string'},{'name':'value','type':{'type':'record','name':'Text','fields':[{'name':"
         "'json','type':'string'}]}}]}}"},
        {"usageCharacteristic",
         "{'type':'array','items':{'type':'record','name':'T','fields':[{'name':'name','type':"
         "'string'},{'name':'value','type':{'type':'record','name':'Json','fields':[{'name':"
         "'text','type':'string'}]}}]}}"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf b = {0};
        buf_printf(&b, RAW(",{'name':'%s','type':%s}"), bad[i][0], bad[i][1]);
        char field[64];
        snprintf(field, sizeof field, "field %s", bad[i][0]);
        assert_refused(buf_text(&b), field);
        buf_fini(&b);
    }
    assert_refused(RAW(FIELD("isBilled", "'int'")),
                   "field isBilled: the schema has int where boolean is needed");
}

static void a_time_in_another_unit_is_refused_rather_than_misread(void **state)
{
#define WITH_DATE(type)                                                                            \
    "{'type':'record','name':'RawUsage','fields':[{'name':'source','type':'string'},{'name':'"     \
    "recordId','type':"                                                                            \
    "'string'},{'name':'usageType','type':'string'},{'name':'usageDate','type':" type "}]}"
    (void)state;

    assert_taken(WITH_DATE("'long'"));
    assert_taken(WITH_DATE("'int'"));
    assert_taken(WITH_DATE("['null','long','int']"));
    assert_taken(WITH_DATE("{'type':'long','logicalType':'timestamp-millis'}"));
    assert_taken(WITH_DATE("{'type':'long','logicalType':'timestamp-micros'}"));
    assert_taken(WITH_DATE("{'type':'long','logicalType':'our-own-thing'}"));
    assert_taken(WITH_DATE("{'type':'long','logicalType':17}"));
    assert_refused(WITH_DATE("{'type':'long','logicalType':'timestamp-nanos'}"),
                   "long (timestamp-nanos)");
    assert_refused(WITH_DATE("{'type':'long','logicalType':'local-timestamp-millis'}"),
                   "field usageDate");
    assert_refused(WITH_DATE("{'type':'long','logicalType':'time-micros'}"), "field usageDate");
    assert_refused(WITH_DATE("{'type':'int','logicalType':'date'}"), "field usageDate");
    assert_refused(WITH_DATE("'string'"),
                   "the schema has string where long (timestamp-millis) is needed");
    assert_refused(WITH_DATE("'double'"), "field usageDate");
}

static void scale_and_precision_stand_beside_the_logical_type(void **state)
{
#define DECIMAL(rest) RAW(FIELD("amount", "{'type':'bytes','logicalType':'decimal'" rest "}"))
    (void)state;

    assert_taken(DECIMAL(""));
    assert_taken(DECIMAL(",'precision':4,'scale':2"));
    assert_taken(DECIMAL(",'scale':2"));
    assert_taken(DECIMAL(",'precision':100,'scale':60"));
    assert_refused(DECIMAL(",'scale':-1"), "scale");
    assert_refused(DECIMAL(",'scale':'2'"), "scale");
    assert_refused(DECIMAL(",'precision':2,'scale':4"), "scale");
    assert_refused(DECIMAL(",'precision':0"), "precision");
    assert_refused(RAW(",{'name':'amount','type':'bytes','logicalType':'decimal'}"),
                   "field amount");
}

static void an_array_of_nothing_cannot_become_records(void **state)
{
    static const struct shape_field loose[] = {{.name = "id", .kind = SHAPE_TEXT, .offset = 0}};
    static const struct shape item = {"Item", sizeof(struct text), loose, 1};
    static const struct shape_field list[] = {
        {.name = "items", .kind = SHAPE_ARRAY, .offset = 0, .record = &item}};
    static const struct shape top = {"Top", sizeof(struct list), list, 1};
    const struct shape *const shapes[] = {&top, NULL};
    char json[400];
    struct err err;
    (void)state;

    schema_text("{'type':'record','name':'Top','fields':[{'name':'items','type':{'type':'array','"
                "items':{'type':"
                "'record','name':'I','fields':[{'name':'n','type':'null'}]}}}]}",
                json, sizeof json);

    assert_null(plan_new(json, strlen(json), shapes, &err));
    assert_non_null(strstr(err.text, "field items"));
}

static void skipped_fields_are_named_up_to_500_bytes(void **state)
{
    struct buf b = {0};
    struct err err;
    (void)state;

    struct plan *p =
        plan_of(RAW(FIELD("a", "'int'") FIELD(
                    "usageSpecification",
                    "{'type':'record','name':'S','fields':"
                    "[{'name':'id','type':'string'},{'name':'b','type':{'type':'record','name':'B',"
                    "'fields':[{'name':'c','type':'int'}]}}]}")),
                &err);
    assert_non_null(p);
    assert_string_equal(plan_skipped(p), "a, usageSpecification.b");
    plan_free(p);

    p = plan_of(RAW(""), &err);
    assert_non_null(p);
    assert_string_equal(plan_skipped(p), "");
    plan_free(p);

    buf_str(&b, "{'type':'record','name':'RawUsage','fields':[" NEEDED);
    for (int i = 0; i < 100; i++)
        buf_printf(&b, ",{'name':'another_field_%d','type':'int'}", i);
    buf_str(&b, "]}");
    p = plan_of(buf_text(&b), &err);
    assert_non_null(p);
    assert_int_equal(strlen(plan_skipped(p)), 500);
    plan_free(p);
    buf_fini(&b);
}

static void unknown_properties_and_defaults_are_ignored(void **state)
{
    (void)state;

    assert_taken(RAW(",{'name':'x','type':{'type':'bytes','connect.name':'y'},'default':'\\u00ff','"
                     "doc':'d','p':[1]}"));
    assert_taken(
        RAW(",{'name':'x','type':{'type':'string','avro.java.string':'String'},'default':'a'}"));
    assert_taken(
        RAW(",{'name':'x','type':{'type':'string','logicalType':'uuid'},'order':'ignore'}"));
}

static void a_default_may_hold_nul_and_a_name_may_not(void **state)
{
    (void)state;

    assert_taken(RAW(",{'name':'x','type':'bytes','default':'\\u0000\\u00ff'}"));
    assert_taken(RAW(",{'name':'x','type':'bytes','doc':'\\u0000','aliases':['a\\u0000']}"));
    assert_taken(RAW(",{'name':'x','type':{'type':'record','name':'R','fields':[{'name':'b','type':"
                     "'bytes'}]},'default':{'b':'\\u0000'}}"));
    assert_refused(RAW(",{'name':'x\\u0000','type':'bytes'}"), "proper name");
    assert_refused(RAW(",{'name':'x','type':'bytes\\u0000'}"), "proper name and type");
    assert_refused(RAW(",{'name':'x','type':['null','bytes\\u0000']}"), "no string, list");
    assert_refused(
        RAW(",{'name':'x','type':{'type':'enum','name':'E','symbols':['A\\u0000','B']}}"),
        "symbols are no list of strings");
}

static void json_may_be_recognised_by_an_alias_and_its_text_is_matched_as_any_other(void **state)
{
#define JSON_VALUE(names, fields)                                                                  \
    RAW(FIELD("usageCharacteristic",                                                               \
              "{'type':'array','items':{'type':'record','name':'T','fields':[{'name':'name',"      \
              "'type':'string'},{'name':'value','type':{'type':'record'," names                    \
              ",'fields':[" fields "]}}]}}"))
    (void)state;

    assert_taken(JSON_VALUE("'name':'a.OurJson'", "{'name':'json','type':'string'}"));
    assert_taken(
        JSON_VALUE("'name':'S','aliases':['x','a.Json']", "{'name':'json','type':'bytes'}"));
    assert_taken(JSON_VALUE("'name':'Json'", "{'name':'json','type':['null','string']}"));
    assert_taken(JSON_VALUE("'name':'Json'", "{'name':'t','type':'string','aliases':['json']}"));
    assert_refused(JSON_VALUE("'name':'S'", "{'name':'json','type':'string'}"),
                   "field usageCharacteristic.value: the schema has S where");
    assert_refused(
        JSON_VALUE("'name':'Json'", "{'name':'json','type':'long'}"),
        "field usageCharacteristic.value.json: the schema has long where string is needed");
    assert_refused(
        JSON_VALUE("'name':'Json'", "{'name':'text','type':'string'}"),
        "field usageCharacteristic.value.json: the schema does not have it where string");
}

static void what_is_wrong_inside_a_field_names_the_field(void **state)
{
    (void)state;

    assert_refused(RAW(FIELD("x", "{'type':'bytes','logicalType':'decimal','scale':-1}")),
                   "bad scale or precision of decimal \"bytes\", in field x");
    assert_refused(RAW(FIELD("x", "{'type':'array','items':'Nothing'}")),
                   "no such type \"Nothing\", in field x");
    assert_refused(WITH_TYPE("{'name':'sort','type':'string'}"),
                   "field usageType: the schema does not have it where string is needed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sensible_schema_is_taken_whole),
        cmocka_unit_test(what_is_no_schema_is_refused),
        cmocka_unit_test(only_a_record_of_a_known_name_is_taken),
        cmocka_unit_test(a_fixed_has_a_size_from_0_to_16_mib),
        cmocka_unit_test(a_union_has_no_two_branches_of_a_type_and_no_union),
        cmocka_unit_test(a_type_that_contains_itself_is_refused),
        cmocka_unit_test(a_named_type_is_found_again_by_its_name_or_full_name),
        cmocka_unit_test(a_thousand_fields_are_taken_and_no_more),
        cmocka_unit_test(records_nest_64_deep_and_no_deeper),
        cmocka_unit_test(types_that_multiply_by_reference_are_refused_at_once),
        cmocka_unit_test(a_needed_field_must_be_there_by_name_or_alias),
        cmocka_unit_test(a_field_of_another_type_makes_the_schema_unsupported),
        cmocka_unit_test(a_time_in_another_unit_is_refused_rather_than_misread),
        cmocka_unit_test(scale_and_precision_stand_beside_the_logical_type),
        cmocka_unit_test(an_array_of_nothing_cannot_become_records),
        cmocka_unit_test(skipped_fields_are_named_up_to_500_bytes),
        cmocka_unit_test(unknown_properties_and_defaults_are_ignored),
        cmocka_unit_test(a_default_may_hold_nul_and_a_name_may_not),
        cmocka_unit_test(json_may_be_recognised_by_an_alias_and_its_text_is_matched_as_any_other),
        cmocka_unit_test(what_is_wrong_inside_a_field_names_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
