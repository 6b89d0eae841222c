#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/instant.h"
#include "usage/id.h"
#include "usage/query.h"

static struct arena *a;
static const struct query_limits limits = {.limit_default = 100, .limit_max = 1000};

static int start(void **state)
{
    (void)state;
    a = arena_new(4096);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static struct query parsed(const char *raw)
{
    struct query q;
    struct err err = {0};
    if (!query_parse(text_of(raw), &limits, a, &q, &err))
        fail_msg("%s: %s", raw ? raw : "(none)", err.text);
    return q;
}

static void assert_refused(const char *raw, int status, const char *names)
{
    struct query q;
    struct err err = {0};
    if (query_parse(text_of(raw), &limits, a, &q, &err))
        fail_msg("%s: taken", raw);
    if (err.kind != ERR_DATA || err.code != status || !strstr(err.text, names))
        fail_msg("%s: %d %s", raw, err.code, err.text);
}

/* The SQL of a query's filters; *count parameters. */
static const char *where(const char *raw, int *count)
{
    struct query q = parsed(raw);
    struct buf sql = {0};
    struct db_params p = {0};
    query_where(&q, &sql, &p);
    const char *text = arena_copy(a, sql.data, sql.len);
    *count = p.count;
    db_params_fini(&p);
    buf_fini(&sql);
    return text;
}

static void assert_where(const char *raw, const char *expected, int parameters)
{
    int count;
    assert_string_equal(where(raw, &count), expected);
    assert_int_equal(count, parameters);
}

static int64_t ms(const char *text)
{
    int64_t v;
    assert_true(instant_parse(text_of(text), &v));
    return v;
}

static void nothing_asked_is_the_first_page_of_everything(void **state)
{
    (void)state;
    static const char *const empty[] = {NULL, "", "&", "&&"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct query q = parsed(empty[i]);

        assert_int_equal(q.offset, 0);
        assert_int_equal(q.limit, 100);
        assert_true(q.fields.all);
        assert_where(empty[i], "true", 0);
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
                                      "offset=1&offset=2", "offset=1,2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], 400, "offset");
    assert_refused("limit=-1", 400, "limit");
    assert_refused("limit=10&limit=10", 400, "limit");
    assert_refused("limit.gt=10", 400, "limit");
}

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
}

static void a_comma_and_a_repeated_name_are_or(void **state)
{
    (void)state;
    static const char *const same[] = {
        "status=rated,rerated",           "status=rated&status=rerated", "status.eq=rated,rerated",
        "status=rated&status.eq=rerated", "status%3D%3Drated,rerated",   "status==rated,rerated",
        "status%3D=rated,rerated",        "stat%75s=r%61ted,rerated"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct query q = parsed(same[i]);
        const struct text *values = q.statuses.values.items;

        assert_int_equal(q.statuses.values.count, 2);
        assert_true(text_is(values[0], "rated"));
        assert_true(text_is(values[1], "rerated"));
    }
    assert_where("status=rated,rerated", "status = ANY($1::text[])", 1);
}

static void an_encoded_comma_is_a_comma_of_the_value(void **state)
{
    (void)state;
    struct query q = parsed("usageType=A%2CB,C%26D%3b+E&relatedParty.id=%E8%AE%A1");
    const struct text *types = q.types.values.items, *parties = q.parties.values.items;

    assert_int_equal(q.types.values.count, 2);
    assert_true(text_is(types[0], "A,B"));
    assert_true(text_is(types[1], "C&D; E"));
    assert_true(text_is(parties[0], "\xe8\xae\xa1"));
}

static void an_encoded_equals_sign_begins_a_value_but_no_second_operator(void **state)
{
    (void)state;
    assert_true(text_is(*(struct text *)parsed("usageType=%3Dx").types.values.items, "=x"));
    assert_true(text_is(*(struct text *)parsed("usageType==x").types.values.items, "x"));
    assert_refused("usageType%3Dx", 400, "usageType");
}

static void different_attributes_are_and(void **state)
{
    (void)state;
    assert_where("usageType=VOICE&status=rated&relatedParty.id=c1",
                 "status = ANY($1::text[]) AND usage_type = ANY($2::text[]) AND "
                 "(party_id = ANY($3::text[]) OR other_party_ids && $3::text[])",
                 3);
}

static void an_id_that_is_no_uuid_matches_nothing(void **state)
{
    (void)state;
    assert_where("id=x", "false", 0);
    assert_where("id=", "false", 0);
    assert_where("id=x&status=rated", "false", 0);
    assert_where("id=01a20779-75ca-882e-8c96-86cbff439931", "id = $1", 1);
    assert_where("id=01A20779-75CA-882E-8C96-86CBFF439931,x", "id = $1", 1);
    assert_where("id=01a20779-75ca-882e-8c96-86cbff439931,01a20779-75ca-882e-8c96-86cbff439932",
                 "id = ANY($1::uuid[])", 1);
}

static void a_window_of_dates_is_a_range_of_ids(void **state)
{
    (void)state;
    assert_where("usageDate.gte=2026-11-01T00:00:00Z&usageDate.lt=2026-12-01T00:00:00Z",
                 "id >= $1 AND id < $2", 2);

    struct query q = parsed("usageDate.gte=2026-11-01T00:00:00Z&usageDate.lt=2026-12-01T00:00:00Z");
    struct db_params p = {0};
    struct buf sql = {0};
    query_where(&q, &sql, &p);
    struct usage_id low = id_floor(ms("2026-11-01T00:00:00Z")),
                    high = id_floor(ms("2026-12-01T00:00:00Z"));
    assert_memory_equal(p.bytes.data + p.starts[0], low.bytes, 16);
    assert_memory_equal(p.bytes.data + p.starts[1], high.bytes, 16);
    db_params_fini(&p);
    buf_fini(&sql);
}

static void operators_keep_their_meaning_between_two_milliseconds(void **state)
{
    (void)state;
    int64_t m = ms("2026-11-01T00:00:00.500Z");
    const struct {
        const char *raw;
        int64_t from, to;
    } cases[] = {
        {"usageDate.gte=2026-11-01T00:00:00.500Z", m, INT64_MAX},
        {"usageDate.gt=2026-11-01T00:00:00.500Z", m + 1, INT64_MAX},
        {"usageDate.lt=2026-11-01T00:00:00.500Z", INT64_MIN, m},
        {"usageDate.lte=2026-11-01T00:00:00.500Z", INT64_MIN, m + 1},
        {"usageDate.gte=2026-11-01T00:00:00.5000Z", m, INT64_MAX},
        {"usageDate.gte=2026-11-01T00:00:00.5001Z", m + 1, INT64_MAX},
        {"usageDate.gt=2026-11-01T00:00:00.5001Z", m + 1, INT64_MAX},
        {"usageDate.lt=2026-11-01T00:00:00.5001Z", INT64_MIN, m + 1},
        {"usageDate.lte=2026-11-01T00:00:00.5001Z", INT64_MIN, m + 1},
        {"usageDate%3E2026-11-01T00:00:00.500Z", m + 1, INT64_MAX},
        {"usageDate%3e%3d2026-11-01T00:00:00.500Z", m, INT64_MAX},
        {"usageDate%3E=2026-11-01T00:00:00.500Z", m, INT64_MAX},
        {"usageDate%3C2026-11-01T00:00:00.500Z", INT64_MIN, m},
        {"usageDate%3C%3D2026-11-01T00:00:00.500Z", INT64_MIN, m + 1},
        {"usageDate.gte=2026-11-01T08:00:00.500%2B08:00", m, INT64_MAX},
        {"usageDate.gte=2026-11-01T08:00:00.500+08:00", m, INT64_MAX}, /* reaches us as a blank */
        {"usageDate.gte=2026-10-31T23:00:00.500-01:00", m, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct query q = parsed(cases[i].raw);
        if (q.from != cases[i].from || q.to != cases[i].to)
            fail_msg("%s: %lld %lld", cases[i].raw, (long long)q.from, (long long)q.to);
    }
}

static void repeated_ranges_are_and_and_their_values_or(void **state)
{
    (void)state;
    struct query both =
        parsed("usageDate.gt=2026-11-01T00:00:00Z&usageDate.gte=2026-11-02T00:00:00Z");
    struct query either = parsed("usageDate.gte=2026-11-02T00:00:00Z,2026-11-01T00:00:00Z");
    struct query upper = parsed("usageDate.lt=2026-11-02T00:00:00Z,2026-11-01T00:00:00Z");

    assert_int_equal(both.from, ms("2026-11-02T00:00:00Z"));
    assert_int_equal(either.from, ms("2026-11-01T00:00:00Z"));
    assert_int_equal(upper.to, ms("2026-11-02T00:00:00Z"));
    assert_where("usageDate.gt=2026-11-02T00:00:00Z&usageDate.lt=2026-11-01T00:00:00Z", "false", 0);
}

static void a_date_alone_is_that_millisecond(void **state)
{
    (void)state;
    assert_where("usageDate=2026-11-01T00:00:00Z",
                 "usage_date = ANY($1::timestamptz[]) AND id >= $2 AND id < $3", 3);
    assert_where(
        "usageDate=2026-11-01T00:00:00Z,2026-12-01T00:00:00Z&usageDate.lt=2026-11-05T00:00:00Z",
        "id < $1 AND usage_date = ANY($2::timestamptz[]) AND id >= $3 AND id < $4", 4);
    assert_where("usageDate=2026-11-01T00:00:00.0001Z", "false", 0); /* nothing stored lies there */
}

static void windows_beyond_what_an_id_can_name_are_open_or_empty(void **state)
{
    (void)state;
    assert_where("usageDate.gte=1960-01-01T00:00:00Z", "true", 0);
    assert_where("usageDate.lt=1960-01-01T00:00:00Z", "false", 0);
    assert_where("usageDate.lt=1970-01-01T00:00:00Z", "false", 0);
    assert_where("usageDate.gte=1970-01-01T00:00:00Z", "true", 0);
    assert_where("usageDate.lte=9999-12-31T23:59:59Z", "id < $1", 1);
}

static void what_is_not_understood_is_400_and_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"colour=red", "colour"},
        {"status=Rated", "status"},
        {"status=", "status"},
        {"status=rated,", "status"},
        {"status.gt=rated", "status"},
        {"status.ne=billed", "status"},
        {"status.regex=b", "status"},
        {"usageType*=a", "usageType"},
        {"usageType%3D~a", "usageType"},
        {"usageType!=a", "usageType"},
        {"id.gt=01a20779-75ca-882e-8c96-86cbff439931", "id"},
        {"id%3E01a20779-75ca-882e-8c96-86cbff439931", "id"},
        {"usageDate=yesterday", "usageDate"},
        {"usageDate.gte=2026-02-30T00:00:00Z", "usageDate"},
        {"usageDate.gte=2026-11-01", "usageDate"},
        {"usageDate.ne=2026-11-01T00:00:00Z", "usageDate"},
        {"usageDate.gte%3E2026-11-01T00:00:00Z", "usageDate"},
        {"relatedParty=x", "relatedParty"},
        {"relatedParty.role=x", "relatedParty.role"},
        {"usageSpecification.id=x", "usageSpecification.id"},
        {"description=x", "description"},
        {"sort=id", "sort"},
        {"after=x", "after"},
        {"before=x", "before"},
        {"status", "status"},
        {"=rated", "=rated"},
        {"status=rated;usageType=VOICE", "';'"},
        {"status=rat%ed", "status"},
        {"status=rated%2", "status"},
        {"usageType=%zz", "usageType"},
        {"usageType=%00", "usageType"},
        {"usageType=%ff", "usageType"},
        {"relatedParty.id=a%00b", "relatedParty.id"},
        {"%00=x", "no attribute"},
        {"stat%us=x", "stat%us"},
        {"status%00=x", "status"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i][0], 400, bad[i][1]);
}

static void filter_is_501_whatever_it_holds(void **state)
{
    (void)state;
    assert_refused("filter=", 501, "filter");
    assert_refused("filter=%24[?(@.name=='x')]", 501, "filter");
    assert_refused("limit=5&filter=%zz", 501, "filter");
}

static void ten_thousand_values_are_one_parameter(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, "usageType=");
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "%s%d", i ? "," : "", i);

    assert_int_equal(parsed(buf_text(&b)).types.values.count, 10000);
    assert_where(buf_text(&b), "usage_type = ANY($1::text[])", 1);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_the_first_page_of_everything),
        cmocka_unit_test(a_limit_over_the_cap_is_served_with_the_cap),
        cmocka_unit_test(paging_that_is_no_whole_number_is_400),
        cmocka_unit_test(fields_add_up_and_empty_fields_are_absent),
        cmocka_unit_test(a_single_resource_takes_fields_and_nothing_else),
        cmocka_unit_test(a_comma_and_a_repeated_name_are_or),
        cmocka_unit_test(an_encoded_comma_is_a_comma_of_the_value),
        cmocka_unit_test(an_encoded_equals_sign_begins_a_value_but_no_second_operator),
        cmocka_unit_test(different_attributes_are_and),
        cmocka_unit_test(an_id_that_is_no_uuid_matches_nothing),
        cmocka_unit_test(a_window_of_dates_is_a_range_of_ids),
        cmocka_unit_test(operators_keep_their_meaning_between_two_milliseconds),
        cmocka_unit_test(repeated_ranges_are_and_and_their_values_or),
        cmocka_unit_test(a_date_alone_is_that_millisecond),
        cmocka_unit_test(windows_beyond_what_an_id_can_name_are_open_or_empty),
        cmocka_unit_test(what_is_not_understood_is_400_and_named),
        cmocka_unit_test(filter_is_501_whatever_it_holds),
        cmocka_unit_test(ten_thousand_values_are_one_parameter),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
