#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <avro.h>

#include "io/writer.h"

static void assert_bytes(struct buf *b, const char *expected, size_t n)
{
    assert_int_equal(b->len, n);
    if (n > 0)
        assert_memory_equal(b->data, expected, n);
    buf_reset(b);
}

static void a_frame_is_a_zero_and_the_id_big_endian(void **state)
{
    struct buf b = {0};
    (void)state;

    writer_frame(&b, 0x01020304);
    assert_bytes(&b, "\x00\x01\x02\x03\x04", 5);
    buf_fini(&b);
}

static void every_value_is_read_by_avro_c_as_it_was_written(void **state)
{
    static const char schema_json[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":"
                                      "\"l\",\"type\":\"long\"},{\"name\":\"d\",\"type\":"
                                      "\"double\"},{\"name\":\"b\",\"type\":\"boolean\"},{\"name\":"
                                      "\"s\",\"type\":\"string\"},{\"name\":\"o\","
                                      "\"type\":[\"null\",\"string\"]},{\"name\":\"a\",\"type\":{"
                                      "\"type\":\"array\",\"items\":\"string\"}}]}";
    static const int64_t longs[] = {0,         -1,        1,         63,           64,
                                    -64,       -65,       8191,      8192,         INT32_MAX,
                                    INT32_MIN, INT64_MAX, INT64_MIN, 1795421730250};
    avro_schema_t schema;
    (void)state;
    assert_int_equal(avro_schema_from_json_length(schema_json, strlen(schema_json), &schema), 0);
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);

    for (size_t i = 0; i < sizeof longs / sizeof *longs; i++) {
        struct buf b = {0};
        bool with = i % 2;
        writer_long(&b, longs[i]);
        writer_double(&b, (double)longs[i] / 3);
        writer_truth(&b, with);
        writer_text(&b, TEXT("计费"));
        writer_optional_text(&b, with ? TEXT("") : (struct text){NULL, 0});
        writer_array(&b, i);
        for (size_t k = 0; k < i; k++)
            writer_text(&b, TEXT("item"));
        writer_array_end(&b);

        avro_value_t v, f, inner;
        avro_reader_t r = avro_reader_memory(b.data, (int64_t)b.len);
        assert_int_equal(avro_generic_value_new(class, &v), 0);
        assert_int_equal(avro_value_read(r, &v), 0);
        int64_t l;
        double d;
        int truth, branch;
        const char *s;
        size_t n;
        avro_value_get_by_name(&v, "l", &f, NULL);
        avro_value_get_long(&f, &l);
        assert_true(l == longs[i]);
        avro_value_get_by_name(&v, "d", &f, NULL);
        avro_value_get_double(&f, &d);
        assert_true(d == (double)longs[i] / 3);
        avro_value_get_by_name(&v, "b", &f, NULL);
        avro_value_get_boolean(&f, &truth);
        assert_int_equal(truth, with);
        avro_value_get_by_name(&v, "s", &f, NULL);
        avro_value_get_string(&f, &s, &n);
        assert_string_equal(s, "计费");
        avro_value_get_by_name(&v, "o", &f, NULL);
        avro_value_get_discriminant(&f, &branch);
        assert_int_equal(branch, with);
        avro_value_get_by_name(&v, "a", &f, NULL);
        avro_value_get_size(&f, &n);
        assert_int_equal(n, i);
        assert_int_equal(avro_value_get_by_index(&f, i, &inner, NULL) == 0, 0);
        assert_int_not_equal(avro_skip(r, 1), 0); /* nothing is left over */

        avro_value_decref(&v);
        avro_reader_free(r);
        buf_fini(&b);
    }
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
}

static void a_decimal_is_written_at_the_schemas_scale(void **state)
{
    struct buf b = {0};
    (void)state;

    assert_true(writer_decimal(&b, (struct decimal){6, 1}, 2));
    assert_bytes(&b, "\x02\x3c", 2);
    assert_true(writer_decimal(&b, (struct decimal){-100, 2}, 0));
    assert_bytes(&b, "\x02\xff", 2);
    assert_true(writer_decimal(&b, (struct decimal){0, 0}, 9));
    assert_bytes(&b, "\x02\x00", 2);
    buf_fini(&b);
}

static void a_decimal_that_does_not_fit_or_would_lose_digits_is_not_written(void **state)
{
    struct buf b = {0};
    struct decimal big;
    (void)state;

    assert_false(writer_decimal(&b, (struct decimal){125, 3}, 2));
    assert_true(decimal_parse(TEXT("99999999999999999999999999999.0"), &big));
    assert_true(writer_decimal(&b, big, 9));
    buf_reset(&b);
    assert_true(decimal_parse(TEXT("1e30"), &big));
    assert_false(writer_decimal(&b, big, 9));
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void an_absent_text_is_null_where_it_may_be_and_else_empty(void **state)
{
    struct buf b = {0};
    (void)state;

    writer_optional_text(&b, (struct text){NULL, 0});
    assert_bytes(&b, "\x00", 1);
    writer_text(&b, (struct text){NULL, 0});
    assert_bytes(&b, "\x00", 1);
    writer_optional_text(&b, TEXT("ab"));
    assert_bytes(&b,
                 "\x02\x04"
                 "ab",
                 4);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_a_zero_and_the_id_big_endian),
        cmocka_unit_test(every_value_is_read_by_avro_c_as_it_was_written),
        cmocka_unit_test(a_decimal_is_written_at_the_schemas_scale),
        cmocka_unit_test(a_decimal_that_does_not_fit_or_would_lose_digits_is_not_written),
        cmocka_unit_test(an_absent_text_is_null_where_it_may_be_and_else_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
