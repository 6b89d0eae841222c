/* io/reader: what sound records say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "reader_scene.h"

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
    assert_int_equal(s.raw.tax_rate.integer, 38);

    s.bytes.len = needed;
    writer_text(&s.bytes, (struct text){"\x03\xe8", 2}); /* 100.0 has four digits */
    writer_text(&s.bytes, (struct text){"", 0});
    assert_reads(&s);
    assert_int_equal(s.raw.amount.kind, VALUE_WIDE);
    assert_int_equal(s.raw.amount.integer, 3);
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
        cmocka_unit_test(a_varint_need_not_be_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
