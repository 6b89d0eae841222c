/* Lines of a stream, however it is cut into pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/lines.h"

/* "1:a|3:b|!4|": numbers and lines as they are given, '!' one that is too long. */
static const char *cut(struct text all, size_t piece, size_t max, struct buf *b)
{
    struct lines l = {.max = max};
    struct text line;
    enum lines_found found;
    buf_reset(b);
    for (size_t at = 0; at <= all.n; at += piece) {
        size_t n = all.n - at < piece ? all.n - at : piece;
        if (n > 0)
            lines_add(&l, all.p + at, n);
        if (n < piece)
            lines_end(&l);
        while ((found = lines_next(&l, &line)) != LINES_NONE)
            if (found == LINES_TOO_LONG)
                buf_printf(b, "!%llu|", (unsigned long long)l.number);
            else
                buf_printf(b, "%llu:%.*s|", (unsigned long long)l.number, TEXT_ARGS(line));
        assert_true(l.held.len - l.at <= max + 1);
    }
    lines_fini(&l);
    return buf_text(b);
}

static void lines_are_the_same_however_the_stream_is_cut(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *lines;
    } rows[] = {
        {"", ""},
        {"a", "1:a|"},
        {"a\n", "1:a|"},
        {"a\r\n\r\n\nb\n", "1:a|2:|3:|4:b|"},
        {"12345\n", "1:12345|"},
        {"12345\r\n", "1:12345|"},
        {"12345", "1:12345|"},
        {"123456\nb", "!1|2:b|"},
        {"123456", "!1|"},
        {"12345\r", "!1|"}, /* a CR that ends nothing is of the line */
        {"1234567890123\r\n\r\nb\n1234567890", "!1|2:|3:b|!4|"},
        {"a\rb\n", "1:a\rb|"},
        {"\n", "1:|"},
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 15; piece++) {
            const char *is = cut(text_of(rows[i].stream), piece, 5, &b);
            if (strcmp(is, rows[i].lines) != 0)
                fail_msg("row %zu, in pieces of %zu: %s, expected %s", i, piece, is, rows[i].lines);
        }
    buf_fini(&b);
}

static void blanks_make_a_line_blank(void **state)
{
    (void)state;
    assert_true(lines_is_blank(TEXT("")) && lines_is_blank(TEXT(" \t\r ")));
    assert_false(lines_is_blank(TEXT(" x")));
    assert_false(lines_is_blank(TEXT("\v")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_however_the_stream_is_cut),
        cmocka_unit_test(blanks_make_a_line_blank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
