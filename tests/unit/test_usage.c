#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "usage_samples.h"

#include "arena_scene.h"

static void only_the_transitions_of_the_contract_exist(void **state)
{
    (void)state;
    /* rows: from; columns: received rejected recycled guided rated rerated billed; i: on the ingest
     * road only */
    /* clang-format off */
    static const char *const table[STATUS_COUNT] = {
        [STATUS_RECEIVED] = ".x.xi..",
        [STATUS_REJECTED] = "..x....",
        [STATUS_RECYCLED] = ".x.xi..",
        [STATUS_GUIDED]   = ".x..x..",
        [STATUS_RATED]    = ".....xx",
        [STATUS_RERATED]  = "....xxx",
        [STATUS_BILLED]   = ".......",
    };
    /* clang-format on */

    for (enum usage_status from = 0; from < STATUS_COUNT; from++)
        for (enum usage_status to = 0; to < STATUS_COUNT; to++) {
            assert_int_equal(usage_may_become(from, to, ROAD_INGEST), table[from][to] != '.');
            assert_int_equal(usage_may_become(from, to, ROAD_HTTP), table[from][to] == 'x');
        }
}

static void a_status_is_found_by_its_exact_name(void **state)
{
    (void)state;
    for (enum usage_status s = 0; s < STATUS_COUNT; s++)
        assert_int_equal(usage_status_of(text_of(usage_status_names[s])), s);

    assert_int_equal(usage_status_of(TEXT("Received")), STATUS_COUNT);
    assert_int_equal(usage_status_of(TEXT("rerate")), STATUS_COUNT);
    assert_int_equal(usage_status_of(TEXT("")), STATUS_COUNT);
    assert_int_equal(usage_status_of((struct text){0}), STATUS_COUNT);
    assert_null(usage_status_names[STATUS_COUNT]);
}

static void every_reason_has_its_name_in_the_order_of_the_contract(void **state)
{
    (void)state;
    assert_string_equal(reason_name(REASON_TOO_LARGE), "too-large");
    assert_string_equal(reason_name(REASON_DATABASE), "database");
    assert_string_equal(reason_help(REASON_MISSING), "a needed value is absent or empty");
    assert_true(REASON_TEXT < REASON_MISSING && REASON_MISSING < REASON_VALUE &&
                REASON_VALUE < REASON_DATE);
    assert_true(REASON_DATE < REASON_STATUS && REASON_STATUS < REASON_INCOMPLETE);
}

static void the_subscriber_is_the_party_of_that_role_else_the_first(void **state)
{
    (void)state;
    struct related_party parties[] = {{.id = TEXT("a"), .role = TEXT("owner")},
                                      {.id = TEXT("b"), .role = TEXT("subscriber")}};
    struct usage u = {.parties = {parties, 2}};

    assert_ptr_equal(usage_subscriber(&u), &parties[1]);
    u.parties.count = 1;
    assert_ptr_equal(usage_subscriber(&u), &parties[0]);
    u.parties.count = 0;
    assert_null(usage_subscriber(&u));
}

static void the_newest_rating_is_the_latest_date_of_all(void **state)
{
    (void)state;
    struct rating r[] = {{.rating_date = 5}, {.rating_date = 9}, {.rating_date = INSTANT_NONE}};

    assert_int_equal(usage_newest_rating(&(struct list){r, 3}), 9);
    assert_int_equal(usage_newest_rating(&(struct list){r + 2, 1}), INSTANT_NONE);
    assert_int_equal(usage_newest_rating(&(struct list){0}), INSTANT_NONE);
}

static void ratings_are_compared_by_value(void **state)
{
    (void)state;
    struct rating *r = sample_rating(a), *same = sample_rating(a);
    same->tax_excluded->value = sample_decimal(6, 1); /* 0.6 is 0.60 */

    assert_true(usage_ratings_equal(&(struct list){r, 1}, &(struct list){same, 1}));
}

static void any_other_attribute_makes_another_rating(void **state)
{
    (void)state;
    struct list one = {sample_rating(a), 1};
    for (int i = 0; i < 13; i++) {
        struct rating *r = sample_rating(a);
        switch (i) {
        case 0:
            r->rating_date++;
            break;
        case 1:
            r->tax_excluded->value = sample_decimal(61, 2);
            break;
        case 2:
            r->tax_excluded->unit = TEXT("EUR");
            break;
        case 3:
            r->tax_included = NULL;
            break;
        case 4:
            r->bucket_value = sample_money(a, 1, 0);
            break;
        case 5:
            r->tax_rate = sample_decimal(7, 0);
            break;
        case 6:
            r->is_tax_exempt = 0;
            break;
        case 7:
            r->is_billed = 1;
            break;
        case 8:
            r->offer_tariff_type = TEXT("x");
            break;
        case 9:
            r->usage_rating_tag = TEXT("x");
            break;
        case 10:
            r->rating_amount_type = TEXT("x");
            break;
        case 11:
            r->product_ref->id = TEXT("x");
            break;
        case 12:
            r->product_ref = NULL;
            break;
        }

        assert_false(usage_ratings_equal(&one, &(struct list){r, 1}));
    }
    assert_false(usage_ratings_equal(&one, &(struct list){0}));
}

static void a_priced_status_needs_each_attribute_of_a_rating(void **state)
{
    (void)state;
    static const char *const lacks[] = {"[0].ratingDate", "[0].taxExcludedRatingAmount",
                                        "[0].taxIncludedRatingAmount", "[0].taxRate",
                                        "[0].productRef"};
    for (int i = 0; i < 5; i++) {
        struct rating *r = sample_rating(a);
        struct err err = {0};
        switch (i) {
        case 0:
            r->rating_date = INSTANT_NONE;
            break;
        case 1:
            r->tax_excluded = NULL;
            break;
        case 2:
            r->tax_included = NULL;
            break;
        case 3:
            r->tax_rate.kind = VALUE_ABSENT;
            break;
        case 4:
            r->product_ref = NULL;
            break;
        }

        bool complete = usage_complete_ratings(STATUS_RERATED, &(struct list){r, 1}, &err);

        assert_false(complete);
        assert_int_equal(err.kind, ERR_DATA);
        assert_int_equal(err.code, REASON_INCOMPLETE);
        assert_non_null(strstr(err.text, lacks[i]));
    }
}

static void a_priced_status_needs_a_rating_and_others_need_nothing(void **state)
{
    (void)state;
    struct list none = {0};
    struct err err = {0};

    for (enum usage_status s = 0; s < STATUS_COUNT; s++)
        assert_int_equal(usage_complete_ratings(s, &none, &err), !usage_is_priced(s));
}

static void missing_defaults_are_filled_in_when_priced_only(void **state)
{
    (void)state;
    struct rating *priced = sample_rating(a), *guided = sample_rating(a);
    priced->usage_rating_tag = guided->usage_rating_tag = (struct text){0};
    struct err err = {0};

    assert_true(usage_complete_ratings(STATUS_RATED, &(struct list){priced, 1}, &err));
    assert_true(usage_complete_ratings(STATUS_GUIDED, &(struct list){guided, 1}, &err));

    assert_true(text_is(priced->rating_amount_type, "Total") &&
                text_is(priced->offer_tariff_type, "Normal"));
    assert_true(text_is(priced->usage_rating_tag, "usage"));
    assert_int_equal(priced->is_billed, 0);
    assert_int_equal(priced->is_tax_exempt, 0);
    assert_null(guided->rating_amount_type.p);
    assert_int_equal(guided->is_billed, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_transitions_of_the_contract_exist),
        cmocka_unit_test(a_status_is_found_by_its_exact_name),
        cmocka_unit_test(every_reason_has_its_name_in_the_order_of_the_contract),
        cmocka_unit_test(the_subscriber_is_the_party_of_that_role_else_the_first),
        cmocka_unit_test(the_newest_rating_is_the_latest_date_of_all),
        cmocka_unit_test(ratings_are_compared_by_value),
        cmocka_unit_test(any_other_attribute_makes_another_rating),
        cmocka_unit_test(a_priced_status_needs_each_attribute_of_a_rating),
        cmocka_unit_test(a_priced_status_needs_a_rating_and_others_need_nothing),
        cmocka_unit_test(missing_defaults_are_filled_in_when_priced_only),
    };
    return cmocka_run_group_tests(tests, start, end);
}
