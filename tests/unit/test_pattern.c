#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/pattern.h"

#include "arena_scene.h"

static struct pattern *compiled(const char *expression)
{
    struct err err;
    struct pattern *p = pattern_new(text_of(expression), a, &err);
    if (!p)
        fail_msg("%s: %s", expression, err.text);
    return p;
}

static bool matches(struct pattern *p, struct text t)
{
    int64_t steps = 100000000;
    return pattern_matches(p, t, &steps);
}

/* Both lists end with NULL. What is said here is what PostgreSQL 15 answers. */
static void check(const char *expression, const char *const *yes, const char *const *no)
{
    struct pattern *p = compiled(expression);
    for (; *yes; yes++)
        if (!matches(p, text_of(*yes)))
            fail_msg("%s does not match \"%s\"", expression, *yes);
    for (; *no; no++)
        if (matches(p, text_of(*no)))
            fail_msg("%s matches \"%s\"", expression, *no);
}

#define YES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO(...) ((const char *const[]){__VA_ARGS__, NULL})

static void characters_and_anchors(void **state)
{
    (void)state;

    check("Call", YES("Call", "a Call b"), NO("call", "Cal", ""));
    check("^Call", YES("Call", "Calls"), NO("a Call"));
    check("Call$", YES("Call", "a Call"), NO("Calls", "Call\n"));
    check("^$", YES(""), NO("a", "\n"));
    check("", YES("", "a"), NO(NULL));
    check("a.c", YES("abc", "a\nc", "a主c"), NO("ac", "a.", "abbc"));
    check("主叫", YES("国内主叫"), NO("主", "叫主"));
    check("^.$", YES("a", "主", "\xf0\x9f\x93\x9e"), NO("ab", ""));
    check("{", YES("{"), NO("a"));
    check("a{b", YES("a{b"), NO("ab"));
    check("a]b}", YES("a]b}"), NO("a"));
}

static void groups_and_branches(void **state)
{
    (void)state;

    check("^(Call|a)$", YES("Call", "a"), NO("Ca", "aa", "b"));
    check("a|b|cd", YES("xa", "b", "cd"), NO("c", "d"));
    check("^(?:ab)+$", YES("ab", "abab"), NO("aba", ""));
    check("^(a|)b$", YES("ab", "b"), NO("aab"));
    check("^a|b$", YES("ax", "xb"), NO("xa", "bx"));
    check("(a(b(c|d)|e)f)", YES("abcf", "abdf", "aef"), NO("abf", "acf"));
    check("()", YES("", "x"), NO(NULL));
    check("^(a|b|c|d)(1|2)*$", YES("a", "d1212"), NO("e", "a3"));
    check("(^a)", YES("ab"), NO("ba"));
    check("x(a?|b)y", YES("xy", "xay", "xby"), NO("xcy"));
}

static void quantifiers(void **state)
{
    (void)state;

    check("^ab*c$", YES("ac", "abc", "abbbc"), NO("abb"));
    check("^ab+c$", YES("abc", "abbc"), NO("ac"));
    check("^ab?c$", YES("ac", "abc"), NO("abbc"));
    check("^a{3}$", YES("aaa"), NO("aa", "aaaa"));
    check("^a{2,}$", YES("aa", "aaaaa"), NO("a"));
    check("^a{2,4}$", YES("aa", "aaa", "aaaa"), NO("a", "aaaaa"));
    check("^a{0,2}b$", YES("b", "ab", "aab"), NO("aaab"));
    check("^a{0}b$", YES("b"), NO("ab"));
    check("^a{0,}b$", YES("b", "aaab"), NO("c"));
    check("^a{1}$", YES("a"), NO("aa", ""));
    check("^(ab|c){2}$", YES("abc", "cc", "abab"), NO("ab", "ccc"));
    check("^(a{1,2}b){2}$", YES("abaab", "aabab"), NO("ab", "aaabab"));
    check("^a*?b+?c??$", YES("b", "aabbc"), NO("ac"));
    check("^(a*)*b$", YES("b", "aab"), NO("a", "ac"));
    check("^(a|b*)+c$", YES("c", "abbac"), NO("ab"));
    check("^((a?)(b?)){3}$", YES("", "ababab", "bbb"), NO("abababab"));
    check("^x(yz?){0,3}$", YES("x", "xy", "xyzyyz"), NO("xyyyy", "xz"));
}

static void sets_and_classes(void **state)
{
    (void)state;

    check("^[abc]+$", YES("cab"), NO("d", ""));
    check("^[^abc]$", YES("d", "\n", "主"), NO("a", "dd"));
    check("^[a-c0-2]$", YES("b", "1"), NO("d", "3", "-"));
    check("^[]a]$", YES("]", "a"), NO("b"));
    check("^[^]a]$", YES("b"), NO("]", "a"));
    check("^[]-a]$", YES("]", "^", "a"), NO("-", "b"));
    check("^[a-]$", YES("a", "-"), NO("b"));
    check("^[-a]$", YES("a", "-"), NO("b"));
    check("^[[:digit:]x]$", YES("7", "x"), NO("d"));
    check("^[\\d\\s]$", YES("7", " "), NO("d"));
    check("^[\\]\\\\]$", YES("]", "\\"), NO("["));
    check("^[一-龥]$", YES("主"), NO("a"));
    check("^\\d\\D\\s\\S\\w\\W$", YES("1a b_-"), NO("aa b_-", "11 b_-", "1a b--"));
    check("^\\w$", YES("a", "Z", "0", "_"), NO("-", "é", "主"));
    check("\\+86", YES("+8613800000001"), NO("86"));
    check("^\\.\\*\\$\\^\\\\$", YES(".*$^\\"), NO("a"));
    check("^\\t\\n\\x41\\u4e3b$", YES("\t\nA主"), NO("tn"));
    check("^[.]$", YES("."), NO("a"));
}

static void what_cannot_be_judged_here_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *words;
    } bad[] = {
        {"(", "without a )"},
        {")", "without a ("},
        {"a)", "without a ("},
        {"[", "without a ]"},
        {"[]", "without a ]"},
        {"[a", "without a ]"},
        {"[a-", "without a ]"},
        {"[[:foo:]]", "class"},
        {"[[:digit", "[:"},
        {"[z-a]", "range"},
        {"[[.a.]]", "collating"},
        {"*", "nothing in front"},
        {"a**", "nothing"},
        {"+a", "nothing"},
        {"{2}", "nothing"},
        {"(*a)", "nothing"},
        {"a|*", "nothing"},
        {"^*", "behind ^"},
        {"a{2", "{m}"},
        {"a{2,1}", "{m}"},
        {"a{256}", "{m}"},
        {"a{1,x}", "{m}"},
        {"\\", "backslash"},
        {"(a)\\1", "escape"},
        {"\\mfoo", "escape"},
        {"\\yfoo", "escape"},
        {"(?=a)", "ahead"},
        {"(?i)a", "ahead"},
        {"(?<!a)b", "ahead"},
        {"***=a", "***"},
        {"\\x", "escape"},
        {"\\u12", "escape"},
        {"((a{200}){200})", "too large"},
        {"[a-c-e]", "another"},
        {"[\\d-a]", "begins"},
        {"[[:digit:]-a]", "begins"},
        {"[a-[:digit:]]", "ends with no"},
        {"[\\", "backslash"},
        {"(((", "without a )"},
        {"\\0", "escape"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err;
        char *exact = malloc(strlen(bad[i].expression) + 1); /* for the sanitizer: no byte behind */
        memcpy(exact, bad[i].expression, strlen(bad[i].expression));
        if (pattern_new((struct text){exact, strlen(bad[i].expression)}, a, &err))
            fail_msg("%s is taken", bad[i].expression);
        assert_int_equal(err.kind, ERR_DATA);
        if (!strstr(err.text, bad[i].words))
            fail_msg("%s: %s", bad[i].expression, err.text);
        free(exact);
    }
}

/* The classical ones, with which others need time without end. */
static void time_is_bounded(void **state)
{
    (void)state;
    char text[20001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;

    assert_false(matches(compiled("^(a+)+$b"), text_of(text)));
    assert_false(matches(compiled("(a|a)*b"), text_of(text)));
    assert_false(matches(compiled("(a*)*b"), text_of(text)));
    assert_true(matches(compiled("(a?){100}a{100}"), text_of(text)));
}

/* Whatever its states are made of: those that take no character, and ranges, cost too. */
static void what_a_match_costs_is_bounded_and_told(void **state)
{
    (void)state;
    static const char *const dear[] = {"(a?){255}b",
                                       ".{255}.{255}.{255}.{230}x",
                                       "(|){255}(|){200}b",
                                       "[b-cd-ef-gh-ij-kl-mn-op-qr-s]{255}b",
                                       "x",
                                       "(a|b|c|d|e|f)*x"};
    char text[20001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;

    for (size_t i = 0; i < sizeof dear / sizeof *dear; i++) {
        int64_t whole = 1000000000, few = 10000, none = 0;
        struct pattern *p = compiled(dear[i]);
        assert_false(pattern_matches(p, text_of(text), &whole));
        int64_t cost = 1000000000 - whole;
        assert_in_range(cost, sizeof text - 1, (sizeof text) * (PATTERN_STATES_MAX * 3));
        assert_true(pattern_matches(p, text_of(text), &few));
        assert_in_range(-few, 0, PATTERN_STATES_MAX * 12); /* a character more at most */
        assert_true(pattern_matches(p, text_of(text), &none));
        assert_false(pattern_matches(p, TEXT(""), &none));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_and_anchors),
        cmocka_unit_test(groups_and_branches),
        cmocka_unit_test(quantifiers),
        cmocka_unit_test(sets_and_classes),
        cmocka_unit_test(what_cannot_be_judged_here_is_refused),
        cmocka_unit_test(time_is_bounded),
        cmocka_unit_test(what_a_match_costs_is_bounded_and_told),
    };
    return cmocka_run_group_tests(tests, start, end);
}
