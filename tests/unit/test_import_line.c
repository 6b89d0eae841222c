/* Lines of an import and records of CSV: the key, the document, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/embed.h"
#include "io/plan.h"
#include "io/reader.h"
#include "usage/import_csv.h"
#include "usage/import_line.h"

#include "mapping_scene.h"

#define SPEC "\"usageSpecification\":{\"id\":\"s\"}"
#define DATE "\"usageDate\":\"2026-11-23T08:15:30.250999Z\""
#define IS(name, value) "{\"name\":\"" name "\",\"value\":" value "}"

static struct import_line line;

static bool taken(const char *json)
{
    return import_line(text_of(json), &settings, SAMPLE_NOW, a, &line, &err);
}

static void a_line_has_its_natural_key(void **state)
{
    (void)state;
    (void)change;
    char id[ID_CHARS];
    const char *json =
        "{\"id\":\"x\"," DATE "," SPEC ",\"usageCharacteristic\":[" IS("sourceSystem", "7") "," IS(
            "sourceSystem",
            "\"med-gz-02\"") "," IS("sourceSystem",
                                    "\"other\"") "," IS("sourceRecordId",
                                                        "\"20261123-000417-88231\"") "]}";

    assert_true(taken(json));

    id_print(&line.id, id);
    assert_string_equal(id, SAMPLE_ID);
    assert_true(text_is(line.document.source, "med-gz-02"));
    assert_true(text_is(line.document.record_id, "20261123-000417-88231"));
    assert_int_equal(line.document.usage_date, SAMPLE_DATE);
    assert_ptr_equal(line.document.document.p, json);
}

static void a_line_without_one_has_its_digest(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{" DATE "," SPEC "}",
        "{" DATE "," SPEC " }",
        "{" DATE "," SPEC ",\"usageCharacteristic\":[" IS("sourceSystem", "\"m\"") "]}",
    };
    struct usage_id first = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char digest[ID_DIGEST_CHARS];
        if (!taken(rows[i]))
            fail_msg("%s", err.text);
        id_digest(text_of(rows[i]), digest);
        assert_true(text_is(line.document.source, "import"));
        assert_true(text_is(line.document.record_id, digest));
        struct usage_id id = id_of_record(TEXT("import"), text_of(digest), SAMPLE_DATE);
        assert_int_equal(id_compare(&id, &line.id), 0);
        assert_int_not_equal(id_compare(&first, &line.id), 0);
        first = line.id;
    }
    char digest[ID_DIGEST_CHARS];
    id_digest(TEXT("abc"), digest);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_line_that_cannot_be_taken_is_refused(void **state)
{
    (void)state;
    refused(taken("{" SPEC "}"), REASON_MISSING, "usageDate is absent: the time of the import");
    refused(taken("{" DATE "}"), REASON_MISSING, "usageSpecification.id is absent");
    refused(taken("[]"), REASON_VALUE, "an object is expected");
    refused(taken("{"), REASON_VALUE, "");
    refused(taken("{" DATE "," SPEC ",\"x\":\"\xff\"}"), REASON_TEXT, "");
    refused(taken("{\"usageDate\":\"1969-12-31T23:59:59Z\"," SPEC "}"), REASON_DATE, "usageDate");
    refused(taken("{\"usageDate\":\"2026-11-25T23:59:59Z\"," SPEC "}"), REASON_DATE, "usageDate");
    refused(taken("{\"usageDate\":\"now\"," SPEC "}"), REASON_VALUE, "usageDate is \"now\"");
    refused(taken("{" DATE "," SPEC ",\"status\":\"x\"}"), REASON_STATUS, "status");
    refused(taken("{" DATE "," SPEC ",\"description\":null}"), REASON_VALUE, "description is null");
}

/* By the schema in schemas/, as a consumer reads it. */
static void the_record_is_a_UsageDocument(void **state)
{
    (void)state;
    struct buf b = {0};
    struct usage_document back;
    const char *schema = embed_text(embed_schemas, "UsageDocument.avsc");
    struct plan *plan = plan_new(schema, strlen(schema), record_shapes, &err);
    assert_non_null(plan);
    assert_true(taken("{" DATE "," SPEC "}"));

    import_line_write(&b, 7, &line);

    assert_memory_equal(b.data, "\0\0\0\0\7", 5);
    assert_ptr_equal(plan_shape(plan), &record_usage_document);
    assert_true(reader_read(plan, b.data + 5, b.len - 5, a, &back, &err));
    assert_true(text_eq(back.source, line.document.source));
    assert_true(text_eq(back.record_id, line.document.record_id));
    assert_int_equal(back.usage_date, SAMPLE_DATE);
    assert_true(text_eq(back.document, line.document.document));
    plan_free(plan);
    buf_fini(&b);
}

static void a_record_of_csv_is_an_object(void **state)
{
    (void)state;
    struct import_csv csv;
    struct buf b = {0};
    const struct text names[] = {TEXT("usageSpecification"), TEXT("description"), TEXT("usageDate"),
                                 TEXT("relatedParty")},
                      cells[] = {TEXT("{\"id\":\"s\"}"), TEXT("a \"b\"\n"),
                                 TEXT("2026-11-23T08:15:30.250Z"), TEXT("")},
                      broken[] = {TEXT("{\"id\":\"s\"},\"status\":\"x\""), TEXT(""), TEXT(""),
                                  TEXT("")},
                      no_text[] = {TEXT(""), TEXT("\xff"), TEXT(""), TEXT("")};

    assert_true(import_csv_names(&csv, names, 4, &err));
    assert_true(import_csv_line(&csv, cells, 4, &b, &err));

    assert_string_equal(buf_text(&b),
                        "{\"usageSpecification\":{\"id\":\"s\"},\"description\":"
                        "\"a \\\"b\\\"\\n\",\"usageDate\":\"2026-11-23T08:15:30.250Z\"}");
    assert_false(import_csv_line(&csv, cells, 3, &b, &err));
    assert_string_equal(err.text, "the record has 3 cells, and there are 4 columns");
    assert_false(import_csv_line(&csv, broken, 4, &b, &err));
    assert_non_null(strstr(err.text, "usageSpecification is no JSON"));
    assert_false(import_csv_line(&csv, no_text, 4, &b, &err));
    assert_non_null(strstr(err.text, "description is no UTF-8"));
    buf_fini(&b);
}

static void the_names_of_csv_are_those_of_an_export(void **state)
{
    (void)state;
    struct import_csv csv;
    struct text names[RENDER_CSV_COLUMNS];
    for (size_t i = 0; i < RENDER_CSV_COLUMNS; i++)
        names[i] = text_of(render_csv_columns[i]);
    assert_true(import_csv_names(&csv, names, RENDER_CSV_COLUMNS, &err));
    names[0] = TEXT("Id");
    assert_false(import_csv_names(&csv, names, RENDER_CSV_COLUMNS, &err));
    assert_non_null(strstr(err.text, "the column \"Id\" is none of"));
    names[0] = TEXT("href");
    assert_false(import_csv_names(&csv, names, RENDER_CSV_COLUMNS, &err));
    assert_string_equal(err.text, "the column \"href\" stands twice");
    assert_false(import_csv_names(&csv, names, 2, &err));
    assert_non_null(strstr(err.text, "\"href\" stands twice"));
    assert_false(import_csv_names(&csv, names + 3, 5, &err));
    assert_non_null(strstr(err.text, "\"usageDate\" is missing"));
    assert_false(import_csv_names(&csv, names + 2, 2, &err));
    assert_non_null(strstr(err.text, "\"usageSpecification\" is missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_natural_key),
        cmocka_unit_test(a_line_without_one_has_its_digest),
        cmocka_unit_test(a_line_that_cannot_be_taken_is_refused),
        cmocka_unit_test(the_record_is_a_UsageDocument),
        cmocka_unit_test(a_record_of_csv_is_an_object),
        cmocka_unit_test(the_names_of_csv_are_those_of_an_export),
    };
    return cmocka_run_group_tests(tests, start, end);
}
