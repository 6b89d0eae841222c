/* Random records under random schemas: what avro-c wrote, we read; what we take of damaged bytes,
 * avro-c takes too and reads as we do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <avro.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "io/reader.h"
#include "raw_shape.h"

enum { SCHEMAS = 60, RECORDS = 60, DAMAGED = 20, SCALE = 3, BYTES_MAX = 1 << 16 };

static uint64_t seed = 20261123;

static unsigned dice(unsigned sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % sides;
}

/* ---- a schema ---- */

/* In units of ms, so that the oracle knows what avro-c drops. */
static bool micros;
static int names;

static const char *one_of(const char *const *texts)
{
    unsigned n = 0;
    while (texts[n])
        n++;
    return texts[dice(n)];
}

#define ONE_OF(...) one_of((const char *const[]){__VA_ARGS__, NULL})

/* Any type at all, for a field that is skipped. */
static void add_any_type(struct buf *b, int depth)
{
    switch (depth > 4 ? dice(8) : dice(13)) {
    case 8:
        buf_str(b, "{'type':'array','items':");
        add_any_type(b, depth + 1);
        buf_str(b, "}");
        break;
    case 9:
        buf_str(b, "{'type':'map','values':");
        add_any_type(b, depth + 1);
        buf_str(b, "}");
        break;
    case 10:
        buf_printf(b, "{'type':'record','name':'n%d.Any','fields':[{'name':'a','type':", names++);
        add_any_type(b, depth + 1);
        buf_str(b, "},{'name':'b','type':");
        add_any_type(b, depth + 1);
        buf_str(b, "}]}");
        break;
    case 11:
        buf_printf(
            b,
            "['null',{'type':'enum','name':'E%d','symbols':['A','B','C']},{'type':'array','items':",
            names++);
        add_any_type(b, depth + 1);
        buf_str(b, "},'string']");
        break;
    case 12:
        buf_printf(b, "{'type':'fixed','name':'F%d','size':%u}", names++,
                   1 + dice(9)); /* avro-c cannot hold 0 bytes */
        break;
    default:
        buf_str(b, ONE_OF("'null'", "'boolean'", "'int'", "'long'", "'float'", "'double'",
                          "'bytes'", "'string'"));
    }
}

static const char *decimal_type(bool fixed)
{
    static char out[2][120];
    snprintf(out[0], sizeof out[0], "{'type':'bytes','logicalType':'decimal','scale':%d}", SCALE);
    snprintf(out[1], sizeof out[1],
             "{'type':'fixed','name':'D%d','size':%u,'logicalType':'decimal','scale':%d}", names++,
             1 + dice(16), SCALE);
    return out[fixed];
}

/* A plain type that the kind takes, never twice the same in one union: `n` counts up in it. */
static const char *plain_type(enum shape_kind kind, unsigned n)
{
    static char out[120];
    switch (kind) {
    case SHAPE_TIME:
        snprintf(out, sizeof out, "{'type':'long','logicalType':'timestamp-%s'}",
                 micros ? "micros" : "millis");
        return n == 0 ? out : NULL;
    case SHAPE_TRUTH:
        return n == 0 ? "'boolean'" : NULL;
    case SHAPE_ENUM:
        snprintf(out, sizeof out,
                 "{'type':'enum','name':'S%d','symbols':['new','recycled','guided','received']}",
                 names++);
        return n == 0 ? out : n == 1 ? "'string'" : NULL;
    case SHAPE_TEXT:
        snprintf(out, sizeof out, "{'type':'enum','name':'S%d','symbols':['one','two']}", names++);
        return n == 0 ? "'string'" : n == 1 ? "'bytes'" : n == 2 ? out : NULL;
    case SHAPE_DECIMAL:
    case SHAPE_NUMBER:
    case SHAPE_VALUE:
        if (n < 4)
            return n < 2 ? decimal_type(n == 1) : n == 2 ? "'int'" : "'long'";
        if (n < 6 && kind != SHAPE_DECIMAL)
            return n == 4 ? "'double'" : "'float'";
        snprintf(out, sizeof out,
                 "{'type':'record','name':'J%d.Json','fields':[{'name':'json','type':'string'}]}",
                 names++);
        return kind != SHAPE_VALUE || n > 8 ? NULL
               : n == 6                     ? "'string'"
               : n == 7                     ? "'boolean'"
                                            : out;
    default:
        return NULL;
    }
}

static void add_fields(struct buf *b, const struct shape *shape);

static void add_record(struct buf *b, const struct shape *shape)
{
    buf_printf(b, "{'type':'record','name':'R%d','fields':[", names++);
    add_fields(b, shape);
    buf_str(b, "]}");
}

static void add_type(struct buf *b, const struct shape_field *f)
{
    bool null = dice(3) == 0;
    if (f->kind == SHAPE_RECORD || f->kind == SHAPE_ARRAY) {
        buf_str(b, null ? "['null'," : "");
        buf_str(b, f->kind == SHAPE_ARRAY ? "{'type':'array','items':" : "");
        add_record(b, f->record);
        buf_str(b, f->kind == SHAPE_ARRAY ? "}" : "");
        buf_str(b, null ? "]" : "");
        return;
    }
    unsigned kinds = 0;
    while (plain_type(f->kind, kinds))
        kinds++;
    if (!null && dice(2) == 0) {
        buf_str(b, plain_type(f->kind, dice(kinds)));
        return;
    }
    buf_str(b, "['null'");
    for (unsigned i = 0; i < kinds; i++)
        if (i == 0 || dice(2) == 0)
            buf_printf(b, ",%s", plain_type(f->kind, i));
    buf_str(b, "]");
}

static void add_fields(struct buf *b, const struct shape *shape)
{
    const char *comma = "";
    unsigned from = dice((unsigned)shape->count);
    for (unsigned i = 0; i < shape->count; i++) {
        const struct shape_field *f = &shape->fields[(from + i) % shape->count];
        if (dice(4) == 0) {
            buf_printf(b, "%s{'name':'extra%u','type':", comma, i);
            add_any_type(b, 0);
            buf_str(b, "}");
            comma = ",";
        }
        if (!f->required && dice(5) == 0)
            continue;
        buf_printf(b, "%s{'name':'%s','type':", comma, f->name);
        add_type(b, f);
        buf_str(b, "}");
        comma = ",";
    }
}

/* ---- a value under it, by avro-c ---- */

static void fill(avro_value_t *v, int depth);

static int64_t random_long(void)
{
    uint64_t bits = (uint64_t)dice(1u << 31) << 33 | (uint64_t)dice(1u << 31) << 2 | dice(4);
    return (int64_t)(bits >> dice(64)) * (dice(2) ? 1 : -1);
}

static void fill_text(avro_value_t *v, avro_type_t type)
{
    static const char *const words[] = {"",
                                        "a",
                                        "VOICE",
                                        "exactly8",
                                        "计费",
                                        "é",
                                        "received",
                                        "lost",
                                        "a text of more than sixteen bytes",
                                        "seven b\xf0\x9f\x93\x9e"};
    char text[200] = "";
    for (unsigned i = dice(4); i > 0; i--)
        strncat(text, words[dice(sizeof words / sizeof *words)], sizeof text - strlen(text) - 1);
    if (type == AVRO_STRING)
        avro_value_set_string(v, text);
    else
        avro_value_set_bytes(v, text, strlen(text));
}

static void fill_many(avro_value_t *v, avro_type_t type, int depth)
{
    for (unsigned i = dice(depth > 3 ? 2 : 5); i > 0; i--) {
        avro_value_t child;
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        if (type == AVRO_ARRAY)
            avro_value_append(v, &child, NULL);
        else
            avro_value_add(v, key, &child, NULL, NULL);
        fill(&child, depth + 1);
    }
}

static void fill_record(avro_value_t *v, int depth)
{
    size_t n;
    avro_value_get_size(v, &n);
    for (size_t i = 0; i < n; i++) {
        avro_value_t child;
        avro_value_get_by_index(v, i, &child, NULL);
        fill(&child, depth + 1);
    }
}

static void fill(avro_value_t *v, int depth)
{
    char bytes[16];
    avro_value_t child;
    avro_schema_t schema = avro_value_get_schema(v);
    avro_type_t type = avro_value_get_type(v);
    switch (type) {
    case AVRO_STRING:
    case AVRO_BYTES:
        fill_text(v, type);
        break;
    case AVRO_INT32:
        avro_value_set_int(v, (int32_t)random_long());
        break;
    case AVRO_INT64:
        avro_value_set_long(v, random_long());
        break;
    case AVRO_FLOAT:
        avro_value_set_float(v, (float)random_long() / 8);
        break;
    case AVRO_DOUBLE:
        avro_value_set_double(v, (double)random_long() / 1000);
        break;
    case AVRO_BOOLEAN:
        avro_value_set_boolean(v, (int)dice(2));
        break;
    case AVRO_ENUM:
        avro_value_set_enum(v, (int)dice((unsigned)avro_schema_enum_number_of_symbols(schema)));
        break;
    case AVRO_FIXED:
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)dice(256);
        avro_value_set_fixed(v, bytes, (size_t)avro_schema_fixed_size(schema));
        break;
    case AVRO_UNION:
        avro_value_set_branch(v, (int)dice((unsigned)avro_schema_union_size(schema)), &child);
        fill(&child, depth);
        break;
    case AVRO_ARRAY:
    case AVRO_MAP:
        fill_many(v, type, depth);
        break;
    case AVRO_RECORD:
        fill_record(v, depth);
        break;
    default:
        avro_value_set_null(v);
    }
}

/* ---- the same in both ---- */

static void assert_same_record(const struct shape *shape, avro_value_t *v,
                               const unsigned char *record);

/* The bytes of a string, bytes, fixed or symbol. */
static struct text text_in(avro_value_t *v)
{
    const char *s = NULL;
    const void *p = NULL;
    size_t n = 0;
    int symbol;
    switch (avro_value_get_type(v)) {
    case AVRO_STRING:
        avro_value_get_string(v, &s, &n);
        return (struct text){s, n - 1};
    case AVRO_BYTES:
        avro_value_get_bytes(v, &p, &n);
        return (struct text){p ? p : "", n};
    case AVRO_FIXED:
        avro_value_get_fixed(v, &p, &n);
        return (struct text){p, n};
    default:
        avro_value_get_enum(v, &symbol);
        return text_of(avro_schema_enum_get(avro_value_get_schema(v), symbol));
    }
}

static int64_t long_in(avro_value_t *v)
{
    int32_t narrow = 0;
    int64_t wide = 0;
    if (avro_value_get_type(v) == AVRO_INT32)
        avro_value_get_int(v, &narrow);
    else
        avro_value_get_long(v, &wide);
    return avro_value_get_type(v) == AVRO_INT32 ? narrow : wide;
}

static void assert_same_decimal(avro_value_t *v, const struct value *ours)
{
    struct text bytes = text_in(v);
    struct decimal d = {0, 0};
    bool fits = decimal_from_be(bytes.p, bytes.n, SCALE, &d);
    assert_int_equal(ours->kind, fits ? VALUE_DECIMAL : VALUE_WIDE);
    if (fits)
        assert_true(d.unscaled == ours->decimal.unscaled && d.scale == ours->decimal.scale);
}

static void assert_same_value(avro_value_t *v, const struct value *ours)
{
    float narrow;
    double wide;
    int truth;
    avro_value_t json;
    switch (avro_value_get_type(v)) {
    case AVRO_NULL:
        assert_int_equal(ours->kind, VALUE_ABSENT);
        break;
    case AVRO_STRING:
        assert_int_equal(ours->kind, VALUE_TEXT);
        assert_true(text_eq(ours->text, text_in(v)));
        break;
    case AVRO_INT32:
    case AVRO_INT64:
        assert_int_equal(ours->kind, VALUE_INTEGER);
        assert_true(ours->integer == long_in(v));
        break;
    case AVRO_FLOAT:
        assert_int_equal(ours->kind, VALUE_REAL);
        avro_value_get_float(v, &narrow);
        wide = (double)narrow;
        assert_true(ours->real == wide || (ours->real != ours->real && wide != wide));
        break;
    case AVRO_DOUBLE:
        assert_int_equal(ours->kind, VALUE_REAL);
        avro_value_get_double(v, &wide);
        assert_memory_equal(&ours->real, &wide, sizeof wide);
        break;
    case AVRO_BOOLEAN:
        assert_int_equal(ours->kind, VALUE_TRUTH);
        avro_value_get_boolean(v, &truth);
        assert_int_equal(ours->truth, truth);
        break;
    case AVRO_RECORD:
        assert_int_equal(ours->kind, VALUE_JSON);
        avro_value_get_by_index(v, 0, &json, NULL);
        assert_true(text_eq(ours->text, text_in(&json)));
        break;
    default:
        assert_same_decimal(v, ours);
    }
}

static void assert_same_symbol(const struct shape_field *f, struct text theirs, struct symbol ours)
{
    assert_true(text_eq(theirs, ours.text));
    if (ours.index >= 0)
        assert_true(text_is(theirs, f->symbols[ours.index]));
    else
        for (int i = 0; f->symbols[i]; i++)
            assert_false(text_is(theirs, f->symbols[i]));
}

static void assert_same_list(const struct shape_field *f, avro_value_t *v, struct list ours)
{
    size_t n;
    avro_value_get_size(v, &n);
    assert_int_equal(ours.count, n);
    for (size_t i = 0; i < n; i++) {
        avro_value_t item;
        avro_value_get_by_index(v, i, &item, NULL);
        assert_same_record(f->record, &item,
                           (const unsigned char *)ours.items + i * f->record->bytes);
    }
}

static void assert_default(const struct shape_field *f, const void *place)
{
    switch (f->kind) {
    case SHAPE_TEXT:
        assert_true(text_eq(*(const struct text *)place, text_of(f->fallback)));
        break;
    case SHAPE_TIME:
        assert_true(*(const int64_t *)place == INSTANT_NONE);
        break;
    case SHAPE_TRUTH:
        assert_int_equal(*(const int8_t *)place, -1);
        break;
    case SHAPE_ENUM:
        assert_same_symbol(f, text_of(f->fallback), *(const struct symbol *)place);
        break;
    case SHAPE_RECORD:
        assert_null(*(void *const *)place);
        break;
    case SHAPE_ARRAY:
        assert_int_equal(((const struct list *)place)->count, 0);
        break;
    default:
        assert_int_equal(((const struct value *)place)->kind, VALUE_ABSENT);
    }
}

static void assert_same_field(const struct shape_field *f, avro_value_t *v, const void *place)
{
    avro_value_t branch;
    int64_t ms;
    int truth;
    if (v && avro_value_get_type(v) == AVRO_UNION) {
        avro_value_get_current_branch(v, &branch);
        v = &branch;
    }
    if (!v || avro_value_get_type(v) == AVRO_NULL) {
        assert_default(f, place);
        return;
    }
    switch (f->kind) {
    case SHAPE_TEXT:
        assert_true(text_eq(*(const struct text *)place, text_in(v)));
        break;
    case SHAPE_TIME:
        ms = long_in(v);
        ms = micros ? ms / 1000 - (ms % 1000 < 0) : ms;
        assert_true(*(const int64_t *)place == (ms == INT64_MIN ? ms + 1 : ms));
        break;
    case SHAPE_TRUTH:
        avro_value_get_boolean(v, &truth);
        assert_int_equal(*(const int8_t *)place, truth);
        break;
    case SHAPE_ENUM:
        assert_same_symbol(f, text_in(v), *(const struct symbol *)place);
        break;
    case SHAPE_RECORD:
        assert_non_null(*(void *const *)place);
        assert_same_record(f->record, v, *(const unsigned char *const *)place);
        break;
    case SHAPE_ARRAY:
        assert_same_list(f, v, *(const struct list *)place);
        break;
    default:
        assert_same_value(v, place);
    }
}

static void assert_same_record(const struct shape *shape, avro_value_t *v,
                               const unsigned char *record)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *f = &shape->fields[i];
        avro_value_t field;
        bool there = avro_value_get_by_name(v, f->name, &field, NULL) == 0;
        assert_same_field(f, there ? &field : NULL, record + f->offset);
    }
}

/* ---- the tests ---- */

/* One schema, as avro-c and as we have it. */
struct pair {
    avro_schema_t schema;
    avro_value_iface_t *class;
    struct plan *plan;
    struct arena *arena;
};

static struct pair random_pair(void)
{
    struct pair pair = {.arena = arena_new(4096)};
    struct buf b = {0};
    struct err err;
    micros = dice(2);
    buf_printf(&b, "{'type':'record','name':'%s','namespace':'%s','fields':[",
               ONE_OF("RawUsage", "x.RawUsage"), ONE_OF("", "a", "a.b"));
    add_fields(&b, &raw_shape);
    buf_str(&b, "]}");
    buf_text(&b);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\'')
            b.data[i] = '"';
    if (avro_schema_from_json_length(b.data, b.len, &pair.schema) != 0)
        fail_msg("%s: %s", avro_strerror(), b.data);
    pair.class = avro_generic_class_from_schema(pair.schema);
    pair.plan = plan_new(b.data, b.len, raw_shapes, &err);
    if (!pair.plan)
        fail_msg("%s: %s", err.text, b.data);
    buf_fini(&b);
    return pair;
}

static void pair_end(struct pair *pair)
{
    plan_free(pair->plan);
    arena_free(pair->arena);
    avro_value_iface_decref(pair->class);
    avro_schema_decref(pair->schema);
}

/* Writes a random value; returns how many bytes. */
static size_t random_record(avro_value_t *v, char *bytes)
{
    size_t n = 0;
    avro_writer_t w = avro_writer_memory(bytes, BYTES_MAX);
    fill(v, 0);
    assert_int_equal(avro_value_write(w, v), 0);
    n = (size_t)avro_writer_tell(w);
    avro_writer_free(w);
    return n;
}

static void what_avro_c_writes_is_read_as_it_was_meant(void **state)
{
    static char bytes[BYTES_MAX];
    (void)state;

    for (int s = 0; s < SCHEMAS; s++) {
        struct pair pair = random_pair();
        for (int i = 0; i < RECORDS; i++) {
            avro_value_t v;
            struct raw raw;
            struct err err = {0};
            avro_generic_value_new(pair.class, &v);
            size_t n = random_record(&v, bytes);
            char *exact = malloc(n + 1);
            memcpy(exact, bytes, n);

            if (!reader_read(pair.plan, exact, n, pair.arena, &raw, &err))
                fail_msg("schema %d, record %d: %s", s, i, err.text);
            assert_same_record(&raw_shape, &v, (const unsigned char *)&raw);

            for (size_t shorter = 0; shorter < n; shorter += 1 + n / 20) {
                char *cut = malloc(shorter + 1);
                memcpy(cut, bytes, shorter);
                assert_false(reader_read(pair.plan, cut, shorter, pair.arena, &raw, &err));
                assert_int_equal(err.code, READER_MALFORMED);
                free(cut);
            }
            exact[n] = 0;
            assert_false(reader_read(pair.plan, exact, n + 1, pair.arena, &raw, &err));
            assert_int_equal(err.code, READER_MALFORMED);
            arena_reset(pair.arena);
            free(exact);
            avro_value_decref(&v);
        }
        pair_end(&pair);
    }
}

static void what_we_take_of_damaged_bytes_avro_c_takes_too_and_reads_alike(void **state)
{
    static char bytes[BYTES_MAX];
    int taken = 0;
    (void)state;

    for (int s = 0; s < SCHEMAS; s++) {
        struct pair pair = random_pair();
        avro_value_t v;
        avro_generic_value_new(pair.class, &v);
        for (int i = 0; i < RECORDS * DAMAGED; i++) {
            static size_t whole;
            struct raw raw;
            struct err err = {0};
            if (i % DAMAGED == 0) {
                avro_value_reset(&v);
                whole = random_record(&v, bytes);
            }
            char *damaged = malloc(whole + 1);
            memcpy(damaged, bytes, whole);
            for (unsigned k = 1 + dice(3); k > 0 && whole > 0; k--)
                damaged[dice((unsigned)whole)] = (char)(dice(2) ? dice(256) : dice(8));

            if (reader_read(pair.plan, damaged, whole, pair.arena, &raw, &err)) {
                avro_value_t again;
                avro_generic_value_new(pair.class, &again);
                avro_reader_t r = avro_reader_memory(damaged, (int64_t)whole);
                if (avro_value_read(r, &again) != 0)
                    fail_msg("schema %d, record %d: avro-c says %s", s, i, avro_strerror());
                assert_int_not_equal(avro_skip(r, 1), 0);
                assert_same_record(&raw_shape, &again, (const unsigned char *)&raw);
                avro_reader_free(r);
                avro_value_decref(&again);
                taken++;
            } else {
                assert_int_equal(err.kind, ERR_DATA);
                assert_true(err.code == READER_MALFORMED || err.code == READER_TEXT);
                assert_true(err.text[0] != 0);
            }
            arena_reset(pair.arena);
            free(damaged);
        }
        avro_value_decref(&v);
        pair_end(&pair);
    }
    assert_true(taken > SCHEMAS * RECORDS); /* else this test tests nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_avro_c_writes_is_read_as_it_was_meant),
        cmocka_unit_test(what_we_take_of_damaged_bytes_avro_c_takes_too_and_reads_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
