/* app/tokens: the file of bearer tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/tokens.h"

/* SHA-256 of "abc" and of "secret". */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SECRET "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

static char path[] = "/tmp/usaged-tokens-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static struct tokens *read_good(const char *text)
{
    struct err err = {0};
    write_file(text);
    struct tokens *t = tokens_open(path, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static void a_token_has_its_name_and_its_right(void **state)
{
    (void)state;
    char name[TOKENS_NAME];
    struct tokens *t = read_good("# ours\n\n" ABC " analyst read\r\n  " SECRET "\tpartner write");

    assert_int_equal(tokens_of(t, TEXT("Bearer abc"), name), TOKENS_READ);
    assert_string_equal(name, "analyst");
    assert_int_equal(tokens_of(t, TEXT("bearer  secret"), name), TOKENS_WRITE);
    assert_string_equal(name, "partner");
    tokens_close(t);
}

static void what_is_no_token_of_ours_has_no_right(void **state)
{
    (void)state;
    static const char *const headers[] = {"",           "abc",        "Basic abc",   "Bearer",
                                          "Bearer ",    "Bearer abd", "Bearer abc ", "Bearerabc",
                                          "Bearer ABC", "Bearer " ABC};
    char name[TOKENS_NAME];
    struct tokens *t = read_good(ABC " analyst write\n");

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        assert_int_equal(tokens_of(t, text_of(headers[i]), name), TOKENS_NONE);
    assert_int_equal(tokens_of(t, (struct text){0}, name), TOKENS_NONE);
    tokens_close(t);
}

static void a_fault_names_file_line_and_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {ABC " analyst\n", "line 1 is not three words"},
        {"\n" ABC " a read b\n", "line 2 is not three words"},
        {"abc a read\n", "sha256sum"},
        {"z" ABC " a read\n", "SHA-256 in hex"},
        {ABC " a admin\n", "does not end with read or write"},
        {ABC " a read\n" ABC " b write\n", "one token twice, as "},
        {ABC " \xff read\n", "no UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {0};
        write_file(rows[i].text);
        assert_null(tokens_open(path, &err));
        assert_int_equal(err.kind, ERR_FATAL);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, rows[i].fault));
        assert_null(strstr(err.text, ABC)); /* nothing of the file's digests */
    }
}

/* `n` bytes of which the first ones are `begin`. */
static char *long_line(const char *begin, size_t n)
{
    char *line = malloc(n + 1);
    assert_non_null(line);
    memset(line, 'x', n);
    memcpy(line, begin, strlen(begin));
    line[n] = 0;
    return line;
}

static void a_comment_may_have_any_length(void **state)
{
    (void)state;
    static const size_t sizes[] = {1021, 1022, 1023, 1024, 1025, 2046, 5000};
    char name[TOKENS_NAME], text[6000];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *comment = long_line("  # ours", sizes[i]);
        snprintf(text, sizeof text, "%s\n" ABC " analyst read\n%s", comment, comment);
        struct tokens *t = read_good(text);
        assert_int_equal(tokens_of(t, TEXT("Bearer abc"), name), TOKENS_READ);
        tokens_close(t);
        snprintf(text, sizeof text, "%s\n" ABC " analyst\n", comment);
        write_file(text);
        struct err err = {0};
        assert_null(tokens_open(path, &err));
        assert_non_null(strstr(err.text, ", line 2 is not three words"));
        free(comment);
    }
}

static void a_line_that_is_too_long_is_named_and_is_one_line(void **state)
{
    (void)state;
    static const char *const begins[] = {ABC " analyst read", ABC " analyst"};
    char blank[4000], text[8000];
    memset(blank, ' ', sizeof blank);
    blank[sizeof blank - 1] = 0;
    for (size_t i = 0; i < 3; i++) { /* the last: what it says stands behind blanks */
        char *line = long_line(i < 2 ? begins[i] : "", 3000);
        snprintf(text, sizeof text, "\n%s%s\nbroken\n", i < 2 ? "" : blank, line);
        write_file(text);
        struct err err = {0};
        assert_null(tokens_open(path, &err));
        assert_non_null(strstr(err.text, ", line 2 is longer than 1022 bytes"));
        free(line);
    }
    char *most = long_line(ABC " analyst read", 1022);
    memset(most + strlen(ABC " analyst read"), ' ', 1022 - strlen(ABC " analyst read"));
    snprintf(text, sizeof text, "%s\n" SECRET " partner write\n", most);
    tokens_close(read_good(text));
    free(most);
}

static void a_file_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct err err = {0};

    assert_null(tokens_open("/nowhere/tokens", &err));

    assert_non_null(strstr(err.text, "/nowhere/tokens cannot be opened: No such file"));
}

static void read_again_the_new_ones_hold_and_a_broken_file_changes_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    char name[TOKENS_NAME];
    struct tokens *t = read_good(ABC " analyst read\n");

    write_file(SECRET " partner write\n");
    assert_true(tokens_reload(t, &err));
    assert_int_equal(tokens_of(t, TEXT("Bearer abc"), name), TOKENS_NONE);
    assert_int_equal(tokens_of(t, TEXT("Bearer secret"), name), TOKENS_WRITE);
    write_file("broken\n");
    assert_false(tokens_reload(t, &err));
    assert_int_equal(tokens_of(t, TEXT("Bearer secret"), name), TOKENS_WRITE);
    tokens_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_its_name_and_its_right),
        cmocka_unit_test(what_is_no_token_of_ours_has_no_right),
        cmocka_unit_test(a_fault_names_file_line_and_remedy),
        cmocka_unit_test(a_comment_may_have_any_length),
        cmocka_unit_test(a_line_that_is_too_long_is_named_and_is_one_line),
        cmocka_unit_test(a_file_that_is_not_there_is_said),
        cmocka_unit_test(read_again_the_new_ones_hold_and_a_broken_file_changes_nothing),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
