#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "usage/id.h"
#include "usage/render_csv.h"
#include "usage_samples.h"

#define BASE "http://h/tmf-api/usageManagement/v4"

static struct render_row row_of(const char *document)
{
    struct render_row row = {.status = TEXT("received"), .document = text_of(document)};
    assert_true(id_parse(TEXT(SAMPLE_ID), &row.id));
    return row;
}

static void is_line(const struct render_row *row, const char *names, const char *line)
{
    struct arena *a = arena_new(1024);
    struct render_fields fields = {.all = true};
    struct buf b = {0};
    if (names)
        fields = render_fields_of(text_of(names), a);
    render_csv(&b, row, BASE, &fields);
    arena_free(a);
    assert_string_equal(buf_text(&b), line);
    buf_fini(&b);
}

static void is_cell(const char *text, const char *cell)
{
    struct buf b = {0};
    render_csv_cell(&b, text_of(text));
    assert_string_equal(buf_text(&b), cell);
    buf_fini(&b);
}

static void a_cell_is_quoted_when_it_must_be_and_only_then(void **state)
{
    (void)state;
    is_cell("", "");
    is_cell("plain text; 1.5 'x'", "plain text; 1.5 'x'");
    is_cell(" blanks ", " blanks ");
    is_cell("a,b", "\"a,b\"");
    is_cell("a\nb", "\"a\nb\"");
    is_cell("a\rb", "\"a\rb\"");
    is_cell("\"", "\"\"\"\"");
    is_cell("say \"a\"\"b\"", "\"say \"\"a\"\"\"\"b\"\"\"");
    is_cell("\xF0\x9F\x93\x9E", "\xF0\x9F\x93\x9E");
}

static void a_cell_is_the_value_without_a_guard_against_formulas(void **state)
{
    (void)state;
    is_cell("=1+1", "=1+1");
    is_cell("@SUM(A1)", "@SUM(A1)");
}

static void the_names_are_the_contracts_in_its_order(void **state)
{
    (void)state;
    struct buf b = {0};
    render_csv_names(&b, NULL);
    assert_string_equal(buf_text(&b),
                        "id,href,usageDate,usageType,status,description,usageSpecification,"
                        "relatedParty,usageCharacteristic,ratedProductUsage\r\n");
    buf_fini(&b);
}

static void texts_stand_as_they_are_and_structures_as_their_json(void **state)
{
    (void)state;
    struct render_row row = row_of("{\"usageDate\":\"2026-11-23T08:15:30.250Z\",\"usageType\":\"A "
                                   "\\\"B\\\"\\u000a\\ud83d\\ude00\","
                                   "\"usageSpecification\":{\"id\":\"x\"},\"usageCharacteristic\":["
                                   "{\"name\":\"n\",\"value\":1.50}],"
                                   "\"relatedParty\":[{\"id\":\"p\"}]}");
    row.description = TEXT("one, two");
    row.ratings = TEXT("[{\"taxRate\":6}]");

    is_line(&row, NULL,
            SAMPLE_ID
            "," BASE "/usage/" SAMPLE_ID
            ",2026-11-23T08:15:30.250Z,\"A \"\"B\"\"\n\xF0\x9F\x98\x80\",received,\"one, two\","
            "\"{\"\"id\"\":\"\"x\"\"}\",\"[{\"\"id\"\":\"\"p\"\"}]\",\"[{\"\"name\"\":\"\"n\"\","
            "\"\"value\"\":1.50}]\","
            "\"[{\"\"taxRate\"\":6}]\"\r\n");
}

static void what_is_absent_is_an_empty_cell(void **state)
{
    (void)state;
    struct render_row row =
        row_of("{\"usageDate\":\"2026-11-23T08:15:30.250Z\",\"usageSpecification\":{}}");
    row.ratings = TEXT("[]");

    is_line(&row, NULL,
            SAMPLE_ID "," BASE "/usage/" SAMPLE_ID
                      ",2026-11-23T08:15:30.250Z,,received,,{},,,\r\n");
}

static void extensions_have_no_column_and_take_no_others_place(void **state)
{
    (void)state;
    struct render_row row = row_of(
        "{\"usageDate\":\"d\",\"usageSpecification\":{},\"@type\":\"T\",\"status\":\"billed\","
        "\"id\":\"other\",\"description\":\"other\",\"ratedProductUsage\":[1],\"more\":{"
        "\"usageType\":\"x\"}}");

    is_line(&row, NULL, SAMPLE_ID "," BASE "/usage/" SAMPLE_ID ",d,,received,,{},,,\r\n");
    is_line(&row, "more,@type", SAMPLE_ID "," BASE "/usage/" SAMPLE_ID "\r\n");
}

static void fields_choose_columns_and_not_their_order(void **state)
{
    (void)state;
    struct render_row row =
        row_of("{\"usageDate\":\"d\",\"usageType\":\"t\",\"usageSpecification\":{}}");
    struct arena *a = arena_new(1024);
    struct render_fields fields = render_fields_of(TEXT("status,usageType.x,nothing"), a);
    struct buf b = {0};

    render_csv_names(&b, &fields);

    assert_string_equal(buf_text(&b), "id,href,usageType,status\r\n");
    is_line(&row, "status,usageType.x,nothing",
            SAMPLE_ID "," BASE "/usage/" SAMPLE_ID ",t,received\r\n");
    is_line(&row, "none", SAMPLE_ID "," BASE "/usage/" SAMPLE_ID "\r\n");
    buf_fini(&b);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_is_quoted_when_it_must_be_and_only_then),
        cmocka_unit_test(a_cell_is_the_value_without_a_guard_against_formulas),
        cmocka_unit_test(the_names_are_the_contracts_in_its_order),
        cmocka_unit_test(texts_stand_as_they_are_and_structures_as_their_json),
        cmocka_unit_test(what_is_absent_is_an_empty_cell),
        cmocka_unit_test(extensions_have_no_column_and_take_no_others_place),
        cmocka_unit_test(fields_choose_columns_and_not_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
