#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/api_link.h"

static struct arena *a;

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

static const char *link_of(const char *query, struct api_page page)
{
    struct buf b = {0};
    bool given = api_link("http://h/v4", text_of(query), &page, a, &b);
    const char *text = given ? arena_copy(a, b.data, b.len) : NULL;
    buf_fini(&b);
    return text;
}

static void a_page_that_is_the_whole_has_no_link(void **state)
{
    (void)state;
    assert_null(link_of(NULL, (struct api_page){0, 100, 3, 3, false}));
    assert_null(link_of(NULL, (struct api_page){0, 100, 0, 0, false}));
    assert_null(link_of("limit=0", (struct api_page){0, 0, 0, 50, false}));
}

static void links_keep_the_filters_and_carry_offset(void **state)
{
    (void)state;
    assert_string_equal(
        link_of("offset=20&status=rated,billed&limit=10", (struct api_page){20, 10, 10, 45, false}),
        "<http://h/v4/usage?status=rated,billed&limit=10&offset=0>; rel=\"first\", "
        "<http://h/v4/usage?status=rated,billed&limit=10&offset=10>; rel=\"prev\", "
        "<http://h/v4/usage?status=rated,billed&limit=10&offset=30>; rel=\"next\", "
        "<http://h/v4/usage?status=rated,billed&limit=10&offset=40>; rel=\"last\"");
    assert_string_equal(link_of(NULL, (struct api_page){0, 100, 100, 101, false}),
                        "<http://h/v4/usage?offset=0>; rel=\"first\", "
                        "<http://h/v4/usage?offset=100>; rel=\"next\", "
                        "<http://h/v4/usage?offset=100>; rel=\"last\"");
}

static void the_last_page_has_no_next_and_behind_the_end_prev_is_the_last(void **state)
{
    (void)state;
    const char *last = link_of("offset=40", (struct api_page){40, 10, 5, 45, false});
    const char *behind = link_of("off%73et=4000", (struct api_page){4000, 10, 0, 45, false});

    assert_null(strstr(last, "next"));
    assert_non_null(strstr(last, "offset=30>; rel=\"prev\""));
    assert_null(strstr(behind, "next"));
    assert_null(strstr(behind, "4000"));
    assert_non_null(strstr(behind, "offset=40>; rel=\"prev\""));
    assert_non_null(link_of("offset=9", (struct api_page){INT64_MAX, 10, 0, INT64_MAX, false}));
}

static void an_estimate_names_no_last_page(void **state)
{
    (void)state;
    const char *full = link_of(NULL, (struct api_page){0, 10, 10, 10, true});

    assert_non_null(strstr(full, "next"));
    assert_null(strstr(full, "last"));
}

static void a_link_over_two_kilobytes_is_left_out(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, "usageType=");
    for (int i = 0; i < 700; i++)
        buf_byte(&b, 'x');
    assert_non_null(link_of("usageType=x", (struct api_page){0, 10, 10, 45, false}));
    assert_null(link_of(buf_text(&b), (struct api_page){0, 10, 10, 45, false}));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_is_the_whole_has_no_link),
        cmocka_unit_test(links_keep_the_filters_and_carry_offset),
        cmocka_unit_test(the_last_page_has_no_next_and_behind_the_end_prev_is_the_last),
        cmocka_unit_test(an_estimate_names_no_last_page),
        cmocka_unit_test(a_link_over_two_kilobytes_is_left_out),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
