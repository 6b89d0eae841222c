/* Records of CSV, however the stream is cut into pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/csv.h"

/* "1[a][b]|": the line of each record and its cells; "2!why|" a bad one. */
static const char *cut(struct text all, size_t piece, size_t max, struct buf *b)
{
    struct csv *c = test_calloc(1, sizeof *c);
    enum csv_found found;
    c->max = max;
    buf_reset(b);
    for (size_t at = 0; at <= all.n; at += piece) {
        size_t n = all.n - at < piece ? all.n - at : piece;
        if (n > 0)
            csv_add(c, all.p + at, n);
        if (n < piece)
            csv_end(c);
        while ((found = csv_next(c)) != CSV_NONE) {
            buf_printf(b, "%llu", (unsigned long long)c->line);
            if (found == CSV_BAD)
                buf_printf(b, "!%s", c->bad);
            for (size_t i = 0; i < c->count; i++)
                buf_printf(b, "[%.*s]", TEXT_ARGS(c->cells[i]));
            buf_str(b, "|");
        }
        assert_true(c->held.len - c->at <= max + 2);
    }
    csv_fini(c);
    test_free(c);
    return buf_text(b);
}

#define STRAY "!a quote stands in a cell that does not begin with one|"
#define BEHIND "!something stands behind the quote that closes a cell|"
#define LONG "!the record is too long|"
#define OPEN "!a quote is not closed before the end|"

static void records_are_the_same_however_the_stream_is_cut(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *records;
    } rows[] = {
        {"", ""},
        {"a", "1[a]|"},
        {"a,b\r\nc,d\r\n", "1[a][b]|2[c][d]|"},
        {"a,b\nc,d", "1[a][b]|2[c][d]|"},
        {"\xef\xbb\xbf"
         "a,b",
         "1[a][b]|"},
        {"\xef\xbb\xbf", ""},
        {",\n,,\n", "1[][]|2[][][]|"},
        {"\r\n\na\n", "3[a]|"},
        {"\"\"\n", "1[]|"},
        {"\"a,\"\"b\"\"\",c\n", "1[a,\"b\"][c]|"},
        {"\"a\r\nb\",c\r\nd\n", "1[a\r\nb][c]|3[d]|"},
        {"\"\"\"\"\n", "1[\"]|"},
        {" a , b\n", "1[ a ][ b]|"},
        {"a\rb\n", "1[a\rb]|"},
        {"a,\n", "1[a][]|"},
        {"a,\"b\"", "1[a][b]|"},
        {"a,\"b\"\r", "1[a][b]|"},
        {"a\"b,c\nd\n", "1" STRAY "2[d]|"},
        {"\"a\"b,c\nd\n", "1" BEHIND "2[d]|"},
        {"\"a\" ,c\nd\n", "1" BEHIND "2[d]|"},
        {"\"a\"\rb\nd\n", "1" BEHIND "2[d]|"},
        {"x\n\"a\nb", "1[x]|2" OPEN},
        {"1234567890123\r\nd\n", "1[1234567890123]|2[d]|"},
        {"12345678901234\r\nd\n", "1" LONG "2[d]|"},
        {"123456789012345678901234567890\r\nd\n", "1" LONG "2[d]|"},
        {"\"1234567890\n123456789\n01234567890\"\nd\n", "1" LONG "4[d]|"},
        {"123456789012345678901234567890", "1" LONG},
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 40; piece++) {
            const char *is = cut(text_of(rows[i].stream), piece, 13, &b);
            if (strcmp(is, rows[i].records) != 0)
                fail_msg("row %zu, in pieces of %zu: %s, expected %s", i, piece, is,
                         rows[i].records);
        }
    buf_fini(&b);
}

static void cells_have_a_limit(void **state)
{
    (void)state;
    char commas[CSV_CELLS_MAX + 3];
    struct buf b = {0};
    memset(commas, ',', sizeof commas);
    commas[CSV_CELLS_MAX - 1] = '\n';
    const char *is = cut((struct text){commas, CSV_CELLS_MAX}, 7, 1000, &b);
    assert_int_equal(b.len, 2 + 2 * CSV_CELLS_MAX);
    assert_null(strchr(is, '!'));
    commas[CSV_CELLS_MAX - 1] = ',';
    commas[CSV_CELLS_MAX] = '\n';
    is = cut((struct text){commas, CSV_CELLS_MAX + 1}, 7, 1000, &b);
    assert_string_equal(is, "1!the record has more than 64 cells|");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_the_same_however_the_stream_is_cut),
        cmocka_unit_test(cells_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
