/* io/reader: bytes that are not of their schema, and text that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reader_scene.h"

static void every_shorter_record_is_malformed_and_so_is_a_longer_one(void **state)
{
    (void)state;
    struct scene s =
        scene_of(TRAIT("['string','long','double']")
                     FIELD("x", "{'type':'map','values':{'type':'fixed','name':'F','size':3}}")
                         FIELD("y", "['null',{'type':'array','items':'float'},'boolean']"));
    writer_array(&s.bytes, 2);
    writer_text(&s.bytes, TEXT("n"));
    writer_branch(&s.bytes, 2);
    writer_double(&s.bytes, 1.5);
    writer_text(&s.bytes, TEXT("m"));
    writer_branch(&s.bytes, 1);
    writer_long(&s.bytes, 300);
    writer_array_end(&s.bytes);
    writer_array(&s.bytes, 1);
    writer_text(&s.bytes, TEXT("key"));
    buf_add(&s.bytes, "abc", 3);
    writer_array_end(&s.bytes);
    writer_branch(&s.bytes, 1);
    writer_array(&s.bytes, 1);
    buf_add(&s.bytes, "abcd", 4);
    writer_array_end(&s.bytes);
    assert_reads(&s);
    size_t whole = s.bytes.len;

    buf_byte(&s.bytes, 0);
    assert_fails(&s, READER_MALFORMED, "1 bytes are left over");
    for (s.bytes.len = 0; s.bytes.len < whole; s.bytes.len++) {
        assert_false(read_it(&s));
        assert_int_equal(s.err.code, READER_MALFORMED);
    }
    scene_end(&s);
}

/* The needed fields, then `n` bytes as the value of a field x of `type`. */
static void assert_malformed(const char *type, const char *bytes, size_t n,
                             const char *part_of_text)
{
    char more[600];
    snprintf(more, sizeof more, FIELD("x", "%s"), type);
    struct scene s = scene_of(more);
    buf_add(&s.bytes, bytes, n);
    assert_fails(&s, READER_MALFORMED, part_of_text);
    scene_end(&s);
}

#define MALFORMED(type, bytes, text) assert_malformed(type, "" bytes, sizeof(bytes) - 1, text)
#define F9 "\xff\xff\xff\xff\xff\xff\xff\xff\xff"

static void bad_numbers_lengths_and_indexes_are_malformed(void **state)
{
    (void)state;

    MALFORMED("'long'", "", "x: the record is cut short");
    MALFORMED("'long'", "\x80", "x: the record is cut short");
    MALFORMED("'long'", F9 "\x02", "x: a number of more than 64 bits");
    MALFORMED("'long'", F9 "\xff\x00", "x: a number of more than 64 bits");
    MALFORMED("'int'", "\x80\x80\x80\x80\x10", "x: int 2147483648 has more than 32 bits");
    MALFORMED("'string'", "\x01", "x: length -1");
    MALFORMED("'string'", F9 "\x01", "x: length -9223372036854775808");
    MALFORMED("'string'", "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
              "x: length 9223372036854775807, but 0 bytes");
    MALFORMED("'string'",
              "\x04"
              "a",
              "x: length 2, but 1 bytes are left");
    MALFORMED("'bytes'", "\x80\x80\x80\x80\x20", "x: length 4294967296");
    MALFORMED("'boolean'", "\x02", "x: boolean 2");
    MALFORMED("'boolean'", "", "cut short");
    MALFORMED("'float'", "abc", "x: the record is cut short");
    MALFORMED("{'type':'fixed','name':'F','size':4}", "abc", "x: the record is cut short");
    MALFORMED("['null','int']", "\x04", "x: union branch 2 is not in 0 to 1");
    MALFORMED("['null','int']", "\x01", "x: union branch -1");
    MALFORMED("{'type':'enum','name':'E','symbols':['A','B']}", "\x04",
              "x: symbol 2 is not in 0 to 1");
    MALFORMED("{'type':'enum','name':'E','symbols':['A','B']}", "\x01", "x: symbol -1");
}

static void bad_blocks_are_malformed(void **state)
{
    (void)state;

    MALFORMED("{'type':'array','items':'int'}", "\x04\x02\x02", "x: the record is cut short");
    MALFORMED("{'type':'array','items':'int'}", "\x06\x02\x02", "x: 3 items, but 2 bytes are left");
    MALFORMED("{'type':'array','items':'int'}", F9 "\x01\x00", "x: more than 100000 items");
    MALFORMED("{'type':'array','items':'int'}", "\x01\x01\x02\x00", "x: a block of -1 bytes");
    MALFORMED("{'type':'array','items':'int'}", "\x01\x06\x02\x00",
              "x: a block of 3 bytes, but 2 are left");
    MALFORMED("{'type':'array','items':'int'}", "\x01\x04\x02\x00",
              "x: a block that is not as long as it says");
    MALFORMED("{'type':'array','items':'int'}", "\x03\x02\x02\x02\x00",
              "x: a block that is not as long as it says");
    MALFORMED("{'type':'map','values':'int'}", "\x02\x02", "x: ");
    MALFORMED("{'type':'map','values':'int'}",
              "\x02\x03"
              "a\x02\x00",
              "x: length -2");
}

static void items_are_counted_over_the_whole_record(void **state)
{
    (void)state;
    struct scene s = scene_of(FIELD("x", "{'type':'array','items':'null'}")
                                  FIELD("y", "{'type':'array','items':{"
                                             "'type':'array','items':'null'}}"));
    size_t needed = s.bytes.len;
    writer_long(&s.bytes, 60000);
    writer_array_end(&s.bytes);
    writer_array(&s.bytes, 2);
    writer_long(&s.bytes, 30000);
    writer_array_end(&s.bytes);
    size_t before_last = s.bytes.len;
    writer_long(&s.bytes, 9998);
    writer_array_end(&s.bytes);
    writer_array_end(&s.bytes);
    assert_reads(&s);

    s.bytes.len = before_last;
    writer_long(&s.bytes, 9999);
    writer_array_end(&s.bytes);
    writer_array_end(&s.bytes);
    assert_fails(&s, READER_MALFORMED, "y: more than 100000 items");

    s.bytes.len = needed;
    writer_long(&s.bytes, 1 << 27);
    writer_array_end(&s.bytes);
    writer_array_end(&s.bytes);
    assert_fails(&s, READER_MALFORMED, "x: more than 100000 items");
    scene_end(&s);
}

/* The one text of a record is bad; `type` has it as its value, `n` bytes. */
static void assert_bad_text(const char *name, const char *type, const char *bytes, size_t n)
{
    char more[600];
    snprintf(more, sizeof more, ",{'name':'%s','type':%s}", name, type);
    struct scene s = scene_of(more);
    buf_add(&s.bytes, bytes, n);
    assert_fails(&s, READER_TEXT, name);
    scene_end(&s);
}

#define BAD_TEXT(name, type, bytes) assert_bad_text(name, type, bytes, sizeof(bytes) - 1)

static void text_must_be_utf8_without_nul_also_where_it_is_skipped(void **state)
{
    (void)state;

    BAD_TEXT("x", "'string'",
             "\x04"
             "a\xff");
    BAD_TEXT("x", "'string'", "\x02\x00");
    BAD_TEXT("x", "'string'", "\x06\xed\xa0\x80");
    BAD_TEXT("x", "'string'",
             "\x28"
             "0123456789012345678\x00");
    BAD_TEXT("x", "['null','string']",
             "\x02\x04"
             "a\xff");
    BAD_TEXT("x", "{'type':'map','values':'int'}", "\x02\x02\xff\x00\x00");
    BAD_TEXT("x", "{'type':'array','items':'string'}",
             "\x04\x02"
             "a\x02\xc3\x00");
    BAD_TEXT("description", "'string'",
             "\x04"
             "a\xff");
    BAD_TEXT("description", "'bytes'",
             "\x04\x00"
             "b");
    BAD_TEXT("status", "'string'", "\x02\xff");
}

static void a_bad_byte_is_found_in_any_place_of_a_text_of_any_length(void **state)
{
    static const char bad[] = {0, (char)0x80, (char)0xff};
    char text[40];
    (void)state;
    struct scene s =
        scene_of(FIELD("description", "'string'") FIELD("x", "'long'") FIELD("tail", "'string'"));
    size_t needed = s.bytes.len;

    for (size_t n = 1; n <= sizeof text; n++)
        for (size_t i = 0; i < n * 6;
             i++) { /* each place, each bad byte, with much or little behind the text */
            memset(text, 'a' + (int)(n % 26), n);
            text[i % n] = bad[i / n % 3];
            s.bytes.len = needed;
            writer_text(&s.bytes, (struct text){text, n});
            writer_long(&s.bytes, 0); /* a zero byte behind it is not its own */
            writer_text(&s.bytes, i / n < 3 ? TEXT("long enough") : TEXT(""));
            assert_fails(&s, READER_TEXT, "description");
            memset(s.bytes.data + needed + 1, 'a', n);
            assert_reads(&s);
        }
    scene_end(&s);
}

static void bytes_that_are_skipped_are_no_text(void **state)
{
    (void)state;
    struct scene s =
        scene_of(FIELD("x", "'bytes'") FIELD("y", "{'type':'fixed','name':'F','size':2}"));
    buf_add(&s.bytes, "\x04\x00\xff\xff\x00", 5);

    assert_reads(&s);

    scene_end(&s);
}

static void malformed_counts_more_than_bad_text_and_the_first_bad_text_is_named(void **state)
{
    (void)state;
    struct scene s = scene_of(FIELD("x", "'string'") FIELD("y", "'string'") FIELD("z", "'int'"));
    buf_add(&s.bytes,
            "\x06"
            "a\nb\x04"
            "c\xff",
            7);
    s.bytes.data[s.bytes.len - 5] = 0;
    buf_byte(&s.bytes, 0);

    assert_fails(&s, READER_TEXT, "x: text that is not UTF-8 or holds NUL: \"a\\x00b\"");

    s.bytes.len--;
    assert_fails(&s, READER_MALFORMED, "z: the record is cut short");
    scene_end(&s);
}

static void an_error_names_the_field_in_its_place(void **state)
{
    (void)state;
    struct scene s = scene_of(TRAIT("['string','boolean']"));
    writer_array(&s.bytes, 1);
    writer_text(&s.bytes, TEXT("n"));
    writer_branch(&s.bytes, 1);
    buf_byte(&s.bytes, 9);
    writer_array_end(&s.bytes);

    assert_fails(&s, READER_MALFORMED, "usageCharacteristic.value: boolean 9");

    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shorter_record_is_malformed_and_so_is_a_longer_one),
        cmocka_unit_test(bad_numbers_lengths_and_indexes_are_malformed),
        cmocka_unit_test(bad_blocks_are_malformed),
        cmocka_unit_test(items_are_counted_over_the_whole_record),
        cmocka_unit_test(text_must_be_utf8_without_nul_also_where_it_is_skipped),
        cmocka_unit_test(a_bad_byte_is_found_in_any_place_of_a_text_of_any_length),
        cmocka_unit_test(bytes_that_are_skipped_are_no_text),
        cmocka_unit_test(malformed_counts_more_than_bad_text_and_the_first_bad_text_is_named),
        cmocka_unit_test(an_error_names_the_field_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
