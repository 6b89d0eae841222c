/* A record, its usage as JSON, and that JSON as it comes in again: one content, one id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jsonr.h"
#include "usage/digest.h"
#include "usage/id.h"

#include "body_scene.h"

static struct change mapped(const struct raw_usage *raw)
{
    struct change c;
    if (!mapping_raw(&settings, raw, -1, SAMPLE_NOW, a, &c, &err))
        fail_msg("%s", err.text);
    return c;
}

/* Exported and sent to POST, and as a UsageDocument. Returns whether the content is the record's.
 */
static bool comes_back(const struct raw_usage *raw)
{
    struct change c = mapped(raw);
    const char *json = shown(c.usage);
    struct body_key key = {raw->source, raw->record_id, raw->usage_date};
    struct body document;

    taken(json);
    if (!body_document(text_of(json), &settings, &key, -1, SAMPLE_NOW, a, &document, &err))
        fail_msg("%s: %s", json, err.text);

    assert_int_equal(c.content, digest_raw(raw, a));
    assert_int_equal(id_compare(&document.usage->id, &c.id), 0);
    assert_string_equal(shown(document.usage), json);
    assert_int_equal(document.content,
                     body_content(c.usage, raw->source, raw->record_id, "default-1", a));
    /* characteristics of its own may name another usage */
    if (text_eq(body.source, raw->source) && text_eq(body.record_id, raw->record_id)) {
        assert_int_equal(id_compare(&body.usage->id, &c.id), 0);
        assert_string_equal(shown(body.usage), json);
        assert_int_equal(body.content, document.content);
    }
    return document.content == c.content;
}

static void the_sample_comes_back(void **state)
{
    (void)state;
    assert_true(comes_back(sample_call(a)));
    assert_true(body.natural && text_is(body.source, "med-gz-02"));
    assert_true(text_is(body.record_id, "20261123-000417-88231"));
}

static struct raw_usage *with_value(struct value v)
{
    struct raw_usage *raw = sample_call(a);
    ((struct characteristic *)raw->characteristics.items)[1].value = v;
    return raw;
}

static void every_kind_of_value_comes_back(void **state)
{
    (void)state;
    const struct value rows[] = {
        sample_text(TEXT("")),
        sample_text(TEXT("300")),
        sample_text(TEXT("a\"\\\n\x01计😀\x7f/")),
        sample_integer(0),
        sample_integer(INT64_MIN),
        sample_integer(INT64_MAX),
        sample_real(300.0),
        sample_real(0.1),
        sample_real(-0.0),
        sample_real(1e22),
        sample_real(1e300),
        sample_real(5e-324),
        sample_real(-1.7976931348623157e308),
        sample_decimal(5, 0),
        sample_decimal(60, 2),
        sample_decimal(-5, 9),
        sample_decimal(0, 4),
        sample_decimal(INT64_MAX, 38),
        sample_truth(true),
        sample_truth(false),
        sample_json(TEXT("null")),
        sample_json(TEXT(" \"a\\u0041\" ")),
        sample_json(TEXT("5")),
        sample_json(TEXT("-0")),
        sample_json(TEXT("5.0")),
        sample_json(TEXT("1E+400")),
        sample_json(TEXT("123456789012345678901234567890123456789012")),
        sample_json(TEXT("1e9999999999999999999")),
        sample_json(TEXT("true")),
        sample_json(TEXT("[]")),
        sample_json(TEXT("{\n \"b\" : [1.50, null, \"\\u00e9\\n\"], \"a\":{} }\n")),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!comes_back(with_value(rows[i])))
            fail_msg("value %zu: %s", i, shown(body.usage));
}

static void a_value_type_of_its_own_comes_back(void **state)
{
    (void)state;
    const struct {
        struct value value;
        const char *type;
    } rows[] = {
        {sample_text(TEXT("x")), "date-time"}, {sample_text(TEXT("5")), "integer"},
        {sample_integer(5), "string"},         {sample_real(5.0), "integer"},
        {sample_json(TEXT("{}")), "array"},    {sample_json(TEXT("null")), "string"},
        {sample_truth(true), "String"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_usage *raw = with_value(rows[i].value);
        ((struct characteristic *)raw->characteristics.items)[1].value_type = text_of(rows[i].type);
        if (!comes_back(raw))
            fail_msg("row %zu", i);
    }
}

static void whatever_is_absent_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct raw_usage *raw = sample_call(a);
        struct related_party *p = raw->parties.items;
        struct characteristic *c = raw->characteristics.items;
        switch (i) {
        case 0:
            raw->specification = NULL;
            break;
        case 1:
            raw->specification->id = TEXT("default-1"); /* its name tells it apart */
            break;
        case 2:
            raw->description = TEXT("");
            break;
        case 3:
            raw->parties.count = 0;
            break;
        case 4:
            raw->characteristics.count = 0;
            break;
        case 5:
            p->referred_type = TEXT("Customer");
            break;
        case 6:
            p->referred_type = TEXT("Organization"), p->role = TEXT(""), p->href = TEXT("h");
            break;
        case 7:
            c[0].id = TEXT("1"), raw->specification->href = TEXT("h");
            break;
        }
        if (!comes_back(raw))
            fail_msg("row %d", i);
    }
}

/* Any mixture, many times. */
static void random_records_come_back(void **state)
{
    (void)state;
    unsigned short seed[3] = {6, 3, 5};
    static const char *const texts[] = {"", "a", "计费", "\"", "sourceSystem", "5"};
    for (int i = 0; i < 3000; i++) {
        struct raw_usage *raw = sample_call(a);
        size_t n = (size_t)nrand48(seed) % 6;
        struct characteristic *c = arena_zero(a, 6 * sizeof *c);
        for (size_t k = 0; k < n; k++) {
            long dice = nrand48(seed);
            struct text t = text_of(texts[(size_t)dice / 7 % 6]);
            c[k].name = t.n > 0 ? t : TEXT("n");
            c[k].id = text_of(texts[(size_t)dice / 43 % 6]);
            c[k].value_type = text_of(dice % 3 ? NULL : "own");
            int64_t number = (int64_t)(nrand48(seed) >> (dice % 31)) - (1 << 20);
            const struct value kinds[] = {
                sample_text(t),
                sample_integer(number),
                sample_real((double)number / (double)(dice % 97 + 1)),
                sample_decimal(number, (int)(dice % 12)),
                sample_truth(dice % 2),
                sample_json(text_of(arena_printf(a, "{\"%ld\": [%ld.%ld0e%ld]}", dice, dice % 10,
                                                 dice % 7, dice % 13)))};
            c[k].value = kinds[(size_t)dice / 11 % 6];
        }
        raw->characteristics = (struct list){c, n};
        if (nrand48(seed) % 4 == 0)
            raw->specification = NULL;
        if (!comes_back(raw))
            fail_msg("record %d: %s", i, shown(mapped(raw).usage));
        if (i % 100 == 0)
            arena_reset(a);
    }
}

static struct characteristic *last_own(struct raw_usage *raw)
{
    return &((struct characteristic *)raw->characteristics.items)[raw->characteristics.count - 1];
}

static void own_characteristics_of_the_keys_names_stay(void **state)
{
    (void)state;
    struct raw_usage *other = sample_call(a), *first = sample_call(a), *number = sample_call(a),
                     *typed = sample_call(a), *twice = sample_call(a), *identified = sample_call(a);
    *last_own(other) = (struct characteristic){.name = TEXT("sourceSystem"),
                                               .value = sample_text(TEXT("another"))};
    *(struct characteristic *)first->characteristics.items = (struct characteristic){
        .name = TEXT("sourceRecordId"), .value = sample_text(first->record_id)};
    *last_own(number) =
        (struct characteristic){.name = TEXT("sourceRecordId"), .value = sample_integer(5)};
    *last_own(typed) = (struct characteristic){
        .name = TEXT("sourceSystem"), .value_type = TEXT("x"), .value = sample_text(typed->source)};
    *last_own(identified) = (struct characteristic){
        .name = TEXT("sourceSystem"), .id = TEXT("1"), .value = sample_text(identified->source)};
    struct characteristic *c = twice->characteristics.items;
    c[0] = (struct characteristic){.name = TEXT("sourceRecordId"),
                                   .value = sample_text(TEXT("another"))};
    c[1] = (struct characteristic){.name = TEXT("sourceSystem"), .value = sample_text(TEXT("x"))};
    *last_own(twice) = (struct characteristic){.name = TEXT("sourceRecordId"),
                                               .value = sample_text(twice->record_id)};

    assert_true(comes_back(other)); /* as a UsageDocument; alone it names another usage */
    assert_true(text_is(body.source, "another"));
    assert_true(comes_back(first));
    assert_true(comes_back(number));
    assert_false(body.natural);
    assert_true(comes_back(typed));
    assert_true(comes_back(twice));
    assert_true(comes_back(identified));
}

/* Where JSON does not show what the record said (body_content.c): if this fails, mend its words. */
static void what_a_record_said_that_is_filled_in_anyway_is_not_seen(void **state)
{
    (void)state;
    struct raw_usage *typed = sample_call(a), *specified = sample_call(a), *keyed = sample_call(a);
    ((struct characteristic *)typed->characteristics.items)[1].value_type = TEXT("integer");
    *specified->specification = (struct specification_ref){.id = TEXT("default-1")};
    *last_own(keyed) = (struct characteristic){.name = TEXT("sourceSystem"),
                                               .value_type = TEXT("string"),
                                               .value = sample_text(keyed->source)};

    assert_false(comes_back(typed));
    assert_false(comes_back(specified));
    assert_false(comes_back(keyed));

    struct change c = mapped(typed); /* but the stored usage is known again by its own JSON */
    taken(shown(c.usage));
    assert_int_equal(body.content,
                     body_content(c.usage, typed->source, typed->record_id, "default-1", a));
}

static void a_rated_usage_comes_back_with_the_content_of_its_record(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    struct change c;
    rated->usage = sample_call(a);
    assert_true(mapping_rated(&settings, rated, -1, SAMPLE_NOW, a, &c, &err));

    taken(shown(c.usage));

    assert_int_equal(body.usage->status, STATUS_RATED);
    assert_int_equal(body.content, c.content);
    assert_int_equal(body.content, digest_raw(rated->usage, a));
    assert_string_equal(shown(body.usage), shown(c.usage));
}

static void status_and_ratings_are_not_in_the_content(void **state)
{
    (void)state;
    const char *json = shown(mapped(sample_call(a)).usage);
    taken(json);
    uint64_t content = body.content;

    taken(arena_printf(a,
                       "{\"status\":\"guided\",\"ratedProductUsage\":[{\"taxRate\":6,\"x\":1}],%s",
                       strstr(json, "\"usageDate\"")));

    assert_int_equal(body.usage->status, STATUS_GUIDED);
    assert_true(content != body.content); /* no description */
    taken(arena_printf(a,
                       "{\"description\":\"Outgoing national voice call\",\"status\":\"guided\","
                       "\"ratedProductUsage\":[{\"taxRate\":6,\"x\":1}],%s",
                       strstr(json, "\"usageDate\"")));
    assert_int_equal(body.content, content);
}

static void what_no_record_can_say_is_other_content(void **state)
{
    (void)state;
    static const struct {
        const char *at, *more; /* `more` is put behind `at` */
    } rows[] = {
        {"{", "\"x\":1,"},
        {"{", "\"x\":2,"},
        {"{", "\"@baseType\":\"Usage\","},
        {"{", "\"@schemaLocation\":\"Usage\","},
        {"\"usageSpecification\":{", "\"x\":1,"},
        {"\"usageSpecification\":{", "\"@referredType\":\"x\","},
        {"\"relatedParty\":[{", "\"x\":1,"},
        {"\"usageCharacteristic\":[{", "\"x\":1,"},
        {"\"usageCharacteristic\":[{", "\"characteristicRelationship\":[{\"id\":\"1\"}],"},
        {"8613800000001\"},{", "\"x\":1,"},
        {"\"name\":\"sourceRecordId\"", ",\"x\":1"},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    uint64_t seen[ROWS + 2];
    const char *json = shown(mapped(sample_call(a)).usage);
    taken(json);
    seen[ROWS] = body.content;
    taken(arena_printf(a, "%.*s\"VoiceUsage\"}", (int)(strlen(json) - strlen("\"Usage\"}")), json));
    seen[ROWS + 1] = body.content;
    for (size_t i = 0; i < ROWS; i++) {
        const char *at = strstr(json, rows[i].at) + strlen(rows[i].at);
        taken(arena_printf(a, "%.*s%s%s", (int)(at - json), json, rows[i].more, at));
        seen[i] = body.content;
    }
    for (size_t i = 0; i < ROWS + 2; i++)
        for (size_t k = 0; k < i; k++)
            if (seen[i] == seen[k])
                fail_msg("rows %zu and %zu are one content", k, i);
    taken(arena_printf(a, "{\"x\":1.0,%s", json + 1)); /* by meaning, too */
    assert_int_equal(body.content, seen[0]);
}

/* The usage of such a record could be stored and never read again. */
static void a_record_of_the_greatest_depth_can_be_read_when_it_is_stored(void **state)
{
    (void)state;
    char deep[2 * JSONR_DEPTH_MAX];
    for (size_t depth = JSONR_DEPTH_MAX - 3; depth <= JSONR_DEPTH_MAX; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        struct raw_usage *raw = with_value(sample_json((struct text){deep, 2 * depth}));
        struct change c;
        bool took = mapping_raw(&settings, raw, -1, SAMPLE_NOW, a, &c, &err);
        if (depth == JSONR_DEPTH_MAX - 3)
            assert_true(took && comes_back(raw));
        else
            is_refused(took, REASON_VALUE, "nested deeper than 64");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_comes_back),
        cmocka_unit_test(every_kind_of_value_comes_back),
        cmocka_unit_test(a_value_type_of_its_own_comes_back),
        cmocka_unit_test(whatever_is_absent_comes_back),
        cmocka_unit_test(random_records_come_back),
        cmocka_unit_test(own_characteristics_of_the_keys_names_stay),
        cmocka_unit_test(what_a_record_said_that_is_filled_in_anyway_is_not_seen),
        cmocka_unit_test(a_rated_usage_comes_back_with_the_content_of_its_record),
        cmocka_unit_test(status_and_ratings_are_not_in_the_content),
        cmocka_unit_test(what_no_record_can_say_is_other_content),
        cmocka_unit_test(a_record_of_the_greatest_depth_can_be_read_when_it_is_stored),
    };
    return cmocka_run_group_tests(tests, start, end);
}
