/* Tokens: what was written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "usage/query_token.h"

#include "arena_scene.h"

static const struct query_token sample = {
    .position = 123456789,
    .id = TEXT("01a20779-75ca-882e-8c96-86cbff439931"),
    .count = 4,
    .keys = {TEXT("rated"), {NULL, 0}, TEXT(""), TEXT("\xe8\xae\xa1\n\"")}};

static void a_token_comes_back_as_it_was(void **state)
{
    (void)state;
    struct query_token out;
    struct text text = query_token_write(&sample, TEXT("usage+status-id"), a);

    assert_true(query_token_read(text, TEXT("usage+status-id"), a, &out));
    assert_int_equal(out.position, sample.position);
    assert_int_equal(out.count, sample.count);
    assert_true(text_eq(out.id, sample.id));
    for (int i = 0; i < out.count; i++) {
        assert_true(text_eq(out.keys[i], sample.keys[i]));
        assert_int_equal(out.keys[i].p == NULL, sample.keys[i].p == NULL);
    }
}

static void a_token_needs_no_escape_in_a_url(void **state)
{
    (void)state;
    struct query_token token = sample;
    for (int i = 0; i < 100; i++) {
        token.position = i * 7919;
        struct text text = query_token_write(&token, TEXT("o"), a);
        for (size_t k = 0; k < text.n; k++)
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
                        text.p[k]))
                fail_msg("%.*s", TEXT_ARGS(text));
    }
}

static void a_token_of_another_order_is_none(void **state)
{
    (void)state;
    struct query_token out;
    struct text text = query_token_write(&sample, TEXT("usage+status-id"), a);

    assert_false(query_token_read(text, TEXT("usage-status-id"), a, &out));
    assert_false(query_token_read(text, TEXT(""), a, &out));
}

static void assert_only_as_it_is(struct text text)
{
    struct query_token out;
    char *copy = arena_copy(a, text.p, text.n);
    for (size_t n = 0; n < text.n; n++)
        assert_false(query_token_read((struct text){copy, n}, TEXT("o"), a, &out));
    for (size_t i = 0; i < text.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            copy[i] = (char)(text.p[i] ^ (1 << bit));
            assert_false(query_token_read((struct text){copy, text.n}, TEXT("o"), a, &out));
            copy[i] = text.p[i];
        }
    assert_true(query_token_read((struct text){copy, text.n}, TEXT("o"), a, &out));
}

static void a_token_that_was_changed_or_cut_is_none(void **state)
{
    (void)state;
    static const char id[] = "abcdef";
    assert_only_as_it_is(query_token_write(&sample, TEXT("o"), a));
    for (size_t n = 1; n < sizeof id; n++) { /* with and without spare bits at the end */
        struct query_token token = {.id = {id, n}};
        assert_only_as_it_is(query_token_write(&token, TEXT("o"), a));
    }
}

static void keys_that_are_too_long_for_a_url_make_no_token(void **state)
{
    (void)state;
    char key[1000];
    memset(key, 'k', sizeof key);
    struct query_token token = {.id = TEXT("x"), .count = 1, .keys = {{key, 600}}}, out;
    struct text text = query_token_write(&token, TEXT("o"), a);

    assert_true(text.n > 0 && text.n <= QUERY_TOKEN_MAX);
    assert_true(query_token_read(text, TEXT("o"), a, &out));
    token.keys[0].n = 1000;
    assert_null(query_token_write(&token, TEXT("o"), a).p);
}

/* Whoever knows how tokens are made could make one that PostgreSQL would choke on. */
static void a_text_that_is_no_utf8_is_none_even_with_a_right_digest(void **state)
{
    (void)state;
    struct query_token token = sample, out;
    token.keys[0] = TEXT("\xff");
    assert_false(query_token_read(query_token_write(&token, TEXT("o"), a), TEXT("o"), a, &out));
    token = sample;
    token.id = TEXT("\xc0\x80");
    assert_false(query_token_read(query_token_write(&token, TEXT("o"), a), TEXT("o"), a, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_comes_back_as_it_was),
        cmocka_unit_test(a_token_needs_no_escape_in_a_url),
        cmocka_unit_test(a_token_of_another_order_is_none),
        cmocka_unit_test(a_token_that_was_changed_or_cut_is_none),
        cmocka_unit_test(keys_that_are_too_long_for_a_url_make_no_token),
        cmocka_unit_test(a_text_that_is_no_utf8_is_none_even_with_a_right_digest),
    };
    return cmocka_run_group_tests(tests, start, end);
}
