#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "usage/digest.h"
#include "usage/id.h"
#include "usage/render.h"

#include "mapping_scene.h"

static bool map_raw(const struct raw_usage *raw)
{
    err_clear(&err);
    return mapping_raw(&settings, raw, SAMPLE_NOW, SAMPLE_NOW, a, &change, &err);
}

static void raw_refused(const struct raw_usage *raw, enum reason reason, const char *text)
{
    refused(map_raw(raw), reason, text);
}

static struct text long_text(size_t n)
{
    char *p = arena_alloc(a, n);
    memset(p, 'x', n);
    return (struct text){p, n};
}

static struct characteristic *characteristics(const struct raw_usage *raw)
{
    return raw->characteristics.items;
}

static void a_raw_record_becomes_a_usage(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);

    bool mapped = map_raw(raw);

    char id[ID_CHARS];
    assert_true(mapped);
    id_print(&change.id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_int_equal(change.kind, CHANGE_RAW);
    const struct usage *u = change.usage;
    assert_int_equal(id_compare(&u->id, &change.id), 0);
    assert_int_equal(u->revision, 1);
    assert_int_equal(u->status, STATUS_RECEIVED);
    assert_int_equal(u->usage_date, SAMPLE_DATE);
    assert_true(text_is(u->usage_type, "VOICE") && text_is(u->type, "Usage"));
    assert_true(text_is(u->specification.id, "voice-cdr-1"));
    assert_null(u->specification.referred_type.p);
    assert_true(text_is(change.source, "med-gz-02") &&
                text_is(change.record_id, "20261123-000417-88231"));
    assert_int_equal(change.content, digest_raw(raw, a));
    assert_int_equal(u->ratings.count, 0);
}

static void source_and_record_id_are_added_as_the_last_characteristics(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);

    assert_true(map_raw(raw));

    const struct characteristic *c = change.usage->characteristics.items;
    assert_int_equal(change.usage->characteristics.count, 8);
    assert_true(text_is(c[6].name, "sourceSystem") && text_is(c[6].value.text, "med-gz-02") &&
                text_is(c[6].value_type, "string"));
    assert_true(text_is(c[7].name, "sourceRecordId") &&
                text_is(c[7].value.text, "20261123-000417-88231"));
    assert_int_equal(raw->characteristics.count, 6);
}

static void a_records_own_source_system_is_kept(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    characteristics(raw)[0].name = TEXT("sourceSystem");

    assert_true(map_raw(raw));

    const struct characteristic *c = change.usage->characteristics.items;
    assert_int_equal(change.usage->characteristics.count, 7);
    assert_true(text_is(c[0].value.text, "8613800000001") && text_is(c[6].name, "sourceRecordId"));
}

static void a_missing_value_type_is_filled_in(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        struct value value;
    } rows[] = {
        {"string", {.kind = VALUE_TEXT, .text = {"", 0}}},
        {"integer", {.kind = VALUE_INTEGER, .integer = 1}},
        {"number", {.kind = VALUE_REAL, .real = 1}},
        {"number", {.kind = VALUE_DECIMAL, .decimal = {15, 1}}},
        {"boolean", {.kind = VALUE_TRUTH, .truth = true}},
        {"object", {.kind = VALUE_JSON, .text = {" {} ", 4}}},
        {"array", {.kind = VALUE_JSON, .text = {"[]", 2}}},
        {"string", {.kind = VALUE_JSON, .text = {"\"x\"", 3}}},
        {"integer", {.kind = VALUE_JSON, .text = {"17", 2}}},
        {"number", {.kind = VALUE_JSON, .text = {"1.50", 4}}},
        {"number", {.kind = VALUE_JSON, .text = {"1e400", 5}}},
        {"boolean", {.kind = VALUE_JSON, .text = {"true", 4}}},
        {NULL, {.kind = VALUE_JSON, .text = {"null", 4}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_usage *raw = sample_call(a);
        characteristics(raw)[0].value = rows[i].value;

        assert_true(map_raw(raw));

        const struct characteristic *c = change.usage->characteristics.items;
        assert_true(text_eq(c[0].value_type, text_of(rows[i].type)));
        assert_true(text_is(c[4].value_type, "date-time")); /* one that came stays */
        assert_null(characteristics(raw)[0].value_type.p);  /* and the record stays as it came */
    }
}

static void json_that_is_a_scalar_becomes_that_scalar(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    characteristics(raw)[0].value = sample_json(TEXT(" \"\\u8ba1\" "));
    characteristics(raw)[1].value = sample_json(TEXT("1.50"));
    characteristics(raw)[2].value = sample_json(TEXT("1e400"));
    characteristics(raw)[3].value = sample_json(TEXT("null"));
    characteristics(raw)[5].value = sample_json(TEXT(" {\n \"a\\\" b\" : [ 1 ]\r\n} "));

    assert_true(map_raw(raw));

    const struct characteristic *c = change.usage->characteristics.items;
    assert_true(c[0].value.kind == VALUE_TEXT && text_is(c[0].value.text, "计"));
    assert_true(c[1].value.kind == VALUE_DECIMAL && c[1].value.decimal.scale == 2);
    assert_true(c[2].value.kind == VALUE_JSON && text_is(c[2].value.text, "1e400"));
    assert_true(c[3].value.kind == VALUE_NULL);
    assert_true(text_is(c[5].value.text, "{\"a\\\" b\":[1]}")); /* fits a line */
}

static void what_is_absent_or_empty_takes_its_default(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    struct related_party *p = raw->parties.items;
    raw->specification = NULL;
    raw->description = TEXT("");
    raw->status = (struct symbol){-1, TEXT("")};
    p->name = p->role = p->href = p->referred_type = TEXT("");

    assert_true(map_raw(raw));

    const struct usage *u = change.usage;
    const struct related_party *party = u->parties.items;
    assert_true(text_is(u->specification.id, "default-1"));
    assert_null(u->description.p);
    assert_int_equal(u->status, STATUS_RECEIVED);
    assert_true(!party->name.p && !party->role.p && !party->href.p);
    assert_true(text_is(party->referred_type, "Customer"));
}

static void a_record_without_arrays_is_taken(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    raw->parties = raw->characteristics = (struct list){0};

    assert_true(map_raw(raw));

    assert_int_equal(change.usage->parties.count, 0);
    assert_int_equal(change.usage->characteristics.count, 2);
}

static void a_needed_value_that_is_absent_or_empty_is_missing(void **state)
{
    (void)state;
    static const char *const fields[] = {"source is empty",
                                         "recordId is absent",
                                         "usageDate is absent",
                                         "usageType is empty",
                                         "usageSpecification.id is empty",
                                         "relatedParty[0].id is empty",
                                         "usageCharacteristic[2].name is empty",
                                         "usageCharacteristic[2].value is absent"};
    for (int i = 0; i < 8; i++) {
        struct raw_usage *raw = sample_call(a);
        struct related_party *p = raw->parties.items;
        switch (i) {
        case 0:
            raw->source = TEXT("");
            break;
        case 1:
            raw->record_id = (struct text){0};
            break;
        case 2:
            raw->usage_date = INSTANT_NONE;
            break;
        case 3:
            raw->usage_type = TEXT("");
            break;
        case 4:
            raw->specification->id = TEXT("");
            break;
        case 5:
            p->id = TEXT("");
            break;
        case 6:
            characteristics(raw)[2].name = TEXT("");
            break;
        case 7:
            characteristics(raw)[2].value.kind = VALUE_ABSENT;
            break;
        }
        raw_refused(raw, REASON_MISSING, fields[i]);
    }
}

static void texts_may_have_their_limit_in_bytes_and_no_more(void **state)
{
    (void)state;
    static const size_t limits[] = {128, 256, 64, 256, 256, 256, 256, 256};
    static const char *const fields[] = {"source has",
                                         "recordId has",
                                         "usageType has",
                                         "usageSpecification.id has",
                                         "usageSpecification.name has",
                                         "relatedParty[0].id has",
                                         "relatedParty[0].role has",
                                         "relatedParty[0].name has"};
    for (size_t i = 0; i < 8; i++) {
        struct raw_usage *raw = sample_call(a);
        struct related_party *p = raw->parties.items;
        struct text *places[] = {&raw->source,
                                 &raw->record_id,
                                 &raw->usage_type,
                                 &raw->specification->id,
                                 &raw->specification->name,
                                 &p->id,
                                 &p->role,
                                 &p->name};
        *places[i] = long_text(limits[i]);
        assert_true(map_raw(raw));
        *places[i] = long_text(limits[i] + 1);
        raw_refused(raw, REASON_VALUE, fields[i]);
    }
}

static void a_value_that_json_cannot_say_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct value value;
        enum reason reason;
    } rows[] = {
        {{.kind = VALUE_REAL, .real = INFINITY}, REASON_VALUE},
        {{.kind = VALUE_REAL, .real = NAN}, REASON_VALUE},
        {{.kind = VALUE_WIDE, .integer = 38}, REASON_VALUE},
        {{.kind = VALUE_JSON, .text = {"", 0}}, REASON_VALUE},
        {{.kind = VALUE_JSON, .text = {"{\"a\":}", 6}}, REASON_VALUE},
        {{.kind = VALUE_JSON, .text = {"1 2", 3}}, REASON_VALUE},
        {{.kind = VALUE_JSON, .text = {"[\"\\ud800\"]", 10}}, REASON_TEXT},
        {{.kind = VALUE_JSON, .text = {"\"\\u0000\"", 8}}, REASON_TEXT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_usage *raw = sample_call(a);
        characteristics(raw)[1].value = rows[i].value;
        raw_refused(raw, rows[i].reason, "usageCharacteristic[1].value ");
    }
}

static bool dated(int64_t usage_date, int64_t kafka_ms)
{
    struct raw_usage *raw = sample_call(a);
    raw->usage_date = usage_date;
    err_clear(&err);
    return mapping_raw(&settings, raw, kafka_ms, SAMPLE_NOW, a, &change, &err);
}

static void a_date_must_lie_in_the_window(void **state)
{
    (void)state;
    const int64_t now = SAMPLE_NOW, oldest = settings.usage_oldest_ms,
                  newest = settings.usage_newest_ms;

    assert_true(dated(now - oldest, -1));
    refused(dated(now - oldest - 1, -1), REASON_DATE, "usageDate ");
    assert_true(dated(now + newest, -1));
    refused(dated(now + newest + 1, -1), REASON_DATE, "usageDate ");
    assert_true(dated(now + newest, now + 5000)); /* the earlier of Kafka's and our clock */
    refused(dated(now + newest + 1, now + 5000), REASON_DATE, "usageDate ");
    assert_true(dated(now - 5000 + newest, now - 5000));
    refused(dated(now - 5000 + newest + 1, now - 5000), REASON_DATE, "usageDate ");
    refused(dated(INT64_MAX, -1), REASON_DATE, "usageDate ");

    settings.usage_oldest_ms = INT64_C(100) * 365 * 86400000;
    assert_true(dated(0, -1));
    refused(dated(-1, -1), REASON_DATE, "usageDate 1969-12-31T23:59:59.999Z");
    settings = sample_settings();
}

static void a_raw_record_may_carry_four_states(void **state)
{
    (void)state;
    for (int s = 0; s < STATUS_COUNT; s++) {
        struct raw_usage *raw = sample_call(a);
        raw->status = (struct symbol){s, text_of(usage_status_names[s])};
        if (s == STATUS_RECEIVED || s == STATUS_GUIDED || s == STATUS_REJECTED ||
            s == STATUS_RECYCLED) {
            assert_true(map_raw(raw));
            assert_int_equal(change.usage->status, s);
        } else {
            raw_refused(raw, REASON_STATUS, usage_status_names[s]);
        }
    }
}

static void a_status_that_is_none_of_the_seven_is_refused(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    raw->status = (struct symbol){-1, TEXT("Received")};

    raw_refused(raw, REASON_STATUS, "status \"Received\" is not one of received,");
}

static void of_several_reasons_the_first_of_the_table_counts(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);

    raw->status = (struct symbol){-1, TEXT("x")};
    raw_refused(raw, REASON_STATUS, "status");
    raw->usage_date = 1;
    raw_refused(raw, REASON_DATE, "usageDate");
    characteristics(raw)[5].value = sample_real(NAN);
    raw_refused(raw, REASON_VALUE, "usageCharacteristic[5].value");
    characteristics(raw)[4].name = TEXT("");
    raw_refused(raw, REASON_MISSING, "usageCharacteristic[4].name");
    characteristics(raw)[3].value = sample_json(TEXT("\"\\ud800\""));
    raw_refused(raw, REASON_TEXT, "usageCharacteristic[3].value");
}

static void the_text_of_a_refusal_names_the_value_cut_and_the_limit(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    char *p = arena_alloc(a, 300);
    memset(p, 'y', 300);
    p[0] = '\n';
    raw->source = (struct text){p, 300};

    raw_refused(raw, REASON_VALUE, "source has 300 bytes, at most 128 are allowed: \"\\x0ayyy");
    assert_true(strlen(err.text) < 300);
}

/* The record's memory is used for the next one at once (mapping.h). */
static void a_raw_records_own_memory_may_go_once_it_is_mapped(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a);
    struct buf before = {0}, after = {0};
    assert_true(map_raw(raw));
    render_document(&before, change.usage);

    memset(raw->specification, 0xa5, sizeof *raw->specification);
    memset(raw->parties.items, 0xa5, raw->parties.count * sizeof(struct related_party));
    memset(raw->characteristics.items, 0xa5,
           raw->characteristics.count * sizeof(struct characteristic));
    memset(raw, 0xa5, sizeof *raw);
    render_document(&after, change.usage);

    assert_string_equal(buf_text(&after), buf_text(&before));
    assert_true(text_eq(change.source, TEXT("med-gz-02")));
    assert_true(text_eq(change.usage->description, TEXT("Outgoing national voice call")));
    buf_fini(&before);
    buf_fini(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_record_becomes_a_usage),
        cmocka_unit_test(source_and_record_id_are_added_as_the_last_characteristics),
        cmocka_unit_test(a_records_own_source_system_is_kept),
        cmocka_unit_test(a_missing_value_type_is_filled_in),
        cmocka_unit_test(json_that_is_a_scalar_becomes_that_scalar),
        cmocka_unit_test(what_is_absent_or_empty_takes_its_default),
        cmocka_unit_test(a_record_without_arrays_is_taken),
        cmocka_unit_test(a_needed_value_that_is_absent_or_empty_is_missing),
        cmocka_unit_test(texts_may_have_their_limit_in_bytes_and_no_more),
        cmocka_unit_test(a_value_that_json_cannot_say_is_refused),
        cmocka_unit_test(a_date_must_lie_in_the_window),
        cmocka_unit_test(a_raw_record_may_carry_four_states),
        cmocka_unit_test(a_status_that_is_none_of_the_seven_is_refused),
        cmocka_unit_test(of_several_reasons_the_first_of_the_table_counts),
        cmocka_unit_test(the_text_of_a_refusal_names_the_value_cut_and_the_limit),
        cmocka_unit_test(a_raw_records_own_memory_may_go_once_it_is_mapped),
    };
    return cmocka_run_group_tests(tests, start, end);
}
