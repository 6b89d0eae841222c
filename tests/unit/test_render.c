#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "usage/id.h"
#include "usage/render.h"
#include "usage_samples.h"

#include "arena_scene.h"

static struct err err;

static struct usage *sample_usage(void)
{
    struct mapping_settings settings = sample_settings();
    struct rated_usage *rated = sample_rated(a);
    struct change change;
    rated->usage = sample_call(a);
    assert_true(mapping_rated(&settings, rated, -1, SAMPLE_NOW, a, &change, &err));
    return change.usage;
}

static struct text document_of(const struct usage *u)
{
    struct buf b = {0};
    render_document(&b, u);
    struct text t = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    return t;
}

static struct text ratings_of(const struct usage *u)
{
    struct buf b = {0};
    render_ratings(&b, &u->ratings);
    struct text t = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    return t;
}

static struct render_row row_of(const struct usage *u)
{
    return (struct render_row){.id = u->id,
                               .status = text_of(usage_status_names[u->status]),
                               .description = u->description,
                               .ratings = ratings_of(u),
                               .document = document_of(u)};
}

static const char document[] =
    "{\"usageDate\":\"2026-11-23T08:15:30.250Z\",\"usageType\":\"VOICE\","
    "\"usageSpecification\":{\"id\":\"voice-cdr-1\",\"name\":\"VoiceUsageSpecification\"},"
    "\"usageCharacteristic\":["
    "{\"name\":\"callingParty\",\"valueType\":\"string\",\"value\":\"8613800000001\"},"
    "{\"name\":\"durationSeconds\",\"valueType\":\"integer\",\"value\":187},"
    "{\"name\":\"volume\",\"valueType\":\"number\",\"value\":12.25},"
    "{\"name\":\"roaming\",\"valueType\":\"boolean\",\"value\":false},"
    "{\"name\":\"endDateTime\",\"valueType\":\"date-time\",\"value\":\"2026-11-23T08:18:37.250Z\"},"
    "{\"name\":\"servingCell\",\"valueType\":\"object\",\"value\":{ \"mcc\": \"460\", \"lac\": "
    "9527 }},"
    "{\"name\":\"sourceSystem\",\"valueType\":\"string\",\"value\":\"med-gz-02\"},"
    "{\"name\":\"sourceRecordId\",\"valueType\":\"string\",\"value\":\"20261123-000417-88231\"}],"
    "\"relatedParty\":[{\"id\":\"cust-55810\",\"role\":\"subscriber\",\"name\":\"Example "
    "Subscriber\","
    "\"@referredType\":\"Customer\"}],\"@type\":\"Usage\"}";

static const char ratings[] =
    "[{\"ratingDate\":\"2026-11-23T08:18:41.007Z\",\"ratingAmountType\":\"Total\","
    "\"usageRatingTag\":\"non included usage\","
    "\"offerTariffType\":\"Normal\",\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.60},"
    "\"taxIncludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.636},\"taxRate\":6,\"isTaxExempt\":"
    "false,\"isBilled\":false,"
    "\"productRef\":{\"id\":\"prod-7781\",\"name\":\"5G Plan 129\"}}]";

static void the_document_holds_what_a_rating_never_changes(void **state)
{
    (void)state;
    assert_string_equal(document_of(sample_usage()).p, document);
}

static void the_ratings_are_an_array_with_exact_digits(void **state)
{
    (void)state;
    struct usage *u = sample_usage();

    assert_string_equal(ratings_of(u).p, ratings);
    u->ratings.count = 0;
    assert_string_equal(ratings_of(u).p, "[]");
}

static const char *rendered(const struct render_row *row, const struct render_fields *fields)
{
    struct buf b = {0};
    render_usage(&b, row, "https://bss.example.net/v4", fields);
    const char *text = arena_copy(a, b.data, b.len);
    buf_fini(&b);
    return text;
}

#define NAMES                                                                                      \
    "{\"id\":\"" SAMPLE_ID "\",\"href\":\"https://bss.example.net/v4/usage/" SAMPLE_ID "\""

static void the_resource_is_spliced_of_the_row(void **state)
{
    (void)state;
    struct render_row row = row_of(sample_usage());
    char expected[4096];
    snprintf(expected, sizeof expected,
             "%s,\"description\":\"Outgoing national voice "
             "call\",\"status\":\"rated\",\"ratedProductUsage\":%s,%s",
             NAMES, ratings, document + 1);

    assert_string_equal(rendered(&row, &(struct render_fields){.all = true}), expected);
}

static void what_is_absent_in_the_row_is_absent_in_the_resource(void **state)
{
    (void)state;
    struct render_row row = row_of(sample_usage());
    row.description = (struct text){0};
    row.ratings = TEXT("[]");

    const char *json = rendered(&row, NULL);

    assert_null(strstr(json, "description"));
    assert_null(strstr(json, "ratedProductUsage"));
}

static void chosen_fields_are_written_after_id_and_href(void **state)
{
    (void)state;
    struct usage *u = sample_usage();
    u->extensions = TEXT("{\"\\u540d\\\"\": [1, 2],\"x\":null,\"com.example.tag\":7}");
    struct render_row row = row_of(u);
    static const struct {
        const char *names, *expected;
    } rows[] = {
        {"none", NAMES "}"},
        {"", NAMES "}"},
        {"id,href", NAMES "}"},
        {"status", NAMES ",\"status\":\"rated\"}"},
        {"usageType,description",
         NAMES ",\"description\":\"Outgoing national voice call\",\"usageType\":\"VOICE\"}"},
        {"usageSpecification.id,x", NAMES ",\"usageSpecification\":{\"id\":\"voice-cdr-1\","
                                          "\"name\":\"VoiceUsageSpecification\"},\"x\":null}"},
        {"名\"", NAMES ",\"名\\\"\":[1, 2]}"},
        {"com.example.tag,status", NAMES ",\"status\":\"rated\",\"com.example.tag\":7}"},
        {"@type,unknown,,", NAMES ",\"@type\":\"Usage\"}"},
        {"usage,statu,statuses", NAMES "}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct render_fields fields = render_fields_of(text_of(rows[i].names), a);
        assert_string_equal(rendered(&row, &fields), rows[i].expected);
    }
}

static void many_fields_of_many_attributes_are_chosen_in_little_time(void **state)
{
    (void)state;
    enum { ATTRIBUTES = 100000, NAMES_MAX = 50000 }; /* each with each would be 5 * 10^9 */
    struct buf extensions = {0}, names = {0};
    for (int i = 0; i < ATTRIBUTES; i++)
        buf_printf(&extensions, "%s\"x%06d\":%d", i > 0 ? "," : "{", i, i);
    buf_str(&extensions, "}");
    for (int i = 0; i < NAMES_MAX; i++)
        buf_printf(&names, "y%06d,", i);
    buf_str(&names, "x000007,x099999.z");
    struct usage *u = sample_usage();
    u->extensions = text_of(buf_text(&extensions));
    struct render_row row = row_of(u);
    struct render_fields fields = render_fields_of(text_of(buf_text(&names)), a);
    struct buf b = {0};

    render_usage(&b, &row, "https://bss.example.net/v4", &fields);

    assert_string_equal(buf_text(&b), NAMES ",\"x000007\":7,\"x099999\":99999}");
    buf_fini(&b);
    buf_fini(&extensions);
    buf_fini(&names);
}

static void a_stored_usage_is_read_back_whole(void **state)
{
    (void)state;
    struct usage *u = sample_usage(), back = {.revision = 7};
    struct render_row row = row_of(u);

    bool read = render_read(&row, a, &back, &err);

    assert_true(read);
    assert_int_equal(id_compare(&back.id, &u->id), 0);
    assert_int_equal(back.revision, 7);
    assert_int_equal(back.status, STATUS_RATED);
    assert_int_equal(back.usage_date, SAMPLE_DATE);
    assert_int_equal(back.characteristics.count, 8);
    assert_int_equal(back.parties.count, 1);
    assert_true(text_eq(back.description, u->description));
    assert_true(usage_ratings_equal(&back.ratings, &u->ratings));
    assert_true(text_eq(document_of(&back), row.document));
    assert_true(text_eq(ratings_of(&back), row.ratings));
}

/* The value in a document, read and written again. */
static void comes_back(struct value v, enum value_kind kind)
{
    struct usage *u = sample_usage(), back = {0};
    ((struct characteristic *)u->characteristics.items)[0].value = v;
    struct render_row row = row_of(u);

    assert_true(render_read(&row, a, &back, &err));

    assert_string_equal(document_of(&back).p, row.document.p);
    assert_int_equal(((struct characteristic *)back.characteristics.items)[0].value.kind, kind);
}

static void every_value_comes_back_byte_for_byte(void **state)
{
    (void)state;
    static const char *const numbers[] = {"1e400",
                                          "-0",
                                          "-0.0",
                                          "1E5",
                                          "1e+5",
                                          "0.10e1",
                                          "123456789012345678901234567890123456789012"};

    comes_back(sample_integer(INT64_MIN), VALUE_INTEGER);
    comes_back(sample_integer(INT64_MAX), VALUE_INTEGER);
    comes_back(sample_real(300.0), VALUE_DECIMAL);
    comes_back(sample_real(0.1), VALUE_DECIMAL);
    comes_back(sample_real(-0.0), VALUE_JSON);
    comes_back(sample_real(1e300), VALUE_JSON);
    comes_back(sample_real(1e-300), VALUE_JSON);
    comes_back(sample_real(1e22), VALUE_JSON);
    comes_back(sample_real(-1.7976931348623157e308), VALUE_JSON);
    comes_back(sample_decimal(60, 2), VALUE_DECIMAL);
    comes_back(sample_decimal(-5, 9), VALUE_DECIMAL);
    comes_back(sample_decimal(0, 4), VALUE_DECIMAL);
    comes_back(sample_text(TEXT("")), VALUE_TEXT);
    comes_back(sample_text(TEXT("a\"\\\n\x01计😀\x7f/")), VALUE_TEXT);
    comes_back(sample_truth(true), VALUE_TRUTH);
    comes_back((struct value){.kind = VALUE_NULL}, VALUE_NULL);
    comes_back(sample_json(TEXT("{ \"a\" : [1.50, \"\\u0041\"] }")), VALUE_JSON);
    comes_back(sample_json(TEXT("[]")), VALUE_JSON);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        comes_back(sample_json(text_of(numbers[i])), VALUE_JSON);
}

static void any_double_comes_back_byte_for_byte(void **state)
{
    (void)state;
    unsigned short seed[3] = {1, 2, 3};
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = ((uint64_t)nrand48(seed) << 33) ^ ((uint64_t)nrand48(seed) << 15) ^
                        (uint64_t)nrand48(seed);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (!__builtin_isfinite(v))
            continue;
        struct characteristic c = {.name = TEXT("x"), .value = sample_real(v)};
        struct usage u = {.usage_date = 0,
                          .specification.id = TEXT("s"),
                          .characteristics = {&c, 1}},
                     back = {0};
        struct render_row row = row_of(&u);

        assert_true(render_read(&row, a, &back, &err));

        assert_string_equal(document_of(&back).p, row.document.p);
    }
}

static void what_http_adds_comes_back_too(void **state)
{
    (void)state;
    struct usage *u = sample_usage(), back = {0};
    struct characteristic *c = u->characteristics.items;
    c[0].id = TEXT("c-1");
    c[0].relationships = TEXT("[{\"id\":\"c-2\"}]");
    u->specification.href = TEXT("https://x/y");
    u->specification.referred_type = TEXT("UsageSpecification");
    u->type = TEXT("VoiceUsage");
    u->base_type = TEXT("Usage");
    u->schema_location = TEXT("https://x/z.json");
    u->usage_type = (struct text){0};
    u->parties.count = 0;
    u->extensions = TEXT("{ \"a\\\"b\" : 1.50 , \"usage\": {\"id\":null}, \"z\":[] }");
    struct render_row row = row_of(u);

    assert_true(render_read(&row, a, &back, &err));

    assert_string_equal(document_of(&back).p, row.document.p);
    assert_true(
        text_is(back.extensions, "{\"a\\\"b\" : 1.50 , \"usage\": {\"id\":null}, \"z\":[]}"));
    assert_true(text_is(back.base_type, "Usage") &&
                text_is(back.schema_location, "https://x/z.json"));
    assert_null(back.usage_type.p);
}

static void a_usage_without_extensions_has_none(void **state)
{
    (void)state;
    struct usage *u = sample_usage(), back = {0};
    u->extensions = TEXT("{ }");
    struct render_row row = row_of(u);

    assert_true(render_read(&row, a, &back, &err));

    assert_string_equal(row.document.p, document);
    assert_null(back.extensions.p);
}

static void a_row_that_is_not_ours_is_told_of(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "",
        "[]",
        "{",
        "{\"usageDate\":\"2026-11-23T08:15:30.250Z\"}",
        "{\"usageSpecification\":{\"id\":\"x\"}}",
        "{\"usageDate\":1,\"usageSpecification\":{\"id\":\"x\"}}",
        "{\"usageDate\":\"x\",\"usageSpecification\":{\"id\":\"x\"}}"};
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct render_row row = row_of(sample_usage());
        struct usage back = {0};
        row.document = text_of(documents[i]);

        assert_false(render_read(&row, a, &back, &err));
        assert_int_equal(err.kind, ERR_FATAL);
    }
    struct render_row row = row_of(sample_usage());
    struct usage back = {0};
    row.status = TEXT("Rated");
    assert_false(render_read(&row, a, &back, &err));
    row.status = TEXT("rated");
    row.ratings = TEXT("[{\"taxRate\":\"6\"}]");
    assert_false(render_read(&row, a, &back, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_holds_what_a_rating_never_changes),
        cmocka_unit_test(the_ratings_are_an_array_with_exact_digits),
        cmocka_unit_test(the_resource_is_spliced_of_the_row),
        cmocka_unit_test(what_is_absent_in_the_row_is_absent_in_the_resource),
        cmocka_unit_test(chosen_fields_are_written_after_id_and_href),
        cmocka_unit_test(many_fields_of_many_attributes_are_chosen_in_little_time),
        cmocka_unit_test(a_stored_usage_is_read_back_whole),
        cmocka_unit_test(every_value_comes_back_byte_for_byte),
        cmocka_unit_test(any_double_comes_back_byte_for_byte),
        cmocka_unit_test(what_http_adds_comes_back_too),
        cmocka_unit_test(a_usage_without_extensions_has_none),
        cmocka_unit_test(a_row_that_is_not_ours_is_told_of),
    };
    return cmocka_run_group_tests(tests, start, end);
}
