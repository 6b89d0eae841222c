/* io/schema, io/plan, io/reader: schemas and records that are made to break a reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/schema.h"
#include "reader_scene.h"

#define RAW_HEAD "{\"type\":\"record\",\"name\":\"RawUsage\",\"fields\":["
#define RAW_NEEDED                                                                                 \
    "{\"name\":\"source\",\"type\":\"string\"},{\"name\":\"recordId\",\"type\":\"string\"},"       \
    "{\"name\":\"usageDate\",\"type\":\"long\"},{\"name\":\"usageType\",\"type\":\"string\"}"

static void assert_schema_refused(struct buf *json, const char *part_of_text)
{
    struct err err = {0};
    assert_null(plan_new(json->data, json->len, raw_shapes, &err));
    assert_int_equal(err.kind, ERR_DATA);
    if (!strstr(err.text, part_of_text))
        fail_msg("\"%s\" is not in \"%s\"", part_of_text, err.text);
    buf_fini(json);
}

static void assert_schema_taken(struct buf *json)
{
    struct err err = {0};
    struct plan *plan = plan_new(json->data, json->len, raw_shapes, &err);
    if (!plan)
        fail_msg("%s", err.text);
    plan_free(plan);
    buf_fini(json);
}

static void add_many(struct buf *b, const char *text, size_t times)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < times; i++)
        buf_add(b, text, n);
}

/* A field x around `inside`, that many levels deep. */
static struct buf nested(const char *open, const char *inside, const char *close, size_t levels)
{
    struct buf b = {0};
    buf_str(&b, RAW_HEAD RAW_NEEDED ",{\"name\":\"x\",\"type\":");
    add_many(&b, open, levels);
    buf_str(&b, inside);
    add_many(&b, close, levels);
    buf_str(&b, "}]}");
    return b;
}

/* ---- schemas ---- */

static void a_schema_may_be_sixty_four_deep_and_no_deeper(void **state)
{
    (void)state;
    struct buf b = nested("{\"type\":\"array\",\"items\":", "\"int\"", "}", PLAN_DEPTH_MAX - 1);
    assert_schema_taken(&b);

    b = nested("{\"type\":\"array\",\"items\":", "\"int\"", "}", PLAN_DEPTH_MAX);
    assert_schema_refused(&b, "field x: the schema is deeper than 64");
    b = nested("{\"type\":\"map\",\"values\":", "\"int\"", "}", 1000);
    assert_schema_refused(&b, "field x: the schema is deeper than 64");
}

static void a_nesting_bomb_is_no_schema(void **state)
{
    (void)state;
    struct buf b = nested("{\"type\":\"array\",\"items\":", "\"int\"", "}", 20000);
    assert_schema_refused(&b, "no JSON: maximum parsing depth reached");
    b = nested("{\"type\":", "\"int\"", "}", 90000);
    assert_schema_refused(&b, "maximum parsing depth reached");
    b = nested("{\"type\":", "\"int\"", "}", 2000);
    assert_schema_refused(&b, "does not parse");

    b = (struct buf){0};
    add_many(&b, "[", SCHEMA_NODES_MAX);
    assert_schema_refused(&b, "maximum parsing depth reached");
}

static void a_schema_of_ten_thousand_fields_is_refused(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, RAW_HEAD RAW_NEEDED);
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, ",{\"name\":\"f%d\",\"type\":\"int\"}", i);
    buf_str(&b, "]}");

    assert_schema_refused(&b, "more than 1000 fields");
}

/* A schema whose one doc makes it that long. */
static struct buf long_schema(size_t bytes)
{
    static const char tail[] = "\"}]}";
    struct buf b = {0};
    buf_str(&b, RAW_HEAD RAW_NEEDED ",{\"name\":\"x\",\"type\":\"int\",\"doc\":\"");
    add_many(&b, "d", bytes - b.len - (sizeof tail - 1));
    buf_str(&b, tail);
    return b;
}

static void a_schema_of_a_mebibyte_is_read_and_a_longer_one_is_not(void **state)
{
    (void)state;
    struct buf b = long_schema(SCHEMA_TEXT_MAX);
    assert_schema_taken(&b);

    b = long_schema(SCHEMA_TEXT_MAX + 1);
    assert_schema_refused(&b, "has 1048577 bytes, the limit is 1048576");
    b = long_schema(5 << 20);
    assert_schema_refused(&b, "has 5242880 bytes, the limit is 1048576");
}

/* Two bytes of text, 240 of a tree. */
static void a_schema_of_empty_objects_is_refused_before_it_is_read(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, RAW_HEAD RAW_NEEDED ",{\"name\":\"x\",\"type\":\"int\",\"y\":[0");
    add_many(&b, ",{}", SCHEMA_NODES_MAX);
    buf_str(&b, "]}]}");

    assert_schema_refused(&b, "objects and lists, the limit is 100000");
}

/* Each place that takes an enum has a table of its symbols: a mebibyte of schema would make some
 * gigabytes of them. */
static void symbols_that_multiply_by_reference_are_refused(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, RAW_HEAD RAW_NEEDED ",{\"name\":\"description\",\"type\":{\"type\":\"enum\","
                                    "\"name\":\"E\",\"symbols\":[\"A\"");
    for (int i = 0; i < 50000; i++)
        buf_printf(&b, ",\"A%d\"", i);
    buf_str(&b, "]}},{\"name\":\"relatedParty\",\"type\":{\"type\":\"array\",\"items\":[\"null\"");
    for (int i = 0; i < 190; i++)
        buf_printf(&b,
                   ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":["
                   "{\"name\":\"id\",\"type\":\"E\"},{\"name\":\"role\",\"type\":\"E\"}]}",
                   i);
    buf_str(&b, "]}}]}");

    assert_schema_refused(&b, "more than 200000 symbols, counted where used");
}

/* A namespace becomes part of the name of each type inside, a field's name of each path. */
static void a_name_has_an_end(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_str(&b, "{\"type\":\"record\",\"name\":\"RawUsage\",\"namespace\":\"");
    add_many(&b, "n", SCHEMA_NAME_MAX);
    buf_str(&b, "\",\"fields\":[" RAW_NEEDED "]}");
    assert_schema_taken(&b);

    buf_str(&b, "{\"type\":\"record\",\"name\":\"RawUsage\",\"namespace\":\"");
    add_many(&b, "n", SCHEMA_NAME_MAX + 1);
    buf_str(&b, "\",\"fields\":[" RAW_NEEDED "]}");
    assert_schema_refused(&b, "bad name or namespace of");
    buf_str(&b, RAW_HEAD RAW_NEEDED ",{\"type\":\"int\",\"name\":\"");
    add_many(&b, "n", SCHEMA_NAME_MAX + 1);
    buf_str(&b, "\"}]}");
    assert_schema_refused(&b, "a field without a proper name and type");
}

/* ---- records ---- */

/* Writes the needed fields and `bytes`, which must be malformed. */
static void assert_record_malformed(const char *more, struct text bytes, const char *part_of_text)
{
    struct scene s = scene_of(more);
    buf_add(&s.bytes, bytes.p, bytes.n);
    assert_fails(&s, READER_MALFORMED, part_of_text);
    scene_end(&s);
}

/* Arrays in arrays, each of which says that it has as many as there may be. */
static void arrays_in_arrays_do_not_multiply(void **state)
{
    (void)state;
    struct buf type = {0}, bytes = {0};
    buf_str(&type, ",{'name':'x','type':");
    add_many(&type, "{'type':'array','items':", PLAN_DEPTH_MAX - 1);
    buf_str(&type, "'null'");
    add_many(&type, "}", PLAN_DEPTH_MAX - 1);
    buf_str(&type, "}");
    for (int i = 0; i < 1000; i++)
        writer_long(&bytes, 1000);

    assert_record_malformed(buf_text(&type), (struct text){bytes.data, bytes.len}, "x: ");

    buf_fini(&type);
    buf_fini(&bytes);
}

static void items_that_take_no_bytes_are_counted_all_the_same(void **state)
{
    (void)state;
    struct buf bytes = {0};
    writer_long(&bytes, 1 << 27);
    buf_byte(&bytes, 0);
    struct text text = {bytes.data, bytes.len};

    assert_record_malformed(FIELD("x", "{'type':'array','items':'null'}"), text,
                            "x: more than 100000 items");
    assert_record_malformed(FIELD("x", "{'type':'array','items':{'type':'record','name':'Z',"
                                       "'fields':[]}}"),
                            text, "x: more than 100000 items");
    assert_record_malformed(FIELD("x", "{'type':'array','items':{'type':'fixed','name':'Z',"
                                       "'size':0}}"),
                            text, "x: more than 100000 items");

    buf_fini(&bytes);
}

/* Blocks of one and of none, with and without their size: as many as a record has bytes. */
static void a_record_of_blocks_alone_ends(void **state)
{
    (void)state;
    struct buf bytes = {0};
    for (int i = 0; i < PLAN_ITEMS_MAX; i++) {
        writer_long(&bytes, -1);
        writer_long(&bytes, 0);
    }
    writer_long(&bytes, -1);
    writer_long(&bytes, 0);
    buf_byte(&bytes, 0);

    assert_record_malformed(FIELD("x", "{'type':'array','items':'null'}"),
                            (struct text){bytes.data, bytes.len}, "x: more than 100000 items");

    struct scene s = scene_of(FIELD("x", "{'type':'array','items':'null'}"));
    buf_add(&s.bytes, bytes.data + 2, bytes.len - 2);
    assert_reads(&s);
    scene_end(&s);
    buf_fini(&bytes);
}

static void lengths_beyond_all_memory_take_none(void **state)
{
    (void)state;
    static const char *const types[] = {"'string'", "'bytes'", "{'type':'map','values':'int'}",
                                        "['null','string']", "{'type':'array','items':'string'}"};
    static const int64_t lengths[] = {INT64_C(1) << 32, INT64_C(1) << 62, INT64_MAX, INT64_MIN,
                                      -(INT64_C(1) << 32)};

    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            char more[200];
            struct buf bytes = {0};
            snprintf(more, sizeof more, ",{'name':'x','type':%s}", types[t]);
            if (t == 2 || t == 4)
                writer_array(&bytes, 1);
            if (t == 3)
                writer_branch(&bytes, 1);
            writer_long(&bytes, lengths[i]);
            assert_record_malformed(more, (struct text){bytes.data, bytes.len}, "x: length ");
            buf_fini(&bytes);
        }
}

static void an_empty_record_is_cut_short(void **state)
{
    (void)state;
    struct scene s = scene_of("");

    s.bytes.len = 0;
    assert_fails(&s, READER_MALFORMED, "source: the record is cut short");

    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_may_be_sixty_four_deep_and_no_deeper),
        cmocka_unit_test(a_nesting_bomb_is_no_schema),
        cmocka_unit_test(a_schema_of_ten_thousand_fields_is_refused),
        cmocka_unit_test(a_schema_of_a_mebibyte_is_read_and_a_longer_one_is_not),
        cmocka_unit_test(a_schema_of_empty_objects_is_refused_before_it_is_read),
        cmocka_unit_test(symbols_that_multiply_by_reference_are_refused),
        cmocka_unit_test(a_name_has_an_end),
        cmocka_unit_test(arrays_in_arrays_do_not_multiply),
        cmocka_unit_test(items_that_take_no_bytes_are_counted_all_the_same),
        cmocka_unit_test(a_record_of_blocks_alone_ends),
        cmocka_unit_test(lengths_beyond_all_memory_take_none),
        cmocka_unit_test(an_empty_record_is_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
