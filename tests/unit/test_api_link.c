#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/api_link.h"

#include "arena_scene.h"

static const char *link_of(const char *query, struct api_page page)
{
    struct buf b = {0};
    page.resource = "usage";
    bool given = api_link("http://h/v4", text_of(query), &page, a, &b);
    const char *text = given ? arena_copy(a, b.data, b.len) : NULL;
    buf_fini(&b);
    return text;
}

/* A page in the middle. */
static const struct api_page middle = {.offset = 20,
                                       .limit = 10,
                                       .count = 10,
                                       .previous = true,
                                       .next = true,
                                       .before = TEXT("B"),
                                       .after = TEXT("A"),
                                       .total = 45};

static void a_page_that_is_the_whole_has_no_link(void **state)
{
    (void)state;
    struct api_page none = middle;
    none.previous = none.next = false;
    assert_null(link_of(NULL, none));
    struct api_page empty = middle;
    empty.limit = 0;
    assert_null(link_of("limit=0", empty));
}

static void first_and_last_carry_an_offset_next_and_previous_a_token(void **state)
{
    (void)state;
    assert_string_equal(link_of("offset=20&status=rated,billed&limit=10", middle),
                        "<http://h/v4/usage?status=rated,billed&limit=10&offset=0>; rel=\"first\", "
                        "<http://h/v4/usage?status=rated,billed&limit=10&before=B>; rel=\"prev\", "
                        "<http://h/v4/usage?status=rated,billed&limit=10&after=A>; rel=\"next\", "
                        "<http://h/v4/usage?status=rated,billed&limit=10&offset=40>; rel=\"last\"");
    struct api_page first = {
        .limit = 100, .count = 100, .next = true, .after = TEXT("A"), .total = 101};
    assert_string_equal(link_of(NULL, first), "<http://h/v4/usage?offset=0>; rel=\"first\", "
                                              "<http://h/v4/usage?after=A>; rel=\"next\", "
                                              "<http://h/v4/usage?offset=100>; rel=\"last\"");
    assert_non_null(strstr(link_of("before=x&a=1;after=y&b=2", middle), "?a=1;b=2&after=A>"));
}

static void without_a_token_they_carry_an_offset(void **state)
{
    (void)state;
    struct api_page page = middle;
    page.before = page.after = (struct text){0};
    const char *text = link_of(NULL, page);

    assert_non_null(strstr(text, "?offset=10>; rel=\"prev\""));
    assert_non_null(strstr(text, "?offset=30>; rel=\"next\""));
    page.offset = 5;
    assert_non_null(strstr(link_of(NULL, page), "?offset=0>; rel=\"prev\""));
}

static void the_last_page_has_no_next_and_behind_the_end_prev_is_the_last(void **state)
{
    (void)state;
    struct api_page last = middle,
                    behind = {.offset = 4000, .limit = 10, .previous = true, .total = 45};
    last.next = false;
    const char *text = link_of("off%73et=4000", behind);

    assert_null(strstr(link_of("offset=40", last), "next"));
    assert_null(strstr(text, "next"));
    assert_null(strstr(text, "4000"));
    assert_non_null(strstr(text, "offset=40>; rel=\"prev\""));
    behind.offset = behind.total = INT64_MAX;
    assert_non_null(link_of("offset=9", behind));
}

static void an_estimate_names_no_last_page(void **state)
{
    (void)state;
    struct api_page page = middle;
    page.estimated = true;

    assert_non_null(strstr(link_of(NULL, page), "next"));
    assert_null(strstr(link_of(NULL, page), "last"));
}

static void a_link_over_two_kilobytes_is_left_out(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, "usageType=");
    for (int i = 0; i < 700; i++)
        buf_byte(&b, 'x');
    assert_non_null(link_of("usageType=x", middle));
    assert_null(link_of(buf_text(&b), middle));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_is_the_whole_has_no_link),
        cmocka_unit_test(first_and_last_carry_an_offset_next_and_previous_a_token),
        cmocka_unit_test(without_a_token_they_carry_an_offset),
        cmocka_unit_test(the_last_page_has_no_next_and_behind_the_end_prev_is_the_last),
        cmocka_unit_test(an_estimate_names_no_last_page),
        cmocka_unit_test(a_link_over_two_kilobytes_is_left_out),
    };
    return cmocka_run_group_tests(tests, start, end);
}
