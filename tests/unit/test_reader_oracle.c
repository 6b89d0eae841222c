/* Random records under random schemas: what avro-c wrote, we read; what we take of damaged bytes,
 * avro-c takes too and reads as we do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/reader.h"
#include "random_avro.h"

enum { SCHEMAS = 60, RECORDS = 60, DAMAGED = 20, BYTES_MAX = 1 << 16 };

/* Of sound records; `make differential` wants many more. */
static int count_of(const char *variable)
{
    const char *text = getenv(variable);
    return text ? (int)strtol(text, NULL, 10) : SCHEMAS;
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
    const int schemas = count_of("ORACLE_SCHEMAS"), records = count_of("ORACLE_RECORDS");
    (void)state;

    for (int s = 0; s < schemas; s++) {
        struct pair pair = random_pair();
        for (int i = 0; i < records; i++) {
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
