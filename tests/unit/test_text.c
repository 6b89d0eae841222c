#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/text.h"

static bool is_utf8(const char *s)
{
    return text_is_utf8(s, strlen(s));
}

static void utf8_is_taken_in_its_shortest_form_only(void **state)
{
    (void)state;

    assert_true(text_is_utf8("", 0));
    assert_true(is_utf8("plain text, longer than eight bytes"));
    assert_true(is_utf8("计费 é \xf0\x9f\x93\x9e \xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80"));
    assert_false(is_utf8("\xc0\x80"));         /* NUL in two bytes */
    assert_false(is_utf8("\xc1\xbf"));         /* too long */
    assert_false(is_utf8("\xe0\x9f\xbf"));     /* too long */
    assert_false(is_utf8("\xf0\x8f\xbf\xbf")); /* too long */
    assert_false(is_utf8("\xed\xa0\x80"));     /* surrogate */
    assert_false(is_utf8("\xf4\x90\x80\x80")); /* past U+10FFFF */
    assert_false(is_utf8("\xf5\x80\x80\x80"));
    assert_false(is_utf8("\x80"));
    assert_false(is_utf8("abcdefgh\xff"));
    assert_false(is_utf8("caf\xe9"));
    assert_false(is_utf8("\xe8\xae"));
}

static void a_nul_is_found_wherever_it_stands(void **state)
{
    (void)state;

    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++) {
            char *s = malloc(n); /* exactly as long, so that a read past it is seen */
            memset(s, 'a', n);
            assert_true(text_is_utf8(s, n));
            s[at] = 0;
            assert_false(text_is_utf8(s, n));
            s[at] = (char)0x80;
            assert_false(text_is_utf8(s, n));
            free(s);
        }
}

/* By the table of RFC 3629, one byte after the other. */
static bool is_sound(const unsigned char *p, size_t n)
{
    while (n > 0) {
        unsigned long c = p[0];
        size_t len = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
        static const unsigned long least[] = {0, 1, 0x80, 0x800, 0x10000};
        if (len == 0 || len > n)
            return false;
        c = len == 1 ? c : c & (0x7fu >> len);
        for (size_t i = 1; i < len; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            c = c << 6 | (p[i] & 0x3f);
        }
        if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return false;
        p += len;
        n -= len;
    }
    return true;
}

static void random_bytes_are_judged_as_the_rfc_does(void **state)
{
    static const unsigned char often[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                          0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe8, 0xed, 0xef,
                                          0xf0, 0xf3, 0xf4, 0xf5, 0x61, 0x62, 0x63, 0x64};
    uint64_t seed = 99;
    (void)state;

    for (int i = 0; i < 200000; i++) {
        unsigned char bytes[8];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t n = 1 + (seed >> 61);
        for (size_t k = 0; k < n; k++)
            bytes[k] = often[(seed >> (5 + 6 * k)) % sizeof often];
        assert_int_equal(text_is_utf8((char *)bytes, n), is_sound(bytes, n));
    }
}

static void a_quoted_text_has_nothing_that_breaks_a_line(void **state)
{
    char out[TEXT_QUOTED];
    (void)state;

    assert_string_equal(text_quote(TEXT("plain"), out), "plain");
    assert_string_equal(text_quote(TEXT("a\nb\"c\\d\x7f"), out), "a\\x0ab\\x22c\\x5cd\\x7f");
    assert_string_equal(text_quote((struct text){"\0\xff", 2}, out), "\\x00\\xff");
    assert_string_equal(text_quote(TEXT("计费"), out), "计费");
    assert_string_equal(text_quote(TEXT("\xc2\x85 \xc2\x9b \xc2\xa0"), out),
                        "\\xc2\\x85 \\xc2\\x9b \xc2\xa0"); /* a line's end, an escape, a blank */
    assert_string_equal(text_quote((struct text){NULL, 0}, out), "");
}

static void a_long_text_is_quoted_up_to_200_bytes(void **state)
{
    char out[TEXT_QUOTED], longer[300];
    (void)state;

    memset(longer, 'a', sizeof longer);
    text_quote((struct text){longer, 200}, out);
    assert_int_equal(strlen(out), 200);
    text_quote((struct text){longer, 201}, out);
    assert_int_equal(strlen(out), 203);
    assert_string_equal(out + 198, "aa...");
    memcpy(longer + 199, "\xc3\xa9", 2);
    text_quote((struct text){longer, 201}, out);
    assert_string_equal(out + 197, "aa...");
    memset(longer, 0xff, sizeof longer);
    text_quote((struct text){longer, 300}, out);
    assert_int_equal(strlen(out), 803);
}

static void texts_are_equal_by_length_and_bytes(void **state)
{
    (void)state;

    assert_true(text_eq(TEXT("a"), text_of("a")));
    assert_false(text_eq(TEXT("a"), TEXT("ab")));
    assert_true(text_eq((struct text){NULL, 0}, TEXT("")));
    assert_true(text_is(TEXT("rated"), "rated"));
    assert_false(text_is((struct text){"a\0", 2}, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_taken_in_its_shortest_form_only),
        cmocka_unit_test(a_nul_is_found_wherever_it_stands),
        cmocka_unit_test(random_bytes_are_judged_as_the_rfc_does),
        cmocka_unit_test(a_quoted_text_has_nothing_that_breaks_a_line),
        cmocka_unit_test(a_long_text_is_quoted_up_to_200_bytes),
        cmocka_unit_test(texts_are_equal_by_length_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
