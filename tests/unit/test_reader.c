#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/reader.h"
#include "io/writer.h"
#include "raw_shape.h"

#define NEEDED                                                                                     \
    "{'name':'source','type':'string'},{'name':'recordId','type':'string'},{'name':'usageDate','"  \
    "type':'long'},"                                                                               \
    "{'name':'usageType','type':'string'}"
#define FIELD(name, type) ",{'name':'" name "','type':" type "}"
#define TRAIT(type)                                                                                \
    FIELD("usageCharacteristic",                                                                   \
          "{'type':'array','items':{'type':'record','name':'T','fields':[{'name':'name',"          \
          "'type':'string'},{'name':'value','type':" type "}]}}")

/* A schema, a record under it, and what was read. */
struct scene {
    struct plan *plan;
    struct arena *arena;
    struct buf bytes;
    char *exact; /* the bytes in memory of their very size: a read past the end is seen */
    struct raw raw;
    struct err err;
};

/* A RawUsage with the needed fields and `more`; the needed ones are written. */
static struct scene scene_of(const char *more)
{
    struct scene s = {.arena = arena_new(1024)};
    struct buf quoted = {0};
    buf_printf(&quoted, "{'type':'record','name':'RawUsage','fields':[" NEEDED "%s]}", more);
    char *json = malloc(quoted.len + 1);
    schema_text(buf_text(&quoted), json, quoted.len + 1);
    s.plan = plan_new(json, quoted.len, raw_shapes, &s.err);
    if (!s.plan)
        fail_msg("%s", s.err.text);
    free(json);
    buf_fini(&quoted);
    writer_text(&s.bytes, TEXT("med-gz-02"));
    writer_text(&s.bytes, TEXT("r-1"));
    writer_long(&s.bytes, 1795421730250);
    writer_text(&s.bytes, TEXT("VOICE"));
    return s;
}

static bool read_it(struct scene *s)
{
    free(s->exact);
    s->exact = malloc(s->bytes.len > 0 ? s->bytes.len : 1);
    memcpy(s->exact, s->bytes.data, s->bytes.len);
    memset(&s->raw, 0xa5, sizeof s->raw);
    err_clear(&s->err);
    return reader_read(s->plan, s->exact, s->bytes.len, s->arena, &s->raw, &s->err);
}

static void assert_reads(struct scene *s)
{
    if (!read_it(s))
        fail_msg("%s", s->err.text);
}

static void assert_fails(struct scene *s, int code, const char *part_of_text)
{
    if (read_it(s))
        fail_msg("taken, where \"%s\" is wrong", part_of_text);
    assert_int_equal(s->err.kind, ERR_DATA);
    if (s->err.code != code || !strstr(s->err.text, part_of_text))
        fail_msg("\"%s\" (%d) is not \"%s\" (%d)", s->err.text, s->err.code, part_of_text, code);
}

static void scene_end(struct scene *s)
{
    plan_free(s->plan);
    arena_free(s->arena);
    buf_fini(&s->bytes);
    free(s->exact);
}

#define assert_text(t, s) assert_true(text_eq((t), TEXT(s)))

static void missing_fields_take_their_defaults(void **state)
{
    (void)state;
    struct scene s = scene_of("");

    assert_reads(&s);

    assert_text(s.raw.source, "med-gz-02");
    assert_text(s.raw.record_id, "r-1");
    assert_text(s.raw.usage_type, "VOICE");
    assert_true(s.raw.date == 1795421730250);
    assert_int_equal(s.raw.status.index, 0);
    assert_text(s.raw.status.text, "received");
    assert_null(s.raw.description.p);
    assert_int_equal(s.raw.billed, -1);
    assert_int_equal(s.raw.amount.kind, VALUE_ABSENT);
    assert_null(s.raw.specification);
    assert_int_equal(s.raw.parties.count, 0);
    scene_end(&s);
}

static void null_takes_the_default_too(void **state)
{
    (void)state;
    struct scene s = scene_of(
        FIELD("status", "['null','string']") FIELD("description", "'null'")
            FIELD("isBilled", "['boolean','null']") FIELD("amount", "['null','int']")
                FIELD("usageSpecification", "['null',{'type':'record','name':'S','fields':[{'name':"
                                            "'id','type':['null','string']}]}]")
                    FIELD("relatedParty",
                          "['null',{'type':'array','items':['null',{'type':'record','name':"
                          "'P','fields':[{'name':'id','type':['string','null']}]}]}]"));
    writer_branch(&s.bytes, 0);
    writer_branch(&s.bytes, 1);
    writer_branch(&s.bytes, 0);
    writer_branch(&s.bytes,
                  1); /* a specification whose id is null: absent, for the mapping to refuse */
    writer_branch(&s.bytes, 0);
    writer_branch(&s.bytes, 1);
    writer_array(&s.bytes, 3);
    writer_branch(&s.bytes, 0);
    writer_branch(&s.bytes, 1);
    writer_branch(&s.bytes, 1);
    writer_branch(&s.bytes, 1);
    writer_branch(&s.bytes, 0);
    writer_text(&s.bytes, TEXT("c-1"));
    writer_array_end(&s.bytes);

    assert_reads(&s);

    assert_text(s.raw.status.text, "received");
    assert_int_equal(s.raw.billed, -1);
    assert_non_null(s.raw.specification);
    assert_null(s.raw.specification->id.p);
    const struct party *parties = s.raw.parties.items;
    assert_int_equal(s.raw.parties.count, 3);
    assert_null(parties[0].id.p);
    assert_null(parties[1].id.p);
    assert_text(parties[2].id, "c-1");
    assert_text(parties[0].referred_type, "Customer");
    scene_end(&s);
}

static void a_time_is_milliseconds_cut_towards_the_past(void **state)
{
    static const int64_t micros[][2] = {
        {1795421730250999, 1795421730250}, {-1, -1}, {-1000, -1}, {-1001, -2},
        {INT64_MIN, INT64_MIN / 1000 - 1}, {999, 0}};
    (void)state;
    struct scene s = scene_of("");
    plan_free(s.plan);
    char json[600];
    schema_text("{'type':'record','name':'RawUsage','fields':[{'name':'usageDate','type':['null',{'"
                "type':'long',"
                "'logicalType':'timestamp-micros'},'int']},{'name':'source','type':'string'},{'"
                "name':'recordId',"
                "'type':'string'},{'name':'usageType','type':'string'}]}",
                json, sizeof json);
    s.plan = plan_new(json, strlen(json), raw_shapes, &s.err);

    for (size_t i = 0; i < sizeof micros / sizeof *micros + 2; i++) {
        bool null = i == 0, narrow = i == 1;
        buf_reset(&s.bytes);
        writer_branch(&s.bytes, null ? 0 : narrow ? 2 : 1);
        if (!null)
            writer_long(&s.bytes, narrow ? -77 : micros[i - 2][0]);
        for (int k = 0; k < 3; k++)
            writer_text(&s.bytes, TEXT("x"));
        assert_reads(&s);
        assert_true(s.raw.date == (null ? INSTANT_NONE : narrow ? -77 : micros[i - 2][1]));
    }
    scene_end(&s);

    struct scene earliest = scene_of("");
    buf_reset(&earliest.bytes);
    writer_text(&earliest.bytes, TEXT("a"));
    writer_text(&earliest.bytes, TEXT("b"));
    writer_long(&earliest.bytes, INT64_MIN);
    writer_text(&earliest.bytes, TEXT("c"));
    assert_reads(&earliest);
    assert_true(earliest.raw.date != INSTANT_NONE);
    scene_end(&earliest);
}

static void an_enum_is_matched_by_symbol_whatever_its_order(void **state)
{
    static const int expected[] = {3, 0, -1, 1};
    (void)state;
    struct scene s = scene_of(
        FIELD("status", "{'type':'enum','name':'E','symbols':['recycled','received','lost',"
                        "'guided']}"));
    size_t needed = s.bytes.len;

    for (int i = 0; i < 4; i++) {
        s.bytes.len = needed;
        writer_long(&s.bytes, i);
        assert_reads(&s);
        assert_int_equal(s.raw.status.index, expected[i]);
    }
    s.bytes.len = needed;
    writer_long(&s.bytes, 2);
    assert_reads(&s);
    assert_text(s.raw.status.text, "lost");
    scene_end(&s);
}

static void a_string_may_stand_for_an_enum_and_bytes_and_enums_for_a_string(void **state)
{
    (void)state;
    struct scene s = scene_of(
        FIELD("status", "['string',{'type':'enum','name':'E','symbols':['guided']}]")
            FIELD("description", "['bytes',{'type':'enum','name':'F','symbols':['A','B']}]"));
    size_t needed = s.bytes.len;
    writer_branch(&s.bytes, 0);
    writer_text(&s.bytes, TEXT("rejected"));
    writer_branch(&s.bytes, 0);
    writer_text(&s.bytes, TEXT("计费"));

    assert_reads(&s);
    assert_int_equal(s.raw.status.index, 2);
    assert_text(s.raw.status.text, "rejected");
    assert_text(s.raw.description, "计费");

    s.bytes.len = needed;
    writer_branch(&s.bytes, 0);
    writer_text(&s.bytes, TEXT("Rejected"));
    writer_branch(&s.bytes, 1);
    writer_long(&s.bytes, 1);
    assert_reads(&s);
    assert_int_equal(s.raw.status.index, -1);
    assert_text(s.raw.status.text, "Rejected");
    assert_text(s.raw.description, "B");
    scene_end(&s);
}

#define ALL_VALUES                                                                                 \
    "['null','string','int','long','float','double','boolean',{'type':'bytes','logicalType':'"     \
    "decimal','scale':2},"                                                                         \
    "{'type':'fixed','name':'D','size':20,'logicalType':'decimal','precision':3,'scale':1},{'"     \
    "type':'record','name':"                                                                       \
    "'our.Json','fields':[{'name':'json','type':'string'}]}]"

static void a_value_has_the_type_of_its_branch(void **state)
{
    static const float quarter = 0.25f;
    char fixed[20];
    (void)state;
    memset(fixed, 0xff, sizeof fixed);
    struct scene s = scene_of(TRAIT(ALL_VALUES));
    writer_array(&s.bytes, 10);
    for (int branch = 0; branch < 10; branch++) {
        writer_text(&s.bytes, TEXT("n"));
        writer_branch(&s.bytes, branch);
        switch (branch) {
        case 1:
            writer_text(&s.bytes, TEXT("text"));
            break;
        case 2:
            writer_long(&s.bytes, INT32_MIN);
            break;
        case 3:
            writer_long(&s.bytes, INT64_MAX);
            break;
        case 4:
            buf_add(&s.bytes, &quarter, sizeof quarter);
            break;
        case 5:
            writer_double(&s.bytes, INFINITY);
            break;
        case 6:
            writer_truth(&s.bytes, true);
            break;
        case 7:
            assert_true(writer_decimal(&s.bytes, (struct decimal){60, 2}, 2));
            break;
        case 8:
            buf_add(&s.bytes, fixed, sizeof fixed);
            break;
        case 9:
            writer_text(&s.bytes, TEXT("[1]"));
            break;
        default:
            break;
        }
    }
    writer_array_end(&s.bytes);

    assert_reads(&s);

    const struct trait *t = s.raw.traits.items;
    assert_int_equal(s.raw.traits.count, 10);
    assert_int_equal(t[0].value.kind, VALUE_ABSENT);
    assert_int_equal(t[1].value.kind, VALUE_TEXT);
    assert_text(t[1].value.text, "text");
    assert_int_equal(t[2].value.kind, VALUE_INTEGER);
    assert_true(t[2].value.integer == INT32_MIN);
    assert_true(t[3].value.integer == INT64_MAX);
    assert_int_equal(t[4].value.kind, VALUE_REAL);
    assert_true(t[4].value.real == 0.25);
    assert_true(isinf(t[5].value.real));
    assert_int_equal(t[6].value.kind, VALUE_TRUTH);
    assert_true(t[6].value.truth);
    assert_int_equal(t[7].value.kind, VALUE_DECIMAL);
    assert_true(t[7].value.decimal.unscaled == 60 && t[7].value.decimal.scale == 2);
    assert_true(t[8].value.decimal.unscaled == -1 && t[8].value.decimal.scale == 1);
    assert_int_equal(t[9].value.kind, VALUE_JSON);
    assert_text(t[9].value.text, "[1]");
    assert_null(t[9].value_type.p);
    scene_end(&s);
}

static void a_decimal_with_too_many_digits_is_wide(void **state)
{
    (void)state;
    struct scene s =
        scene_of(FIELD("amount", "{'type':'bytes','logicalType':'decimal','precision':3,'scale':1}")
                     FIELD("taxRate", "{'type':'bytes','logicalType':'decimal','scale':40}"));
    size_t needed = s.bytes.len;
    writer_text(&s.bytes, (struct text){"\x03\xe7", 2}); /* 99.9 */
    writer_text(&s.bytes, (struct text){"\x01", 1});
    assert_reads(&s);
    assert_int_equal(s.raw.amount.kind, VALUE_DECIMAL);
    assert_int_equal(s.raw.tax_rate.kind, VALUE_WIDE);

    s.bytes.len = needed;
    writer_text(&s.bytes, (struct text){"\x03\xe8", 2}); /* 100.0 has four digits */
    writer_text(&s.bytes, (struct text){"", 0});
    assert_reads(&s);
    assert_int_equal(s.raw.amount.kind, VALUE_WIDE);
    scene_end(&s);

    s = scene_of(FIELD("amount", "{'type':'bytes','logicalType':'decimal'}")
                     FIELD("taxRate", "'double'"));
    writer_text(&s.bytes, TEXT("\x01xxxxxxxxxxxxxxxxx"));
    writer_double(&s.bytes, 0.19);
    assert_reads(&s);
    assert_int_equal(s.raw.amount.kind, VALUE_WIDE);
    assert_int_equal(s.raw.tax_rate.kind, VALUE_REAL);
    scene_end(&s);
}

static void an_array_may_come_in_many_blocks_with_or_without_sizes(void **state)
{
    (void)state;
    struct scene s = scene_of(FIELD("relatedParty",
                                    "{'type':'array','items':{'type':'record','name':'P','fields':["
                                    "{'name':'id','type':'string'}]}}"));
    int n = 0;
    for (int block = 1; block <= 20; block++) {
        if (block % 2) {
            writer_long(&s.bytes, -block);
            writer_long(&s.bytes, block * 5);
        } else {
            writer_long(&s.bytes, block);
        }
        for (int i = 0; i < block; i++) {
            char id[16];
            snprintf(id, sizeof id, "%04d", n++);
            writer_text(&s.bytes, text_of(id));
        }
    }
    writer_array_end(&s.bytes);

    assert_reads(&s);

    const struct party *p = s.raw.parties.items;
    assert_int_equal(s.raw.parties.count, n);
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "%04d", i);
        assert_true(text_is(p[i].id, id));
        assert_text(p[i].referred_type, "Customer");
    }
    scene_end(&s);
}

static void many_small_blocks_take_no_more_memory_than_a_few_times_the_items(void **state)
{
    enum { ITEMS = 20000 };
    (void)state;
    struct scene s = scene_of(FIELD("relatedParty",
                                    "{'type':'array','items':{'type':'record','name':'P','fields':["
                                    "{'name':'id','type':'string'}]}}"));
    for (int i = 0; i < ITEMS; i++) {
        writer_array(&s.bytes, 1);
        writer_text(&s.bytes, TEXT("c"));
    }
    writer_array_end(&s.bytes);

    assert_reads(&s);

    assert_int_equal(s.raw.parties.count, ITEMS);
    assert_true(arena_bytes(s.arena) < 5 * ITEMS * sizeof(struct party));
    scene_end(&s);
}

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

static void a_varint_need_not_be_the_shortest(void **state)
{
    (void)state;
    struct scene s = scene_of(FIELD("description", "'string'"));
    buf_add(&s.bytes,
            "\x84\x80\x80\x80\x80\x80\x80\x80\x80\x00"
            "ab",
            12);

    assert_reads(&s);

    assert_text(s.raw.description, "ab");
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_fields_take_their_defaults),
        cmocka_unit_test(null_takes_the_default_too),
        cmocka_unit_test(a_time_is_milliseconds_cut_towards_the_past),
        cmocka_unit_test(an_enum_is_matched_by_symbol_whatever_its_order),
        cmocka_unit_test(a_string_may_stand_for_an_enum_and_bytes_and_enums_for_a_string),
        cmocka_unit_test(a_value_has_the_type_of_its_branch),
        cmocka_unit_test(a_decimal_with_too_many_digits_is_wide),
        cmocka_unit_test(an_array_may_come_in_many_blocks_with_or_without_sizes),
        cmocka_unit_test(many_small_blocks_take_no_more_memory_than_a_few_times_the_items),
        cmocka_unit_test(every_shorter_record_is_malformed_and_so_is_a_longer_one),
        cmocka_unit_test(bad_numbers_lengths_and_indexes_are_malformed),
        cmocka_unit_test(bad_blocks_are_malformed),
        cmocka_unit_test(items_are_counted_over_the_whole_record),
        cmocka_unit_test(text_must_be_utf8_without_nul_also_where_it_is_skipped),
        cmocka_unit_test(a_bad_byte_is_found_in_any_place_of_a_text_of_any_length),
        cmocka_unit_test(bytes_that_are_skipped_are_no_text),
        cmocka_unit_test(malformed_counts_more_than_bad_text_and_the_first_bad_text_is_named),
        cmocka_unit_test(an_error_names_the_field_in_its_place),
        cmocka_unit_test(a_varint_need_not_be_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
