#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <avro.h>

#include "event_samples.h"
#include "usage/event.h"
#include "usage/id.h"

/* Events are written by hand, so they are read back by avro-c and the very schema files. */

static struct arena *a;
static avro_value_iface_t *classes[EVENT_TYPES];

static avro_value_iface_t *class_of(const char *file)
{
    const char *folder = getenv("USAGED_SCHEMAS");
    char path[500], json[65536];
    avro_schema_t schema;
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "schemas", file);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: no such file (set USAGED_SCHEMAS)", path);
    size_t n = fread(json, 1, sizeof json, f);
    fclose(f);
    if (avro_schema_from_json_length(json, n, &schema) != 0)
        fail_msg("%s: %s", file, avro_strerror());
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    avro_schema_decref(schema);
    return class;
}

static int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    for (int i = 0; i < EVENT_TYPES; i++)
        classes[i] = class_of(event_schema_files[i]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(a);
    for (int i = 0; i < EVENT_TYPES; i++)
        avro_value_iface_decref(classes[i]);
    return 0;
}

/* Writes the event and reads it back; all bytes must be used. */
static avro_value_t written(const struct event *e)
{
    struct buf b = {0};
    avro_value_t v;
    event_write(&b, e);
    assert_memory_equal(b.data, "\0\0\0\1\2", 5);
    avro_reader_t reader = avro_reader_memory(b.data + 5, (int64_t)b.len - 5);
    avro_generic_value_new(classes[e->type], &v);
    if (avro_value_read(reader, &v) != 0)
        fail_msg("%s", avro_strerror());
    char rest;
    assert_int_not_equal(avro_read(reader, &rest, 1), 0);
    avro_reader_free(reader);
    buf_fini(&b);
    return v;
}

/* "event.usage.relatedParty[0].id" of a value; through unions without a word. */
static avro_value_t at(const avro_value_t *root, const char *path)
{
    avro_value_t v = *root, next;
    char name[64];
    while (*path) {
        size_t n = strcspn(path, ".[");
        while (avro_value_get_type(&v) == AVRO_UNION) {
            assert_int_equal(avro_value_get_current_branch(&v, &next), 0);
            v = next;
        }
        if (*path == '[') {
            assert_int_equal(avro_value_get_by_index(&v, strtoul(path + 1, NULL, 10), &next, NULL),
                             0);
            path = strchr(path, ']') + 1;
        } else {
            snprintf(name, sizeof name, "%.*s", (int)n, path);
            if (avro_value_get_by_name(&v, name, &next, NULL) != 0)
                fail_msg("no field %s", name);
            path += n;
        }
        path += *path == '.';
        v = next;
    }
    while (avro_value_get_type(&v) == AVRO_UNION) {
        assert_int_equal(avro_value_get_current_branch(&v, &next), 0);
        v = next;
    }
    return v;
}

static void has_text(const avro_value_t *root, const char *path, const char *expected)
{
    avro_value_t v = at(root, path);
    const char *text;
    size_t n;
    if (!expected) {
        assert_int_equal(avro_value_get_type(&v), AVRO_NULL);
        return;
    }
    assert_int_equal(avro_value_get_type(&v), AVRO_STRING);
    assert_int_equal(avro_value_get_string(&v, &text, &n), 0);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: \"%s\", expected \"%s\"", path, text, expected);
}

static void has_long(const avro_value_t *root, const char *path, int64_t expected)
{
    avro_value_t v = at(root, path);
    int64_t n;
    assert_int_equal(avro_value_get_type(&v), AVRO_INT64);
    assert_int_equal(avro_value_get_long(&v, &n), 0);
    assert_int_equal(n, expected);
}

static void has_double(const avro_value_t *root, const char *path, double expected)
{
    avro_value_t v = at(root, path);
    double d;
    assert_int_equal(avro_value_get_type(&v), AVRO_DOUBLE);
    assert_int_equal(avro_value_get_double(&v, &d), 0);
    assert_memory_equal(&d, &expected, sizeof d);
}

static void has_truth(const avro_value_t *root, const char *path, int expected)
{
    avro_value_t v = at(root, path);
    int truth;
    assert_int_equal(avro_value_get_type(&v), AVRO_BOOLEAN);
    assert_int_equal(avro_value_get_boolean(&v, &truth), 0);
    assert_int_equal(truth, expected);
}

static void has_symbol(const avro_value_t *root, const char *path, const char *expected)
{
    avro_value_t v = at(root, path);
    int symbol;
    assert_int_equal(avro_value_get_enum(&v, &symbol), 0);
    assert_string_equal(avro_schema_enum_get(avro_value_get_schema(&v), symbol), expected);
}

static void has_decimal(const avro_value_t *root, const char *path, const char *expected)
{
    avro_value_t v = at(root, path);
    const void *bytes;
    size_t n;
    struct decimal d = {0};
    char text[DECIMAL_CHARS];
    assert_int_equal(avro_value_get_bytes(&v, &bytes, &n), 0);
    assert_true(decimal_from_be(bytes, n, 9, &d));
    decimal_print(d, text);
    assert_string_equal(text, expected);
}

static void has_count(const avro_value_t *root, const char *path, size_t expected)
{
    avro_value_t v = at(root, path);
    size_t n;
    assert_int_equal(avro_value_get_size(&v, &n), 0);
    assert_int_equal(n, expected);
}

static void the_envelope_is_that_of_the_contract(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    for (enum event_type type = 0; type < EVENT_TYPES; type++) {
        struct event e = sample_event(type, u);

        avro_value_t v = written(&e);

        has_text(&v, "eventId", "b78b26a2-f7a0-8b72-a001-d8f2cdcc9a6f");
        has_long(&v, "eventTime", SAMPLE_NOW);
        has_long(&v, "timeOcurred", SAMPLE_RATED);
        has_text(&v, "eventType", event_type_names[type]);
        has_text(&v, "correlationId", "med-gz-02/20261123-000417-88231");
        has_text(&v, "domain", "Usage");
        has_text(&v, "description", NULL);
        has_text(&v, "event.usage.id", SAMPLE_ID);
        has_long(&v, "event.usage.revision", 3);
        if (type == EVENT_STATE_CHANGE)
            has_symbol(&v, "previousStatus", "guided");
        if (type == EVENT_ATTRIBUTE_CHANGE)
            has_text(&v, "fieldPath", "ratedProductUsage");
        avro_value_decref(&v);
    }
}

static void an_unknown_correlation_is_null(void **state)
{
    (void)state;
    struct event e = sample_event(EVENT_CREATE, sample_usage(a));
    e.record_id = (struct text){0};

    avro_value_t v = written(&e);

    has_text(&v, "correlationId", NULL);
    avro_value_decref(&v);
}

static void the_usage_is_whole(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    u->specification.href = TEXT("https://x/s");
    u->specification.referred_type = TEXT("UsageSpecification");
    u->base_type = TEXT("Usage");
    u->schema_location = TEXT("https://x/z.json");
    u->extensions = TEXT("{\"a\":1}");
    u->specification.more = TEXT("\"@type\":\"T\"");
    ((struct related_party *)u->parties.items)->href = TEXT("https://x/p");
    ((struct related_party *)u->parties.items)->more = TEXT("\"@type\":\"P\",\"x\":null");
    ((struct characteristic *)u->characteristics.items)->id = TEXT("c-1");
    ((struct characteristic *)u->characteristics.items)->more = TEXT("\"y\":[1]");
    struct event e = sample_event(EVENT_CREATE, u);

    avro_value_t event = written(&e), v = at(&event, "event.usage");

    has_text(&v, "href", "https://bss.example.net/v4/usage/" SAMPLE_ID);
    has_text(&v, "description", "Outgoing national voice call");
    has_long(&v, "usageDate", SAMPLE_DATE);
    has_text(&v, "usageType", "VOICE");
    has_symbol(&v, "status", "rated");
    has_text(&v, "usageSpecification.id", "voice-cdr-1");
    has_text(&v, "usageSpecification.href", "https://x/s");
    has_text(&v, "usageSpecification.name", "VoiceUsageSpecification");
    has_text(&v, "usageSpecification.referredType", "UsageSpecification");
    has_text(&v, "usageSpecification.extensions", "{\"@type\":\"T\"}");
    has_count(&v, "usageCharacteristic", 8);
    has_text(&v, "usageCharacteristic[0].id", "c-1");
    has_text(&v, "usageCharacteristic[0].name", "callingParty");
    has_text(&v, "usageCharacteristic[0].valueType", "string");
    has_text(&v, "usageCharacteristic[0].value", "8613800000001");
    has_count(&v, "usageCharacteristic[0].characteristicRelationship", 0);
    has_text(&v, "usageCharacteristic[0].extensions", "{\"y\":[1]}");
    has_text(&v, "usageCharacteristic[7].name", "sourceRecordId");
    has_text(&v, "usageCharacteristic[7].id", NULL);
    has_text(&v, "usageCharacteristic[7].extensions", NULL);
    has_count(&v, "relatedParty", 1);
    has_text(&v, "relatedParty[0].id", "cust-55810");
    has_text(&v, "relatedParty[0].href", "https://x/p");
    has_text(&v, "relatedParty[0].role", "subscriber");
    has_text(&v, "relatedParty[0].name", "Example Subscriber");
    has_text(&v, "relatedParty[0].referredType", "Customer");
    has_text(&v, "relatedParty[0].extensions", "{\"@type\":\"P\",\"x\":null}");
    has_text(&v, "type", "Usage");
    has_text(&v, "baseType", "Usage");
    has_text(&v, "schemaLocation", "https://x/z.json");
    has_text(&v, "extensions", "{\"a\":1}");
    avro_value_decref(&event);
}

static void a_rating_is_whole_and_exact(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    struct rating *r = u->ratings.items;
    r->bucket_value = sample_money(a, -15, 1);
    r->product_ref->href = TEXT("https://x/p");
    r->product_ref->referred_type = TEXT("Product");
    r->product_ref->more = TEXT("\"p\":1");
    r->bucket_value->more = TEXT("\"id\":\"m\"");
    r->more = TEXT("\"z\":{}");
    struct event e = sample_event(EVENT_STATE_CHANGE, u);

    avro_value_t event = written(&e), v = at(&event, "event.usage.ratedProductUsage[0]");

    has_long(&v, "ratingDate", SAMPLE_RATED);
    has_text(&v, "ratingAmountType", "Total");
    has_text(&v, "taxExcludedRatingAmount.unit", "CNY");
    has_decimal(&v, "taxExcludedRatingAmount.value", "0.600000000");
    has_decimal(&v, "taxIncludedRatingAmount.value", "0.636000000");
    has_decimal(&v, "bucketValueConvertedInAmount.value", "-1.500000000");
    has_decimal(&v, "taxRate", "6.000000000");
    has_truth(&v, "isTaxExempt", 0);
    has_truth(&v, "isBilled", 0);
    has_text(&v, "offerTariffType", "Normal");
    has_text(&v, "usageRatingTag", "non included usage");
    has_text(&v, "productRef.id", "prod-7781");
    has_text(&v, "productRef.name", "5G Plan 129");
    has_text(&v, "productRef.href", "https://x/p");
    has_text(&v, "productRef.referredType", "Product");
    has_text(&v, "productRef.extensions", "{\"p\":1}");
    has_text(&v, "taxExcludedRatingAmount.extensions", NULL);
    has_text(&v, "bucketValueConvertedInAmount.extensions", "{\"id\":\"m\"}");
    has_text(&v, "extensions", "{\"z\":{}}");
    avro_value_decref(&event);
}

static void an_amount_without_value_is_among_the_extensions_of_its_rating(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    struct rating *r = u->ratings.items;
    struct money unit = {.unit = TEXT("CN\"Y")}, odd = {.more = TEXT("\"id\":\"m\"")};
    r->tax_excluded = &unit;
    r->bucket_value = &odd;
    r->more = TEXT("\"z\":1");
    struct event e = sample_event(EVENT_CREATE, u);

    avro_value_t event = written(&e), v = at(&event, "event.usage.ratedProductUsage[0]");

    has_text(&v, "taxExcludedRatingAmount", NULL);
    has_decimal(&v, "taxIncludedRatingAmount.value", "0.636000000");
    has_text(&v, "bucketValueConvertedInAmount", NULL);
    has_text(&v, "extensions",
             "{\"taxExcludedRatingAmount\":{\"unit\":\"CN\\\"Y\"},"
             "\"bucketValueConvertedInAmount\":{\"id\":\"m\"},\"z\":1}");
    avro_value_decref(&event);
}

/* event_bytes_max() may not say less than event_write() writes. */
static void nothing_that_a_part_has_passes_what_its_event_may_take(void **state)
{
    (void)state;
    enum { MORE = 5000, RELATIONS = 2000 };
    struct usage *u = sample_usage(a);
    char *more = arena_alloc(a, MORE), *control = arena_alloc(a, MORE);
    struct buf relations = {0}, b = {0};
    memset(more, 'x', MORE);
    memcpy(more, "\"x\":\"", 5);
    more[MORE - 1] = '"';
    memset(control, 1, MORE);
    for (int i = 0; i < RELATIONS; i++)
        buf_str(&relations, i ? ",{}" : "[{}");
    buf_str(&relations, "]");
    const struct text all = {more, MORE};
    struct money unit = {.unit = {control, MORE}, .more = all};
    struct rating *r = u->ratings.items;
    struct characteristic *c = u->characteristics.items;
    r->tax_excluded = r->bucket_value = &unit;
    r->tax_included->more = r->product_ref->more = r->more = all;
    u->specification.more = ((struct related_party *)u->parties.items)->more = c->more = all;
    c->relationships = text_of(buf_text(&relations));
    struct event e = sample_event(EVENT_STATE_CHANGE, u);

    event_write(&b, &e);

    assert_in_range(event_bytes_max(&e), b.len, 2 * b.len);
    buf_fini(&relations);
    buf_fini(&b);
}

static void what_is_absent_is_null(void **state)
{
    (void)state;
    struct rating r = {.rating_date = INSTANT_NONE, .is_tax_exempt = -1, .is_billed = -1};
    struct usage u = {
        .revision = 1, .status = STATUS_GUIDED, .specification.id = TEXT("s"), .ratings = {&r, 1}};
    static const char *const texts[] = {"description",
                                        "usageType",
                                        "usageSpecification.href",
                                        "usageSpecification.name",
                                        "type",
                                        "baseType",
                                        "schemaLocation",
                                        "extensions",
                                        "ratedProductUsage[0].ratingDate",
                                        "ratedProductUsage[0].ratingAmountType",
                                        "ratedProductUsage[0].taxExcludedRatingAmount",
                                        "ratedProductUsage[0].taxIncludedRatingAmount",
                                        "ratedProductUsage[0].bucketValueConvertedInAmount",
                                        "ratedProductUsage[0].taxRate",
                                        "ratedProductUsage[0].isTaxExempt",
                                        "ratedProductUsage[0].isBilled",
                                        "ratedProductUsage[0].offerTariffType",
                                        "ratedProductUsage[0].usageRatingTag",
                                        "ratedProductUsage[0].productRef",
                                        "ratedProductUsage[0].extensions",
                                        "usageSpecification.extensions"};
    struct event e = sample_event(EVENT_DELETE, &u);

    avro_value_t event = written(&e), v = at(&event, "event.usage");

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        has_text(&v, texts[i], NULL);
    has_count(&v, "usageCharacteristic", 0);
    has_count(&v, "relatedParty", 0);
    avro_value_decref(&event);
}

static avro_value_t with_value(struct value value)
{
    static struct characteristic c;
    static struct usage u;
    c = (struct characteristic){.name = TEXT("x"), .value = value};
    u = (struct usage){.revision = 1, .specification.id = TEXT("s"), .characteristics = {&c, 1}};
    struct event e = sample_event(EVENT_CREATE, &u);
    return written(&e);
}

static const char value_path[] = "event.usage.usageCharacteristic[0].value";

static void goes_out_as_long(struct value value, int64_t expected)
{
    avro_value_t v = with_value(value);
    has_long(&v, value_path, expected);
    avro_value_decref(&v);
}

static void goes_out_as_double(struct value value, double expected)
{
    avro_value_t v = with_value(value);
    has_double(&v, value_path, expected);
    avro_value_decref(&v);
}

static void goes_out_as_json(struct value value, const char *expected)
{
    avro_value_t v = with_value(value);
    char path[100];
    snprintf(path, sizeof path, "%s.json", value_path);
    has_text(&v, path, expected);
    avro_value_decref(&v);
}

static void a_whole_number_that_fits_goes_out_as_long(void **state)
{
    (void)state;
    goes_out_as_long(sample_integer(INT64_MIN), INT64_MIN);
    goes_out_as_long(sample_real(300.0), 300);
    goes_out_as_long(sample_real(4611686018427387904.0),
                     4611686018427388000); /* as its shortest digits say */
    goes_out_as_long(sample_decimal(30000, 2), 300);
    goes_out_as_long(sample_json(TEXT("3e2")), 300);
    goes_out_as_long(sample_json(TEXT("-0")), 0);
    goes_out_as_long(sample_json(TEXT("9223372036854775807.000")), INT64_MAX);
}

static void another_goes_out_as_double_if_that_is_the_same_number(void **state)
{
    (void)state;
    goes_out_as_double(sample_real(0.1), 0.1);
    goes_out_as_double(sample_real(1e300), 1e300);
    goes_out_as_double(sample_real(-9223372036854775808.0),
                       -9223372036854775808.0); /* ...776000: too large */
    goes_out_as_double(sample_decimal(1250, 3), 1.25);
    goes_out_as_double(sample_decimal(1, 1), 0.1);
    goes_out_as_double(sample_json(TEXT("1e300")), 1e300);
    goes_out_as_double(sample_json(TEXT("-15e-1")), -1.5);
    goes_out_as_double(
        sample_json(TEXT(
            "0.50000000000000000000000000000000000000000000000000000000000000000000000000000")),
        0.5);
}

static void else_it_goes_out_as_json_with_its_digits(void **state)
{
    (void)state;
    struct decimal wide;
    assert_true(decimal_parse(TEXT("12345678901234567890.10"), &wide));

    goes_out_as_json((struct value){.kind = VALUE_DECIMAL, .decimal = wide},
                     "12345678901234567890.10");
    goes_out_as_json(sample_decimal(INT64_C(1000000000000000001), 18), "1.000000000000000001");
    goes_out_as_json(sample_json(TEXT("1e400")), "1e400");
    goes_out_as_json(sample_json(TEXT("1e9999999999999999999")), "1e9999999999999999999");
    goes_out_as_json(sample_json(TEXT("9223372036854775809")), "9223372036854775809");
    goes_out_as_json(sample_json(TEXT("12345678901234567890123456789012345678901234567890")),
                     "12345678901234567890123456789012345678901234567890");
}

static void other_values_go_out_as_what_they_are(void **state)
{
    (void)state;
    goes_out_as_json(sample_json(TEXT("{\"a\":[1.50]}")), "{\"a\":[1.50]}");

    avro_value_t truth = with_value(sample_truth(true)),
                 null = with_value((struct value){.kind = VALUE_NULL});
    avro_value_t empty = with_value(sample_text(TEXT("")));
    has_truth(&truth, value_path, 1);
    has_text(&null, value_path, NULL);
    has_text(&empty, value_path, "");
    avro_value_decref(&truth);
    avro_value_decref(&null);
    avro_value_decref(&empty);
}

static void relationships_go_out_as_records(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    ((struct characteristic *)u->characteristics.items)->relationships =
        TEXT("[{\"id\":\"c-2\",\"relationshipType\":\"part\\u0020of\"}, "
             "{\"href\":\"https://x\",\"other\":{}}]");
    struct event e = sample_event(EVENT_CREATE, u);

    avro_value_t event = written(&e),
                 v = at(&event, "event.usage.usageCharacteristic[0].characteristicRelationship");

    has_count(&v, "", 2);
    has_text(&v, "[0].id", "c-2");
    has_text(&v, "[0].href", NULL);
    has_text(&v, "[0].relationshipType", "part of");
    has_text(&v, "[1].href", "https://x");
    has_text(&v, "[1].id", NULL);
    has_text(&v, "[0].extensions", NULL);
    has_text(&v, "[1].extensions", "{\"other\":{}}");
    avro_value_decref(&event);
}

static void the_schemas_of_what_comes_in_parse_too(void **state)
{
    (void)state;
    avro_value_iface_t *raw = class_of("RawUsage.avsc"), *rated = class_of("RatedUsage.avsc");

    assert_true(raw && rated);
    avro_value_iface_decref(raw); /* a macro that looks at its argument twice */
    avro_value_iface_decref(rated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_envelope_is_that_of_the_contract),
        cmocka_unit_test(an_unknown_correlation_is_null),
        cmocka_unit_test(the_usage_is_whole),
        cmocka_unit_test(a_rating_is_whole_and_exact),
        cmocka_unit_test(an_amount_without_value_is_among_the_extensions_of_its_rating),
        cmocka_unit_test(nothing_that_a_part_has_passes_what_its_event_may_take),
        cmocka_unit_test(what_is_absent_is_null),
        cmocka_unit_test(a_whole_number_that_fits_goes_out_as_long),
        cmocka_unit_test(another_goes_out_as_double_if_that_is_the_same_number),
        cmocka_unit_test(else_it_goes_out_as_json_with_its_digits),
        cmocka_unit_test(other_values_go_out_as_what_they_are),
        cmocka_unit_test(relationships_go_out_as_records),
        cmocka_unit_test(the_schemas_of_what_comes_in_parse_too),
    };
    return cmocka_run_group_tests(tests, start, end);
}
