/* The query string: pages, fields, order, groups, and what is refused
 * (HTTP contract sections 5.1 to 5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "query_scene.h"

/* --- 5.1 paging --------------------------------------------------------------------------------
 */

static void nothing_asked_is_the_first_page_of_everything(void **state)
{
    (void)state;
    static const char *const empty[] = {NULL, "", "&", "&&"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct query q = parsed(empty[i]);

        assert_int_equal(q.offset, 0);
        assert_int_equal(q.limit, 100);
        assert_true(q.fields.all);
        assert_where(empty[i], "true");
    }
}

static void a_limit_over_the_cap_is_served_with_the_cap(void **state)
{
    (void)state;
    assert_int_equal(parsed("limit=5&offset=7").limit, 5);
    assert_int_equal(parsed("limit=5&offset=7").offset, 7);
    assert_int_equal(parsed("limit=1000").limit, 1000);
    assert_int_equal(parsed("limit=1001").limit, 1000);
    assert_int_equal(parsed("limit=99999999999999999999999999").limit, 1000);
    assert_int_equal(parsed("limit=0").limit, 0);
    assert_true(parsed("offset=99999999999999999999999999").offset > INT64_MAX / 100);
}

static void paging_that_is_no_whole_number_is_400(void **state)
{
    (void)state;
    static const char *const bad[] = {"offset=-1",         "offset=",     "offset=1.0", "offset=+1",
                                      "offset=a",          "offset=1%20", "offset=%",   "offset",
                                      "offset=1&offset=2", "offset=1,2",  "offset=%ff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], 400, "offset");
    assert_refused("limit=-1", 400, "limit");
    assert_refused("limit=10&limit=10", 400, "limit");
    assert_refused("limit.gt=10", 400, "limit");
}

/* A token of the first row of a list in this order. */
static const char *token_for(const char *raw)
{
    struct query q = parsed(raw);
    struct query_token token = {.position = 7, .id = TEXT("01a20779-75ca-882e-8c96-86cbff439931")};
    token.count = q.sort.count;
    for (int i = 0; i < token.count; i++)
        token.keys[i] = TEXT("x");
    return query_token_write(&token, query_sort_name(&q, a), a).p;
}

static const char *with(const char *raw, const char *name, const char *token)
{
    return arena_printf(a, "%s%s%s=%s", raw, raw[0] ? "&" : "", name, token);
}

static void a_token_is_taken_under_the_same_order_whatever_the_filter_is(void **state)
{
    (void)state;
    struct query after = parsed(with("status=rated", "after", token_for("")));
    struct query before = parsed(with("sort=-id&limit=3", "before", token_for("sort=-usageDate")));
    struct query sorted = parsed(with("sort=status", "after", token_for("sort=%2Bstatus&id=x")));

    assert_true(after.after && !after.before);
    assert_true(!before.after && before.before);
    assert_int_equal(after.token.position, 7);
    assert_true(text_is(after.token.id, "01a20779-75ca-882e-8c96-86cbff439931"));
    assert_true(text_is(sorted.token.keys[0], "x"));
}

static void a_token_of_another_sort_or_of_another_list_is_400(void **state)
{
    (void)state;
    assert_refused(with("sort=status", "after", token_for("")), 400, "after");
    assert_refused(with("", "after", token_for("sort=status")), 400, "after");
    assert_refused(with("sort=status", "before", token_for("sort=-status")), 400, "before");
    assert_refused(with("sort=status", "before", token_for("sort=status,usageDate")), 400,
                   "before");
    assert_refused(with("sort=id", "after", token_for("")), 400, "after");
    assert_refused_of(&query_specifications, with("", "after", token_for("")), 400, "after");
}

static void a_token_that_is_not_ours_is_400(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "x", "AAAA", "%00",    "%ff",
        "a%2Cb", "=", "!",    "offset", "01a20779-75ca-882e-8c96-86cbff439931"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_refused(with("", "after", bad[i]), 400, "after");
        assert_refused(with("", "before", bad[i]), 400, "before");
    }
    char *token = arena_copy(a, token_for(""), strlen(token_for("")));
    for (size_t i = 0; token[i]; i++) {
        char was = token[i];
        token[i] = was == 'B' ? 'C' : 'B';
        assert_refused(with("", "after", token), 400, "after");
        token[i] = was;
    }
    assert_refused(with("", "after", arena_printf(a, "%sA", token)), 400, "after");
    /* Made by somebody who knows how: without the order's key, or of no id. */
    struct query_token made = {.id = TEXT("01a20779-75ca-882e-8c96-86cbff439931")},
                       odd = {.id = TEXT("x")};
    assert_refused(
        with("sort=status", "after", query_token_write(&made, TEXT("usage+status-id"), a).p), 400,
        "after");
    assert_refused(with("", "after", query_token_write(&odd, TEXT("usage-id"), a).p), 400, "after");
    assert_refused(with("", "after.eq", token), 400, "after");
}

static void a_token_with_offset_or_with_another_token_is_400(void **state)
{
    (void)state;
    const char *token = token_for("");
    assert_refused(with("offset=0", "after", token), 400, "offset");
    assert_refused(with(with("", "before", token), "offset", "5"), 400, "offset");
    assert_refused(with(with("", "before", token), "after", token), 400, "after");
    assert_refused(with(with("", "after", token), "after", token), 400, "after");
}

/* --- 5.2 sort ----------------------------------------------------------------------------------
 */

/* The order as it is written into a token, without the list's name. */
static const char *order(const char *raw)
{
    struct query q = parsed(raw);
    return query_sort_name(&q, a).p + strlen("usage");
}

static void the_default_order_is_the_id_descending(void **state)
{
    (void)state;
    assert_string_equal(order(""), "-id");
}

static void a_sort_is_a_comma_list_with_a_minus_for_descending(void **state)
{
    (void)state;
    assert_string_equal(order("sort=status"), "+status-id");
    assert_string_equal(order("sort=-status,usageType,-description"),
                        "-status+usageType-description-id");
    assert_string_equal(order("sort=-usageDate,status"), "-usageDate+status-id");
    assert_string_equal(order("sort=-status%2CusageType"), "-status+usageType-id");
    assert_string_equal(order("sort=s%74atus,status,-status"), "+status-id");
}

static void a_plus_or_the_blank_that_it_becomes_is_ascending(void **state)
{
    (void)state;
    assert_string_equal(order("sort=+status,%20usageType,%2Bdescription"),
                        "+status+usageType+description-id");
    assert_refused("sort=++status", 400, "sort");
    assert_refused("sort=--status", 400, "sort");
}

static void dotted_names_of_usage_specification_can_be_sorted_by(void **state)
{
    (void)state;
    assert_string_equal(order("sort=-usageSpecification.id,usageSpecification.@type"),
                        "-usageSpecification.id+usageSpecification.@type-id");
}

static void the_id_is_the_last_key_and_usage_date_is_its_beginning(void **state)
{
    (void)state;
    assert_string_equal(order("sort=id"), "+id");
    assert_string_equal(order("sort=-id,status"), "-id");
    assert_string_equal(order("sort=href"), "+id");
    assert_string_equal(order("sort=usageDate"), "+id");
    assert_string_equal(order("sort=-usageDate"), "-id");
    assert_string_equal(order("sort=status,usageDate"), "+status+id");
    assert_string_equal(order("sort=status,usageDate,id"), "+status+id");
    assert_string_equal(order("sort=usageDate,-id"), "+usageDate-id");
    assert_string_equal(order("sort=usageDate,usageType"), "+usageDate+usageType-id");
}

static void only_scalars_of_the_first_level_can_be_sorted_by(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "sort=",
        "sort=,",
        "sort=status,",
        "sort=-",
        "sort=colour",
        "sort=usageSpecification",
        "sort=relatedParty",
        "sort=relatedParty.id",
        "sort=usageCharacteristic.value",
        "sort=ratedProductUsage.taxRate",
        "sort=id,colour",
        "sort=status&sort=status",
        "sort=status;status=rated",
        "sort.eq=status",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], 400, i < 12 ? "sort" : "");
    assert_refused_of(&query_specifications, "sort=validFor.startDateTime", 400, "sort");
    assert_refused_of(&query_specifications, "sort=targetEntitySchema.@type", 400, "sort");
    assert_refused_of(&query_specifications, "sort=usageDate", 400, "sort");
}

/* --- 5.3 fields --------------------------------------------------------------------------------
 */

static void fields_add_up_and_empty_fields_are_absent(void **state)
{
    (void)state;
    assert_true(text_is(parsed("fields=status,usageDate").fields.names, "status,usageDate"));
    assert_true(text_is(parsed("fields=status&fields=id").fields.names, "status,id"));
    assert_true(text_is(parsed("fields=none").fields.names, "none"));
    assert_false(parsed("fields=none").fields.all);
    assert_true(parsed("fields=").fields.all);
    assert_true(text_is(parsed("fields=&fields=id").fields.names, "id"));
    assert_true(text_is(parsed("fields=%40type").fields.names, "@type"));
}

static void a_single_resource_takes_fields_and_nothing_else(void **state)
{
    (void)state;
    struct render_fields fields;
    struct err err = {0};
    assert_true(query_parse_fields(text_of("fields=status"), a, &fields, &err));
    assert_true(text_is(fields.names, "status"));
    assert_true(query_parse_fields((struct text){0}, a, &fields, &err));
    assert_true(fields.all);
    assert_false(query_parse_fields(text_of("status=rated"), a, &fields, &err));
    assert_int_equal(err.code, 400);
    assert_non_null(strstr(err.text, "status"));
    assert_false(query_parse_fields(text_of("fields.eq=rated"), a, &fields, &err));
    assert_false(query_parse_fields(text_of("sort=id"), a, &fields, &err));
}

/* --- 5.4 groups --------------------------------------------------------------------------------
 */

static void a_semicolon_binds_looser_than_an_ampersand(void **state)
{
    (void)state;
    assert_where("status=rated&usageType=A;usageType=B",
                 "((status = <rated> AND usage_type = <A>) OR (usage_type = <B>))");
    assert_where("status=rated,billed;status=rejected",
                 "((status = ANY(<rated,billed>)) OR (status = <rejected>))");
}

static void paging_sort_and_fields_belong_to_no_group(void **state)
{
    (void)state;
    const char *raw = "limit=5&usageType=A;fields=id&status=rated&sort=status;offset=7&usageType=C";
    struct query q = parsed(raw);

    assert_same(raw, "usageType=A;status=rated;usageType=C");
    assert_int_equal(q.groups.count, 3);
    assert_int_equal(q.limit, 5);
    assert_int_equal(q.offset, 7);
    assert_int_equal(q.sort.count, 1);
    assert_false(q.fields.all);
}

static void an_empty_group_is_400_also_one_that_holds_only_these(void **state)
{
    (void)state;
    static const char *const bad[] = {";",
                                      "status=rated;",
                                      ";status=rated",
                                      "status=rated;;status=billed",
                                      "status=rated;&;status=billed",
                                      "limit=5;status=rated",
                                      "status=rated;limit=5&offset=3",
                                      "status=rated;fields=id",
                                      "status=rated;sort=id"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], 400, "';'");
    assert_refused(arena_printf(a, "status=rated;after=%s", token_for("")), 400, "';'");
}

/* --- 5.5 filter --------------------------------------------------------------------------------
 */

static void filter_is_501_whatever_it_holds_and_whatever_else_is_asked(void **state)
{
    (void)state;
    assert_refused("filter=", 501, "filter");
    assert_refused("filter=%24[?(@.name=='x')]", 501, "filter");
    assert_refused("limit=5&filter=%zz", 501, "filter");
    assert_refused("colour=red&filter=x", 501, "filter");
    assert_refused("limit=-1;status=%zz;filter=a&&b", 501, "filter");
    assert_refused("fi%6Cter=x", 501, "filter");
    assert_refused("filters=x", 400, "filters");
}

/* --- limits ------------------------------------------------------------------------------------
 */

static const char *repeated(const char *piece, const char *separator, int times)
{
    struct buf b = {0};
    for (int i = 0; i < times; i++)
        buf_printf(&b, "%s%s", i ? separator : "", piece);
    const char *text = arena_copy(a, b.data, b.len);
    buf_fini(&b);
    return text;
}

static void ten_thousand_conditions_are_400_that_names_the_limit(void **state)
{
    (void)state;
    assert_int_equal(parsed(repeated("usageType.ne=A", "&", 1000)).groups.count, 1);
    assert_int_equal(parsed(repeated("usageType=A", ";", 1000)).groups.count, 1000);
    assert_refused(repeated("usageType.ne=A", "&", 1001), 400, "1000");
    assert_refused(repeated("usageType=A", "&", 10000), 400, "1000");
    assert_refused(repeated("usageType=A", ";", 10000), 400, "1000");
}

static void a_query_may_have_ten_thousand_values(void **state)
{
    (void)state;
    const char *most = arena_printf(a, "usageType=%s", repeated("A", ",", 10000));
    struct query q = parsed(most);
    const struct query_group *g = q.groups.items;
    const struct query_condition *c = g->conditions.items;

    assert_int_equal(c->values.count, 10000);
    assert_refused(arena_printf(a, "%s,A", most), 400, "10000");
    assert_refused(arena_printf(a, "%s&usageType.ne=B", most), 400, "10000");
}

static void all_values_are_one_parameter_and_none_is_part_of_the_sql(void **state)
{
    (void)state;
    struct query q =
        parsed("usageType='%3BDROP,$2&description.regex='--&usageCharacteristic.value='"
               "&relatedParty.id='&href.regex=';id.gt='&sort=-status&usageSpecification.name=$1");
    struct query_sql s = {.a = a};
    struct db_params p = {0};
    query_where(&q, QUERY_PARTY_ALL, &s);
    query_sql_params(&s, &p);

    assert_int_equal(p.count, 1);
    assert_null(strstr(buf_text(&s.text), "DROP"));
    assert_null(strstr(buf_text(&s.text), "$2"));
    assert_null(strstr(buf_text(&s.text), "--"));
    db_params_fini(&p);
    query_sql_fini(&s);
}

/* --- links -------------------------------------------------------------------------------------
 */

static const char *without_page(const char *raw)
{
    struct buf b = {0};
    query_without_page(text_of(raw), a, &b);
    const char *text = arena_copy(a, b.data ? b.data : "", b.len);
    buf_fini(&b);
    return text;
}

static void a_link_keeps_all_but_the_page(void **state)
{
    (void)state;
    assert_string_equal(without_page(NULL), "");
    assert_string_equal(without_page("offset=5"), "");
    assert_string_equal(without_page("offset=5&limit=3&status=a%2Cb"), "limit=3&status=a%2Cb&");
    assert_string_equal(without_page("after=x&a=1&before=y"), "a=1&");
    assert_string_equal(without_page("o%66fset=5&&a=1&"), "a=1&");
    assert_string_equal(without_page("a=1&b=2;offset=7&c=3"), "a=1&b=2;c=3&");
    assert_string_equal(without_page("a=1&offset=7;c=3&after=x"), "a=1;c=3&");
    assert_string_equal(without_page("offset.gt=1"), "offset.gt=1&");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_the_first_page_of_everything),
        cmocka_unit_test(a_limit_over_the_cap_is_served_with_the_cap),
        cmocka_unit_test(paging_that_is_no_whole_number_is_400),
        cmocka_unit_test(a_token_is_taken_under_the_same_order_whatever_the_filter_is),
        cmocka_unit_test(a_token_of_another_sort_or_of_another_list_is_400),
        cmocka_unit_test(a_token_that_is_not_ours_is_400),
        cmocka_unit_test(a_token_with_offset_or_with_another_token_is_400),
        cmocka_unit_test(the_default_order_is_the_id_descending),
        cmocka_unit_test(a_sort_is_a_comma_list_with_a_minus_for_descending),
        cmocka_unit_test(a_plus_or_the_blank_that_it_becomes_is_ascending),
        cmocka_unit_test(dotted_names_of_usage_specification_can_be_sorted_by),
        cmocka_unit_test(the_id_is_the_last_key_and_usage_date_is_its_beginning),
        cmocka_unit_test(only_scalars_of_the_first_level_can_be_sorted_by),
        cmocka_unit_test(fields_add_up_and_empty_fields_are_absent),
        cmocka_unit_test(a_single_resource_takes_fields_and_nothing_else),
        cmocka_unit_test(a_semicolon_binds_looser_than_an_ampersand),
        cmocka_unit_test(paging_sort_and_fields_belong_to_no_group),
        cmocka_unit_test(an_empty_group_is_400_also_one_that_holds_only_these),
        cmocka_unit_test(filter_is_501_whatever_it_holds_and_whatever_else_is_asked),
        cmocka_unit_test(ten_thousand_conditions_are_400_that_names_the_limit),
        cmocka_unit_test(a_query_may_have_ten_thousand_values),
        cmocka_unit_test(all_values_are_one_parameter_and_none_is_part_of_the_sql),
        cmocka_unit_test(a_link_keeps_all_but_the_page),
    };
    return cmocka_run_group_tests(tests, start, end);
}
