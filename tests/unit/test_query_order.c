/* The order of rows as SQL, and where a token's row stands in it
 * (HTTP contract sections 5.1, 5.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "query_scene.h"

#define ID "01a20779-75ca-882e-8c96-86cbff439931"

static const char *order_of(const struct query_resource *resource, const char *raw, bool before)
{
    struct query q = parsed_of(resource, raw);
    struct query_sql s = {.a = a};
    q.before = before;
    query_order(&q, &s);
    return readable(&s);
}

static void rows_without_the_attribute_come_last_in_both_directions(void **state)
{
    (void)state;
    const struct query_resource *u = &query_usages;
    assert_string_equal(order_of(u, "", false), " ORDER BY id DESC");
    assert_string_equal(order_of(u, "sort=usageDate", false), " ORDER BY id ASC");
    assert_string_equal(order_of(u, "sort=description,-status", false),
                        " ORDER BY (description) COLLATE \"C\" ASC NULLS LAST, (status) COLLATE "
                        "\"C\" DESC NULLS LAST, id DESC");
    assert_string_equal(order_of(u, "sort=-usageSpecification.name", false),
                        " ORDER BY (document::json->'usageSpecification'->>'name') COLLATE \"C\" "
                        "DESC NULLS LAST, id DESC");
}

static void a_page_before_a_token_is_read_the_other_way_round(void **state)
{
    (void)state;
    assert_string_equal(order_of(&query_usages, "", true), " ORDER BY id ASC");
    assert_string_equal(order_of(&query_usages, "sort=description,-status", true),
                        " ORDER BY (description) COLLATE \"C\" DESC NULLS FIRST, (status) COLLATE "
                        "\"C\" ASC NULLS FIRST, id ASC");
}

static const char *token_sql(const struct query_resource *resource, const char *raw, bool before,
                             struct text first)
{
    struct query q = parsed_of(resource, raw);
    struct query_sql s = {.a = a};
    q.before = before;
    q.after = !before;
    q.token = (struct query_token){.id = TEXT(ID), .count = 1, .keys = {first}};
    query_order_token(&q, &s);
    return readable(&s);
}

static void a_token_of_an_order_of_ids_is_one_comparison(void **state)
{
    (void)state;
    struct text none = {0};
    const struct query_resource *u = &query_usages;
    assert_string_equal(token_sql(u, "", false, none), " AND id < <" ID ">::uuid");
    assert_string_equal(token_sql(u, "", true, none), " AND id > <" ID ">::uuid");
    assert_string_equal(token_sql(u, "sort=usageDate", false, none), " AND id > <" ID ">::uuid");
    assert_string_equal(token_sql(&query_specifications, "", false, none), " AND id < <" ID ">");
}

static void a_token_of_another_order_compares_its_keys(void **state)
{
    (void)state;
    const struct query_resource *u = &query_usages;
    assert_string_equal(token_sql(u, "sort=description", false, TEXT("d")),
                        " AND ((description) COLLATE \"C\" > <d> OR (description) IS NULL OR "
                        "(description) = <d> AND id < <" ID ">::uuid)");
    assert_string_equal(token_sql(u, "sort=-description", false, TEXT("d")),
                        " AND ((description) COLLATE \"C\" < <d> OR (description) IS NULL OR "
                        "(description) = <d> AND id < <" ID ">::uuid)");
    assert_string_equal(token_sql(u, "sort=description", true, TEXT("d")),
                        " AND ((description) COLLATE \"C\" < <d> OR "
                        "(description) = <d> AND id > <" ID ">::uuid)");
    assert_string_equal(token_sql(u, "sort=description", false, (struct text){0}),
                        " AND ((description) IS NULL AND id < <" ID ">::uuid)");
    assert_string_equal(token_sql(u, "sort=description", true, (struct text){0}),
                        " AND ((description) IS NOT NULL OR id > <" ID ">::uuid)");
    assert_string_equal(token_sql(u, "sort=-usageDate,-id", false, TEXT("x")),
                        " AND id < <" ID ">::uuid");
}

static void a_token_of_an_order_that_begins_with_the_date_is_a_range_too(void **state)
{
    (void)state;
    const struct query_resource *u = &query_usages;
    assert_string_equal(
        token_sql(u, "sort=usageDate,-id", false, TEXT("01a20779-75ca")),
        " AND id >= <01a20779-75ca-0000-0000-000000000000>::uuid AND ((left(id::text, 13)) COLLATE "
        "\"C\" > <01a20779-75ca> OR (left(id::text, 13)) IS NULL OR (left(id::text, 13)) = "
        "<01a20779-75ca> AND id < <" ID ">::uuid)");
    assert_non_null(strstr(token_sql(u, "sort=usageDate,-id", true, TEXT("01a20779-75ca")),
                           " AND id <= <01a20779-75ca-ffff-ffff-ffffffffffff>::uuid AND "));
    assert_null(strstr(token_sql(u, "sort=usageDate,-id", false, TEXT("zzz")), "uuid AND"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_the_attribute_come_last_in_both_directions),
        cmocka_unit_test(a_page_before_a_token_is_read_the_other_way_round),
        cmocka_unit_test(a_token_of_an_order_of_ids_is_one_comparison),
        cmocka_unit_test(a_token_of_another_order_compares_its_keys),
        cmocka_unit_test(a_token_of_an_order_that_begins_with_the_date_is_a_range_too),
    };
    return cmocka_run_group_tests(tests, start, end);
}
