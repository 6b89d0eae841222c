#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "usage/digest.h"
#include "usage/id.h"

#include "mapping_scene.h"

static bool map_rated(const struct rated_usage *rated)
{
    err_clear(&err);
    return mapping_rated(&settings, rated, SAMPLE_NOW, SAMPLE_NOW, a, &change, &err);
}

static void rated_refused(const struct rated_usage *rated, enum reason reason, const char *text)
{
    refused(map_rated(rated), reason, text);
}

static void a_rated_record_names_its_usage_by_its_natural_key(void **state)
{
    (void)state;
    bool mapped = map_rated(sample_rated(a));

    char id[ID_CHARS];
    assert_true(mapped);
    id_print(&change.id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_int_equal(change.kind, CHANGE_RATED);
    assert_null(change.usage);
    assert_int_equal(change.status, STATUS_RATED);
    assert_int_equal(change.newest_rating, SAMPLE_RATED);
    assert_int_equal(change.rated, digest_rated(STATUS_RATED, &change.ratings, (struct text){0}));
    assert_true(text_is(change.source, "med-gz-02"));
}

static void a_rated_record_gets_the_defaults_and_exact_amounts(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    ((struct rating *)rated->ratings.items)->tax_excluded->value = sample_integer(3);

    assert_true(map_rated(rated));

    const struct rating *r = change.ratings.items;
    assert_true(text_is(r->rating_amount_type, "Total") && text_is(r->offer_tariff_type, "Normal"));
    assert_true(text_is(r->usage_rating_tag, "non included usage"));
    assert_true(r->is_billed == 0 && r->is_tax_exempt == 0);
    assert_true(r->tax_excluded->value.kind == VALUE_DECIMAL &&
                r->tax_excluded->value.decimal.scale == 0);
    assert_true(r->tax_included->value.decimal.unscaled == 636 &&
                r->tax_included->value.decimal.scale == 3);
    assert_true(r->tax_rate.kind == VALUE_DECIMAL && r->tax_rate.decimal.unscaled == 6);
}

static void a_rated_record_may_name_its_usage_by_id_alone(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage_id = TEXT("01A20779-75CA-882E-8C96-86CBFF439931");
    rated->source = rated->record_id = (struct text){0};
    rated->usage_date = INSTANT_NONE;

    assert_true(map_rated(rated));

    char id[ID_CHARS];
    id_print(&change.id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_null(change.source.p);
}

static void names_that_agree_may_all_be_there(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage_id = TEXT(SAMPLE_ID);
    rated->usage = sample_call(a);

    assert_true(map_rated(rated));

    rated->record_id = (struct text){0}; /* some of them beside another name are no fault */
    assert_true(map_rated(rated));
    rated->usage = NULL;
    assert_true(map_rated(rated));
    assert_null(change.source.p);
}

static void names_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "usageId",
        "usageId",
        "usageId",
        "source \"other\" contradicts usage.source",
        "recordId \"other\" contradicts usage.recordId",
        "usageDate 2026-11-23T08:15:30.251Z contradicts usage.usageDate, which is "
        "2026-11-23T08:15:30.250Z",
        "usageId"};
    for (int i = 0; i < 7; i++) {
        struct rated_usage *rated = sample_rated(a);
        if (i < 3 || i == 6)
            rated->usage_id = TEXT(SAMPLE_ID);
        if (i >= 3)
            rated->usage = sample_call(a);
        switch (i) {
        case 0:
            rated->source = TEXT("other");
            break;
        case 1:
            rated->usage_date++;
            break;
        case 2:
            rated->usage_id = TEXT("01a20779-75ca-782e-8c96-86cbff439931");
            break;
        case 3:
            rated->source = TEXT("other");
            break;
        case 4:
            rated->record_id = TEXT("other");
            break;
        case 5:
            rated->usage_date++;
            break;
        case 6:
            rated->source = rated->record_id = (struct text){0};
            rated->usage_date = INSTANT_NONE;
            rated->usage->source = TEXT("other");
            break;
        }
        rated_refused(rated, REASON_VALUE, texts[i]);
    }
}

static void a_usage_that_nothing_names_is_missing(void **state)
{
    (void)state;
    static const char *const texts[] = {"nothing names the usage", "source is absent",
                                        "recordId is absent", "usageDate is absent",
                                        "recordId is absent"};
    for (int i = 0; i < 5; i++) {
        struct rated_usage *rated = sample_rated(a);
        if (i == 0 || i == 1)
            rated->source = (struct text){0};
        if (i == 0 || i == 2)
            rated->record_id = (struct text){0};
        if (i == 0 || i == 3)
            rated->usage_date = INSTANT_NONE;
        if (i == 4)
            rated->record_id = TEXT("");
        if (i == 0)
            rated->usage_id = TEXT("");
        rated_refused(rated, REASON_MISSING, texts[i]);
    }
}

static void a_usage_id_must_be_one_of_ours(void **state)
{
    (void)state;
    static const char *const rows[] = {"x", "01a20779-75ca-482e-8c96-86cbff439931",
                                       "ffffffff-ffff-882e-8c96-86cbff439931",
                                       "00000000-0000-882e-8c96-86cbff439931"};
    for (size_t i = 0; i < 4; i++) {
        struct rated_usage *rated = sample_rated(a);
        rated->usage_id = text_of(rows[i]);
        rated->source = rated->record_id = (struct text){0};
        rated->usage_date = INSTANT_NONE;
        rated_refused(rated, REASON_VALUE, "usageId");
    }
}

static void the_date_of_a_rated_record_must_lie_in_the_window(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage_date = 5;

    rated_refused(rated, REASON_DATE, "usageDate 1970-01-01T00:00:00.005Z");
}

static void a_usage_that_comes_with_its_rating_begins_rated(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage = sample_call(a);
    rated->usage->status = (struct symbol){-1, TEXT("whatever")}; /* ignored */
    rated->description = TEXT("by the partner");
    uint64_t content = digest_raw(rated->usage, a);

    assert_true(map_rated(rated));

    const struct usage *u = change.usage;
    assert_int_equal(change.kind, CHANGE_RATED);
    assert_int_equal(change.content, content);
    assert_int_equal(u->status, STATUS_RATED);
    assert_int_equal(u->ratings.count, 1);
    assert_int_equal(u->revision, 1);
    assert_int_equal(id_compare(&u->id, &change.id), 0);
    assert_true(text_is(u->description, "by the partner"));
}

static void the_usage_inside_keeps_its_description_if_the_record_has_none(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage = sample_call(a);
    rated->source = rated->record_id = (struct text){0};
    rated->usage_date = INSTANT_NONE;

    assert_true(map_rated(rated));

    assert_true(text_is(change.usage->description, "Outgoing national voice call"));
    assert_null(change.description.p);
    assert_true(text_is(change.source, "med-gz-02"));
}

static void faults_of_the_usage_inside_are_named_there(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage = sample_call(a);
    ((struct related_party *)rated->usage->parties.items)->id = TEXT("");

    rated_refused(rated, REASON_MISSING, "usage.relatedParty[0].id is empty");
}

static void a_rated_record_may_carry_any_status_but_received(void **state)
{
    (void)state;
    for (int s = 0; s < STATUS_COUNT; s++) {
        struct rated_usage *rated = sample_rated(a);
        rated->status = (struct symbol){s, text_of(usage_status_names[s])};
        if (s == STATUS_RECEIVED)
            rated_refused(rated, REASON_STATUS, "received");
        else
            assert_true(map_rated(rated));
    }
}

static void amounts_have_29_digits_before_and_9_behind_the_point(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {{"99999999999999999999999999999.999999999", true},
                {"-99999999999999999999999999999", true},
                {"0.1234567890", true},
                {"100000000000000000000000000000", false},
                {"0.1234567891", false},
                {"0", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int field = 0; field < 4; field++) {
            static const char *const names[] = {
                "[0].taxExcludedRatingAmount.value ", "[0].taxIncludedRatingAmount.value ",
                "[0].bucketValueConvertedInAmount.value ", "[0].taxRate "};
            struct rated_usage *rated = sample_rated(a);
            struct rating *r = rated->ratings.items;
            r->bucket_value = sample_money(a, 1, 0);
            struct value *places[] = {&r->tax_excluded->value, &r->tax_included->value,
                                      &r->bucket_value->value, &r->tax_rate};
            places[field]->kind = VALUE_DECIMAL;
            assert_true(decimal_parse(text_of(rows[i].text), &places[field]->decimal));
            if (rows[i].fits)
                assert_true(map_rated(rated));
            else
                rated_refused(rated, REASON_VALUE, names[field]);
        }
}

static void an_amount_of_too_many_digits_is_told_how_many_its_schema_has(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    struct rating *r = rated->ratings.items;
    r->tax_excluded->value = (struct value){.kind = VALUE_WIDE, .integer = 7};

    rated_refused(rated, REASON_VALUE, "taxExcludedRatingAmount.value has more than 7 digits");
}

static void a_tax_rate_sent_as_double_is_rounded_to_9_places(void **state)
{
    (void)state;
    static const struct {
        double rate;
        const char *text; /* NULL: refused */
    } rows[] = {{6, "6"},         {6.5, "6.5"},   {0.1 + 0.2, "0.3"}, {1.0 / 3, "0.333333333"},
                {1e-12, "0"},     {-1e-300, "0"}, {1e30, NULL},       {1e300, NULL},
                {INFINITY, NULL}, {NAN, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rated_usage *rated = sample_rated(a);
        struct rating *r = rated->ratings.items;
        r->tax_rate = sample_real(rows[i].rate);
        if (!rows[i].text) {
            rated_refused(rated, REASON_VALUE, "taxRate");
            continue;
        }

        assert_true(map_rated(rated));

        char text[DECIMAL_CHARS];
        decimal_print(r->tax_rate.decimal, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void the_parts_of_a_rating_need_their_bold_fields(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "ratedProductUsage[0].taxExcludedRatingAmount.unit is empty",
        "ratedProductUsage[0].taxIncludedRatingAmount.value is absent",
        "ratedProductUsage[0].productRef.id is empty"};
    for (int i = 0; i < 3; i++) {
        struct rated_usage *rated = sample_rated(a);
        struct rating *r = rated->ratings.items;
        if (i == 0)
            r->tax_excluded->unit = TEXT("");
        if (i == 1)
            r->tax_included->value.kind = VALUE_ABSENT;
        if (i == 2)
            r->product_ref->id = TEXT("");
        rated_refused(rated, REASON_MISSING, texts[i]);
    }
}

static void a_price_without_what_it_needs_is_incomplete(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    ((struct rating *)rated->ratings.items)->tax_included = NULL;

    rated_refused(rated, REASON_INCOMPLETE,
                  "ratedProductUsage[0].taxIncludedRatingAmount is absent");
    rated->ratings = (struct list){0};
    rated_refused(rated, REASON_INCOMPLETE, "ratedProductUsage is empty");
}

static void a_bill_without_ratings_is_judged_later(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->status = (struct symbol){STATUS_BILLED, TEXT("billed")};
    rated->ratings = (struct list){0};

    assert_true(map_rated(rated));
    assert_int_equal(change.newest_rating, INSTANT_NONE);
}

static void ratings_of_a_usage_without_price_get_no_defaults(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    struct rating *r = rated->ratings.items;
    rated->status = (struct symbol){STATUS_GUIDED, TEXT("guided")};
    r->tax_included = NULL;

    assert_true(map_rated(rated));
    assert_null(r->rating_amount_type.p);
}

static void mapping_a_record_again_gives_the_same(void **state)
{
    (void)state;
    struct rated_usage *rated = sample_rated(a);
    rated->usage = sample_call(a);
    assert_true(map_rated(rated));
    struct change first = change;

    assert_true(map_rated(rated));

    assert_int_equal(change.rated, first.rated);
    assert_int_equal(change.content, first.content);
    assert_int_equal(change.usage->characteristics.count, first.usage->characteristics.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rated_record_names_its_usage_by_its_natural_key),
        cmocka_unit_test(a_rated_record_gets_the_defaults_and_exact_amounts),
        cmocka_unit_test(a_rated_record_may_name_its_usage_by_id_alone),
        cmocka_unit_test(names_that_agree_may_all_be_there),
        cmocka_unit_test(names_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_usage_that_nothing_names_is_missing),
        cmocka_unit_test(a_usage_id_must_be_one_of_ours),
        cmocka_unit_test(the_date_of_a_rated_record_must_lie_in_the_window),
        cmocka_unit_test(a_usage_that_comes_with_its_rating_begins_rated),
        cmocka_unit_test(the_usage_inside_keeps_its_description_if_the_record_has_none),
        cmocka_unit_test(faults_of_the_usage_inside_are_named_there),
        cmocka_unit_test(a_rated_record_may_carry_any_status_but_received),
        cmocka_unit_test(amounts_have_29_digits_before_and_9_behind_the_point),
        cmocka_unit_test(an_amount_of_too_many_digits_is_told_how_many_its_schema_has),
        cmocka_unit_test(a_tax_rate_sent_as_double_is_rounded_to_9_places),
        cmocka_unit_test(the_parts_of_a_rating_need_their_bold_fields),
        cmocka_unit_test(a_price_without_what_it_needs_is_incomplete),
        cmocka_unit_test(a_bill_without_ratings_is_judged_later),
        cmocka_unit_test(ratings_of_a_usage_without_price_get_no_defaults),
        cmocka_unit_test(mapping_a_record_again_gives_the_same),
    };
    return cmocka_run_group_tests(tests, start, end);
}
