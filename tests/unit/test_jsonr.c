#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/jsonr.h"

static struct arena *a;

static int start(void **state)
{
    (void)state;
    a = arena_new(1024);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

/* The text in a buffer of exactly its size, so that the sanitizer sees a read behind it. */
static struct text exact(struct text t)
{
    char *p = arena_alloc(a, t.n ? t.n : 1);
    memcpy(p, t.p, t.n);
    return (struct text){p, t.n};
}

static bool accepts(struct text json, bool *bad_text)
{
    struct jsonr r = jsonr_start(exact(json));
    bool ok = jsonr_skip(&r, NULL) && jsonr_done(&r);
    assert_int_equal(ok, r.fault == NULL);
    if (bad_text)
        *bad_text = r.bad_text;
    return ok;
}

static void json_of_every_form_is_accepted(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "0",
        "-0",
        "12",
        "-1.5",
        "1e5",
        "1E+5",
        "0.1e-2",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"计费\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1, 2 ,3]",
        " [1] ",
        "{\"a\":1,\"a\":2}",
        "{\"a\" : {\"b\":[ ]}}\n",
        "[[],[[]],{}]",
        "\t\r\n 1",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!accepts(text_of(rows[i]), NULL))
            fail_msg("%s", rows[i]);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "--1",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "truE",
        "nul",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "'a'",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1]",
        "1 2",
        "[] []",
        "1,",
        "//1",
        "\xef\xbb\xbf"
        "1",
        "\xc3\xa9",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool bad_text;
        if (accepts(text_of(rows[i]), &bad_text) || bad_text)
            fail_msg("%s", rows[i]);
    }
}

static void a_fault_of_text_is_told_from_one_of_form(void **state)
{
    (void)state;
    static const struct text rows[] = {
        TEXT("\"\\u0000\""),        TEXT("\"\\ud83d\""),        TEXT("\"\\ude00\""),
        TEXT("\"\\ud83d\\u0041\""), TEXT("\"\\ud83d\\ud83d\""), TEXT("\"\xff\""),
        TEXT("\"\xc0\x80\""),       TEXT("\"\xed\xa0\x80\""),   TEXT("\"a\0b\""),
        TEXT("{\"\\ud800\":1}"),    TEXT("[[\"\xe4\xbd\"]]"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool bad_text;
        if (accepts(rows[i], &bad_text) || !bad_text)
            fail_msg("row %zu", i);
    }
}

static void nesting_ends_at_64(void **state)
{
    (void)state;
    char json[2 * 65 + 1];
    memset(json, '[', 65);
    memset(json + 65, ']', 65);

    bool deepest = accepts((struct text){json + 1, 128}, NULL);
    bool deeper = accepts((struct text){json, 130}, NULL);

    assert_true(deepest);
    assert_false(deeper);
}

static void a_document_is_walked_member_by_member(void **state)
{
    (void)state;
    struct jsonr r = jsonr_start(exact(TEXT(
        " { \"a\" : [ 1 , \"x\\u00e9\" ] ,\"k\\n\": true, \"n\" :null,\"o\":{ \"p\" : 0.60 } } ")));
    struct text key, t;
    bool truth = false;

    assert_true(jsonr_enter(&r, JSONR_OBJECT));
    assert_true(jsonr_next_key(&r, a, &key) && text_is(key, "a"));
    assert_int_equal(jsonr_peek(&r), JSONR_ARRAY);
    assert_true(jsonr_enter(&r, JSONR_ARRAY));
    assert_int_equal(jsonr_peek(&r), JSONR_NUMBER);
    assert_true(jsonr_next_item(&r) && jsonr_number(&r, &t) && text_is(t, "1"));
    assert_true(jsonr_next_item(&r) && jsonr_text(&r, a, &t) && text_is(t, "xé"));
    assert_false(jsonr_next_item(&r));
    assert_true(jsonr_next_key(&r, a, &key) && text_is(key, "k\n"));
    assert_true(jsonr_truth(&r, &truth) && truth);
    assert_true(jsonr_next_key(&r, a, &key) && jsonr_null(&r));
    assert_true(jsonr_next_key(&r, a, &key) && jsonr_skip(&r, &t));
    assert_true(text_is(t, "{ \"p\" : 0.60 }"));
    assert_false(jsonr_next_key(&r, a, &key));

    assert_true(jsonr_done(&r));
}

static void escapes_become_utf8(void **state)
{
    (void)state;
    struct jsonr r = jsonr_start(
        exact(TEXT("\"\\u0041\\u00e9\\u8ba1\\ud83d\\ude00\\/\\\\\\\"\\b\\f\\n\\r\\t\"")));
    struct text t;

    bool read = jsonr_text(&r, a, &t);

    assert_true(read && jsonr_done(&r));
    assert_true(text_is(t, "Aé计😀/\\\"\b\f\n\r\t"));
}

static void text_without_escapes_is_borrowed(void **state)
{
    (void)state;
    struct text json = TEXT("\"plain\"");
    struct jsonr r = jsonr_start(json);
    struct text t;

    bool read = jsonr_text(&r, NULL, &t);

    assert_true(read);
    assert_ptr_equal(t.p, json.p + 1);
}

static void a_failure_sticks(void **state)
{
    (void)state;
    struct jsonr r = jsonr_start(exact(TEXT("[1,2]")));
    struct text t;
    bool truth;

    bool wrong = jsonr_text(&r, a, &t);

    assert_false(wrong);
    assert_false(jsonr_enter(&r, JSONR_ARRAY) || jsonr_skip(&r, NULL) || jsonr_number(&r, &t) ||
                 jsonr_null(&r));
    assert_false(jsonr_truth(&r, &truth) || jsonr_done(&r));
    assert_int_equal(jsonr_peek(&r), JSONR_NONE);
    assert_string_equal(r.fault, "a string is expected");
}

static void a_text_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct text whole = TEXT("{\"a\":[1.5e+3,\"\\ud83d\\ude00é\",true,null],\"b\":{\"c\":false}}");
    assert_true(accepts(whole, NULL));

    for (size_t n = 0; n < whole.n; n++)
        assert_false(accepts((struct text){whole.p, n}, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_of_every_form_is_accepted),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_fault_of_text_is_told_from_one_of_form),
        cmocka_unit_test(nesting_ends_at_64),
        cmocka_unit_test(a_document_is_walked_member_by_member),
        cmocka_unit_test(escapes_become_utf8),
        cmocka_unit_test(text_without_escapes_is_borrowed),
        cmocka_unit_test(a_failure_sticks),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, start, end);
}
