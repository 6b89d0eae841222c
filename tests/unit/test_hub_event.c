#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/embed.h"
#include "base/jsonr.h"
#include "event_samples.h"
#include "io/framing.h"
#include "usage/event.h"
#include "usage/hub_event.h"
#include "usage/id.h"
#include "usage/query_event.h"
#include "usage/specification.h"

/* Events are written as they go to Kafka, and what the hub makes of them is compared with what the
 * API shows. */

#define BASE "https://bss.example.net/v4"

static struct arena *a;

static int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static const char *rendered_by(const char *schema, const struct buf *event,
                               enum hub_event_type expected)
{
    struct err err;
    struct buf b = {0};
    enum hub_event_type type;
    struct plan *plan = plan_new(schema, strlen(schema), hub_event_shapes, &err);
    if (!plan)
        fail_msg("%s", err.text);
    if (!hub_event_render(plan, event->data + FRAMING_BYTES, event->len - FRAMING_BYTES, BASE, a,
                          &type, &b, &err))
        fail_msg("%s", err.text);
    assert_int_equal(type, expected);
    const char *text = arena_copy(a, b.data, b.len);
    buf_fini(&b);
    plan_free(plan);
    return text;
}

static const char *rendered(const struct event *e, enum hub_event_type expected)
{
    struct buf b = {0};
    event_write(&b, e);
    const char *text =
        rendered_by(embed_text(embed_schemas, event_schema_files[e->type]), &b, expected);
    buf_fini(&b);
    return text;
}

/* Its base URL is that of another instance: the hub's is shown. */
static struct event told(enum event_type type, const struct usage *u)
{
    struct event e = sample_event(type, u);
    e.base_url = "https://elsewhere";
    return e;
}

/* As GET shows it. */
static const char *shown(const struct usage *u)
{
    struct buf ratings = {0}, document = {0}, whole = {0};
    render_ratings(&ratings, &u->ratings);
    render_document(&document, u);
    struct render_row row = {.id = u->id,
                             .status = text_of(usage_status_names[u->status]),
                             .description = u->description,
                             .ratings = {ratings.data, ratings.len},
                             .document = {document.data, document.len}};
    render_usage(&whole, &row, BASE, NULL);
    const char *text = arena_copy(a, whole.data, whole.len);
    buf_fini(&ratings);
    buf_fini(&document);
    buf_fini(&whole);
    return text;
}

/* Digits that Avro's decimal(38,9) does not keep. */
static void without_zeros(struct usage *u)
{
    struct rating *r = u->ratings.items;
    for (size_t i = 0; i < u->ratings.count; i++) {
        struct money *all[] = {r[i].tax_excluded, r[i].tax_included, r[i].bucket_value};
        for (int k = 0; k < 3; k++)
            if (all[k])
                all[k]->value.decimal = decimal_normal(all[k]->value.decimal);
        if (r[i].tax_rate.kind == VALUE_DECIMAL)
            r[i].tax_rate.decimal = decimal_normal(r[i].tax_rate.decimal);
    }
}

static void a_state_change_says_from_which_state(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    struct event e = told(EVENT_STATE_CHANGE, u);

    const char *text = rendered(&e, HUB_USAGE_STATE_CHANGE);

    without_zeros(u);
    const char *expected = arena_printf(
        a,
        "{\"eventId\":\"b78b26a2-f7a0-8b72-a001-d8f2cdcc9a6f\",\"eventTime\":\"2026-11-23T08:20:00."
        "000Z\",\"eventType\":\"UsageStateChangeEvent\",\"correlationId\":\"med-gz-02/"
        "20261123-000417-88231\",\"domain\":\"Usage\",\"description\":\"guided to rated\","
        "\"timeOcurred\":\"2026-11-23T08:18:41.007Z\",\"event\":{\"usage\":%s}}",
        shown(u));
    assert_string_equal(text, expected);
}

static void only_a_change_of_attributes_has_a_field_path(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    struct event create = told(EVENT_CREATE, u), delete = told(EVENT_DELETE, u),
                 change = told(EVENT_ATTRIBUTE_CHANGE, u);
    create.source = (struct text){0};

    assert_null(strstr(rendered(&create, HUB_USAGE_CREATE), "fieldPath"));
    assert_null(strstr(rendered(&create, HUB_USAGE_CREATE), "correlationId"));
    assert_null(strstr(rendered(&delete, HUB_USAGE_DELETE), "fieldPath"));
    assert_null(strstr(rendered(&delete, HUB_USAGE_DELETE), "\"description\":\"guided"));
    assert_non_null(strstr(rendered(&change, HUB_USAGE_ATTRIBUTE_CHANGE),
                           "\"fieldPath\":\"ratedProductUsage\""));
}

/* All that only HTTP brings. */
static void values_extensions_and_relationships_come_back(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    struct characteristic c[] = {
        {.name = TEXT("null"), .value = {.kind = VALUE_NULL}},
        {.name = TEXT("long"), .value = sample_integer(INT64_MIN), .id = TEXT("7")},
        {.name = TEXT("real"), .value = sample_real(0.1)},
        {.name = TEXT("digits"), .value = sample_json(TEXT("12345678901234567890.25"))},
        {.name = TEXT("object"),
         .value = sample_json(TEXT("{\"a\":[1,null,\"\\\"\"]}")),
         .relationships = TEXT("[{\"id\":\"1\",\"relationshipType\":\"x\"},{\"href\":\"h\"}]")},
        {.name = TEXT("text"), .value = sample_text(TEXT("国内\t\"主叫\""))},
        {.name = TEXT("true"), .value = sample_truth(true), .value_type = TEXT("boolean")}};
    u->characteristics = (struct list){c, sizeof c / sizeof *c};
    u->ratings = (struct list){0};
    u->extensions = TEXT("{\"x-cell\":{\"lac\":1.50},\"y\":null}");
    u->base_type = TEXT("Usage");
    u->schema_location = TEXT("https://h/s.json");
    struct event e = told(EVENT_CREATE, u);

    const char *text = rendered(&e, HUB_USAGE_CREATE);

    if (!strstr(text, shown(u)))
        fail_msg("%s\nis not in\n%s", shown(u), text);
}

static void what_parts_have_beyond_their_fields_comes_back(void **state)
{
    (void)state;
    const struct text more = TEXT("\"@type\":\"T\",\"x\":{\"a\":[null,1.50]}");
    struct usage *u = sample_usage(a);
    struct rating *r = u->ratings.items;
    struct characteristic *c = u->characteristics.items;
    struct money odd = {.unit = TEXT("CNY"), .more = more};
    c->more = u->specification.more = ((struct related_party *)u->parties.items)->more = more;
    c->relationships = text_of(arena_printf(a, "[{\"id\":\"1\",%s}]", more.p));
    r->more = r->product_ref->more = r->tax_included->more = more;
    without_zeros(u);

    struct event e = told(EVENT_CREATE, u);
    const char *text = rendered(&e, HUB_USAGE_CREATE);
    if (!strstr(text, shown(u)))
        fail_msg("%s\nis not in\n%s", shown(u), text);

    r->tax_excluded = &odd; /* it stands at the end, then */
    const char *wanted =
        arena_printf(a, "\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",%s}", more.p);
    assert_non_null(strstr(shown(u), wanted));
    assert_non_null(strstr(rendered(&e, HUB_USAGE_CREATE), wanted));
}

static const char *nested(int depth)
{
    char *text = arena_alloc(a, 2 * (size_t)depth + 2);
    memset(text, '[', (size_t)depth);
    text[depth] = '1';
    memset(text + depth + 1, ']', (size_t)depth);
    text[2 * depth + 1] = 0;
    return text;
}

/* A body may nest JSONR_DEPTH_MAX deep, and the event has more around it. */
static void what_is_as_deep_as_a_body_may_be_is_told_and_judged(void **state)
{
    (void)state;
    struct usage *u = sample_usage(a);
    struct characteristic deep = {.name = TEXT("deep"),
                                  .value = sample_json(text_of(nested(JSONR_DEPTH_MAX - 3)))};
    u->characteristics = (struct list){&deep, 1};
    u->extensions = text_of(arena_printf(a, "{\"x\":%s}", nested(JSONR_DEPTH_MAX - 1)));
    struct event e = told(EVENT_CREATE, u);
    struct err err;

    const char *text = rendered(&e, HUB_USAGE_CREATE);

    assert_non_null(strstr(text, nested(JSONR_DEPTH_MAX - 1)));
    struct query_event *q = query_event_new(
        TEXT("event.usage.usageType=VOICE&event.usage.usageCharacteristic.name=deep"), &err);
    assert_non_null(q);
    int64_t steps = 1000000;
    assert_true(query_event_matches(q, text_of(text), a, &steps));
    query_event_free(q);
}

static bool asked(const char *query, const char *event)
{
    struct err err;
    struct query_event *q = query_event_new(text_of(query), &err);
    assert_non_null(q);
    int64_t steps = 1000000;
    bool matches = query_event_matches(q, text_of(event), a, &steps);
    query_event_free(q);
    return matches;
}

static void an_id_is_asked_for_in_upper_or_lower_case(void **state)
{
    (void)state;
    const char *usage = "{\"event\":{\"usage\":{\"id\":\"01a20779-75ca-882e-8c96-86cbff439931\"}}}",
               *other = "{\"event\":{\"usage\":{\"id\":\"01a20779-75ca-882e-8c96-86cbff439932\"}}}";

    assert_true(asked("event.usage.id=01A20779-75CA-882E-8C96-86CBFF439931", usage));
    assert_true(asked("event.usage.id=x,01A20779-75ca-882e-8c96-86cbff439931", usage));
    assert_false(asked("event.usage.id=01A20779-75CA-882E-8C96-86CBFF439931", other));
    assert_false(asked("event.usage.id.ne=01A20779-75CA-882E-8C96-86CBFF439931", usage));
    assert_true(asked("event.usage.id.gt=01A20779-75CA-882E-8C96-86CBFF439931", other));
    assert_false(asked("event.usageSpecification.id=A",
                       "{\"event\":{\"usageSpecification\":{\"id\":\"a\"}}}"));
}

static void specifications_come_out_of_the_union(void **state)
{
    (void)state;
    static const enum hub_event_type types[] = {[SPECIFICATION_CREATE] = HUB_SPECIFICATION_CREATE,
                                                [SPECIFICATION_ATTRIBUTE_CHANGE] =
                                                    HUB_SPECIFICATION_ATTRIBUTE_CHANGE,
                                                [SPECIFICATION_DELETE] = HUB_SPECIFICATION_DELETE};
    struct specification s = {.id = TEXT("s-1"),
                              .name = TEXT("n"),
                              .revision = 2,
                              .updated_at = SAMPLE_DATE,
                              .document = TEXT("{\"name\":\"n\",\"version\":\"1.0\"}")};
    for (int i = 0; i < 3; i++) {
        struct buf b = {0};
        struct specification_event e = {.type = (enum specification_event_type)i,
                                        .schema_id = 1,
                                        .specification = &s,
                                        .base_url = BASE,
                                        .event_time = SAMPLE_NOW,
                                        .occurred = SAMPLE_RATED,
                                        .field_path = "version"};
        specification_event_write(&b, &e);

        const char *text =
            rendered_by(embed_text(embed_schemas, "UsageSpecificationEvents.avsc"), &b, types[i]);

        assert_non_null(strstr(text, "\"event\":{\"usageSpecification\":{\"id\":\"s-1\",\"href\":"
                                     "\"" BASE "/usageSpecification/s-1\""));
        assert_non_null(strstr(text, hub_event_names[types[i]]));
        assert_int_equal(strstr(text, "\"fieldPath\":\"version\"") != NULL,
                         i == SPECIFICATION_ATTRIBUTE_CHANGE);
        buf_fini(&b);
    }
}

/* Writers of another kind may be let to a topic; they must not bring the hub down. */
static void what_is_no_event_of_ours_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *bytes, *words;
        size_t n;
    } bad[] = {
#define HEAD                                                                                       \
    "{\"type\":\"record\",\"name\":\"UsageCreateEvent\",\"fields\":[{\"name\":\"eventId\","        \
    "\"type\":\"string\"},{\"name\":\"eventTime\",\"type\":\"long\"},{\"name\":\"timeOcurred\","   \
    "\"type\":\"long\"},{\"name\":\"eventType\",\"type\":\"string\"},"
        {HEAD "{\"name\":\"event\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"P\","
              "\"fields\":[]}]}]}",
         "\2a\0\0\40UsageCreateEvent\0", "has not what a UsageCreateEvent", 22},
        {HEAD "{\"name\":\"event\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"P\","
              "\"fields\":[]}]}]}",
         "\2a\0\0\2x\0", "none that is known", 7},
        {HEAD "{\"name\":\"event\",\"type\":{\"type\":\"record\",\"name\":\"P\",\"fields\":[{"
              "\"name\":\"usageSpecification\",\"type\":{\"type\":\"record\",\"name\":\"Json\","
              "\"fields\":[{\"name\":\"json\",\"type\":\"string\"}]}}]}}]}",
         "\2a\0\0\72UsageSpecificationCreateEvent\4{}", NULL, 37},
        {HEAD "{\"name\":\"event\",\"type\":{\"type\":\"record\",\"name\":\"P\",\"fields\":[{"
              "\"name\":\"usageSpecification\",\"type\":{\"type\":\"record\",\"name\":\"Json\","
              "\"fields\":[{\"name\":\"json\",\"type\":\"string\"}]}}]}}]}",
         "\2a\0\0\72UsageSpecificationCreateEvent\2{", "should be JSON", 36},
        {HEAD "{\"name\":\"event\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"P\","
              "\"fields\":[]}]}]}",
         "\2a\0\0\40Usage", "", 10},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err;
        struct buf b = {0};
        enum hub_event_type type;
        struct plan *plan = plan_new(bad[i].schema, strlen(bad[i].schema), hub_event_shapes, &err);
        if (!plan)
            fail_msg("%zu: %s", i, err.text);

        bool taken = hub_event_render(plan, bad[i].bytes, bad[i].n, BASE, a, &type, &b, &err);

        assert_int_equal(taken, bad[i].words == NULL);
        if (!taken && !strstr(err.text, bad[i].words))
            fail_msg("%zu: %s", i, err.text);
        plan_free(plan);
        buf_fini(&b);
    }
}

static void a_union_is_taken_only_of_records_that_are_one_thing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[\"null\",\"string\"]",
        "[]",
        "[{\"type\":\"record\",\"name\":\"Other\",\"fields\":[]}]",
    };
    struct err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (plan_new(bad[i], strlen(bad[i]), hub_event_shapes, &err))
            fail_msg("%s is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_change_says_from_which_state),
        cmocka_unit_test(only_a_change_of_attributes_has_a_field_path),
        cmocka_unit_test(values_extensions_and_relationships_come_back),
        cmocka_unit_test(what_parts_have_beyond_their_fields_comes_back),
        cmocka_unit_test(what_is_as_deep_as_a_body_may_be_is_told_and_judged),
        cmocka_unit_test(specifications_come_out_of_the_union),
        cmocka_unit_test(an_id_is_asked_for_in_upper_or_lower_case),
        cmocka_unit_test(what_is_no_event_of_ours_is_refused),
        cmocka_unit_test(a_union_is_taken_only_of_records_that_are_one_thing),
    };
    return cmocka_run_group_tests(tests, start, end);
}
