#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "usage/digest.h"
#include "usage_samples.h"

#include "arena_scene.h"

static uint64_t of(const struct raw_usage *raw)
{
    return digest_raw(raw, a);
}

static uint64_t of_value(struct value v)
{
    struct raw_usage *raw = sample_call(a);
    ((struct characteristic *)raw->characteristics.items)[0].value = v;
    return of(raw);
}

static void the_digest_of_a_content_never_changes(void **state)
{
    (void)state;
    /* These stand in databases: a change here turns every late copy of a record into a conflict. */
    struct list ratings = {sample_rating(a), 1};

    assert_int_equal(of(sample_call(a)), UINT64_C(0x35c90dcab14e5094));
    assert_int_equal(digest_rated(STATUS_RATED, &ratings, TEXT("x")), UINT64_C(0xad287e0472b0a9e0));
}

static void numbers_count_by_value(void **state)
{
    (void)state;
    uint64_t number = of_value(sample_integer(300));

    assert_int_equal(of_value(sample_real(300.0)), number);
    assert_int_equal(of_value(sample_decimal(30000, 2)), number);
    assert_int_equal(of_value(sample_json(TEXT("300"))), number);
    assert_int_equal(of_value(sample_json(TEXT(" 3.00e+2 "))), number);
    assert_int_equal(of_value(sample_real(0.1)), of_value(sample_decimal(1000, 4)));
    assert_int_equal(of_value(sample_real(1e300)), of_value(sample_json(TEXT("1e300"))));
    assert_int_equal(of_value(sample_real(-0.0)), of_value(sample_integer(0)));
    assert_int_equal(of_value(sample_json(TEXT("100000000000000000000000000000000000000000000"))),
                     of_value(sample_json(TEXT("1E44"))));
    assert_int_equal(
        of_value(sample_json(TEXT("[1.123456789012345678901234567890123456789012345678901]"))),
        of_value(sample_json(TEXT("[1123456789012345678901234567890123456789012345678901e-51]"))));
    assert_int_equal(of_value(sample_integer(INT64_MIN)),
                     of_value(sample_json(TEXT("-9223372036854775808.0"))));
}

static void other_numbers_are_other_contents(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "300",
        "-300",
        "30",
        "3000",
        "300.1",
        "0",
        "3e-2",
        "0.3",
        "1e999999999999999999",
        "1e9999999999999999999",
        "1e300",
        "1.123456789012345678901234567890123456789012345678901",
        "1.123456789012345678901234567890123456789012345678902",
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(of_value(sample_json(text_of(rows[i]))),
                                 of_value(sample_json(text_of(rows[k]))));
}

static void kinds_of_values_are_told_apart(void **state)
{
    (void)state;
    const struct value rows[] = {
        sample_text(TEXT("300")),
        sample_integer(300),
        sample_text(TEXT("true")),
        sample_truth(true),
        sample_truth(false),
        sample_json(TEXT("null")),
        sample_text(TEXT("")),
        sample_text(TEXT("null")),
        sample_text(TEXT("[]")),
        sample_json(TEXT("[]")),
        sample_json(TEXT("{}")),
        sample_json(TEXT("[300]")),
        sample_json(TEXT("[[]]")),
        sample_json(TEXT("[\"300\"]")),
        sample_json(TEXT("{\"a\":1}")),
        sample_json(TEXT("{\"a\":\"1\"}")),
        sample_json(TEXT("[[],[]]")),
        sample_json(TEXT("{\"a\":1,\"b\":2}")),
        sample_json(TEXT("{\"a\":2,\"b\":1}")),
        sample_json(TEXT("[1,2]")),
        sample_json(TEXT("[2,1]")),
        sample_json(TEXT("[12]")),
        sample_json(TEXT("{\"a\":{},\"b\":{}}")),
        sample_json(TEXT("{\"a\":1,\"a\":1}")),
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(of_value(rows[i]), of_value(rows[k]));
}

static void json_counts_by_meaning(void **state)
{
    (void)state;
    uint64_t object =
        of_value(sample_json(TEXT("{\"a\":[1,\"é\"],\"b\":{\"c\":1.50,\"d\":null}}")));

    uint64_t same = of_value(sample_json(
        TEXT(" { \"b\" : { \"d\":null, \"c\":15e-1 },\n\"\\u0061\" : [1.0,\"\\u00E9\"] } ")));

    assert_int_equal(same, object);
    assert_int_equal(of_value(sample_json(TEXT("\"x\""))), of_value(sample_text(TEXT("x"))));
    assert_int_equal(of_value(sample_json(TEXT("true"))), of_value(sample_truth(true)));
}

static void what_says_the_same_in_other_words_is_the_same_content(void **state)
{
    (void)state;
    struct raw_usage *raw = sample_call(a), *empty = sample_call(a), *customer = sample_call(a),
                     *guided = sample_call(a);
    struct related_party *party = customer->parties.items;
    ((struct characteristic *)empty->characteristics.items)[0].id = TEXT("");
    empty->specification->href = TEXT("");
    party->referred_type = TEXT("Customer");
    guided->status = (struct symbol){STATUS_GUIDED, TEXT("guided")};

    assert_int_equal(of(empty), of(raw));
    assert_int_equal(of(customer), of(raw));
    assert_int_equal(of(guided), of(raw));
}

static void any_other_field_is_another_content(void **state)
{
    (void)state;
    uint64_t seen[17] = {of(sample_call(a))};
    for (int i = 1; i < 17; i++) {
        struct raw_usage *raw = sample_call(a);
        struct characteristic *c = raw->characteristics.items, kept = c[0];
        struct related_party *p = raw->parties.items;
        switch (i) {
        case 1:
            raw->source = TEXT("x");
            break;
        case 2:
            raw->record_id = TEXT("x");
            break;
        case 3:
            raw->usage_date++;
            break;
        case 4:
            raw->usage_type = TEXT("x");
            break;
        case 5:
            raw->description = (struct text){0};
            break;
        case 6:
            raw->specification = NULL;
            break;
        case 7:
            raw->specification->id = TEXT("default-1");
            break;
        case 8:
            raw->parties.count = 0;
            break;
        case 9:
            p->referred_type = TEXT("Individual");
            break;
        case 10:
            p->role = (struct text){0};
            break;
        case 11:
            raw->characteristics.count--;
            break;
        case 12:
            c[0] = c[1], c[1] = kept;
            break; /* order is kept */
        case 13:
            c[0].value_type = TEXT("string");
            break; /* as it came: given is not left out */
        case 14:
            c[0].id = TEXT("x");
            break;
        case 15:
            raw->specification->href = raw->specification->name,
            raw->specification->name = (struct text){0};
            break;
        case 16:
            raw->description = TEXT("Outgoing national voice cal");
            break;
        }
        seen[i] = of(raw);

        for (int k = 0; k < i; k++)
            assert_int_not_equal(seen[i], seen[k]);
    }
}

static void long_contents_are_taken_whole(void **state)
{
    (void)state;
    char *text = arena_alloc(a, 10000);
    memset(text, 'x', 10000);
    uint64_t one = of_value(sample_text((struct text){text, 10000}));
    uint64_t again = of_value(sample_text((struct text){text, 10000}));
    text[9999] = 'y';

    uint64_t other = of_value(sample_text((struct text){text, 10000}));

    assert_int_equal(one, again);
    assert_int_not_equal(one, other);
}

static void a_rating_counts_by_value(void **state)
{
    (void)state;
    struct rating *r = sample_rating(a), *same = sample_rating(a), *other = sample_rating(a);
    same->tax_excluded->value = sample_decimal(600, 3);
    other->tax_excluded->value = sample_decimal(601, 3);
    struct list rs = {r, 1}, sames = {same, 1}, others = {other, 1}, none = {0};
    uint64_t digest = digest_rated(STATUS_RATED, &rs, (struct text){0});

    assert_int_equal(digest_rated(STATUS_RATED, &sames, TEXT("")), digest);
    assert_int_not_equal(digest_rated(STATUS_RATED, &others, (struct text){0}), digest);
    assert_int_not_equal(digest_rated(STATUS_RATED, &none, (struct text){0}), digest);
    assert_int_not_equal(digest_rated(STATUS_RERATED, &rs, (struct text){0}), digest);
    assert_int_not_equal(digest_rated(STATUS_RATED, &rs, TEXT("x")), digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_of_a_content_never_changes),
        cmocka_unit_test(numbers_count_by_value),
        cmocka_unit_test(other_numbers_are_other_contents),
        cmocka_unit_test(kinds_of_values_are_told_apart),
        cmocka_unit_test(json_counts_by_meaning),
        cmocka_unit_test(what_says_the_same_in_other_words_is_the_same_content),
        cmocka_unit_test(any_other_field_is_another_content),
        cmocka_unit_test(long_contents_are_taken_whole),
        cmocka_unit_test(a_rating_counts_by_value),
    };
    return cmocka_run_group_tests(tests, start, end);
}
