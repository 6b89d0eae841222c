/* differential - what our reader and our event writer make of records, for differential.py to
 * compare.
 *
 *   differential SCHEMA-FOLDER < FRAMES > ANSWERS
 *
 * The first frame is a writer's schema, each further one a record in Avro binary; a frame is its
 * length in 4 bytes, big-endian, and its bytes. The answer to a record is three frames: its values
 * field by field as the shape has them (put_record()), the event's name (empty: it was not mapped),
 * and the event's bytes (or why it was not mapped).
 *
 * avro-c takes part here: what it reads of the record, and of the event, it writes as the very same
 * bytes. So the record's bytes are those that avro-c writes, and it finds in them what fastavro
 * does. Its own value API is used, never its resolver, which mixes up enums. */
#include <avro.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/reader.h"
#include "usage/event.h"
#include "usage/mapping.h"

enum { FRAME_MAX = 1 << 24 };

static const int64_t now_ms = 1795421730250; /* differential.py has it too */

static const struct mapping_settings settings = {"default", INT64_C(10) * 365 * 86400000, 86400000};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "differential: %s: %s\n", what, why);
    exit(1);
}

/* ---- our values as text ---- */

static void put_record(struct buf *b, const struct shape *shape, const unsigned char *record);

static void put_text(struct buf *b, char mark, struct text t)
{
    if (!t.p) {
        buf_byte(b, '-');
        return;
    }
    buf_printf(b, "%c%zu:", mark, t.n);
    buf_add(b, t.p, t.n);
}

static void put_value(struct buf *b, const struct value *v)
{
    uint64_t bits;
    char digits[DECIMAL_CHARS];
    switch (v->kind) {
    case VALUE_TEXT:
        put_text(b, 't', v->text);
        break;
    case VALUE_JSON:
        put_text(b, 'j', v->text);
        break;
    case VALUE_INTEGER:
        buf_printf(b, "n%lld", (long long)v->integer);
        break;
    case VALUE_REAL:
        memcpy(&bits, &v->real, sizeof bits);
        buf_printf(b, "r%016llx", (unsigned long long)bits);
        break;
    case VALUE_TRUTH:
        buf_str(b, v->truth ? "b1" : "b0");
        break;
    case VALUE_DECIMAL:
        decimal_print((struct decimal){v->decimal.unscaled, 0}, digits);
        buf_printf(b, "d%se%d", digits, v->decimal.scale);
        break;
    case VALUE_WIDE:
        buf_str(b, "w");
        break;
    case VALUE_ABSENT:
    case VALUE_NULL:
        buf_str(b, "-");
    }
}

static void put_list(struct buf *b, const struct shape *shape, const struct list *list)
{
    buf_str(b, "[");
    for (size_t i = 0; i < list->count; i++)
        put_record(b, shape, (const unsigned char *)list->items + i * shape->bytes);
    buf_str(b, "]");
}

static void put_field(struct buf *b, const struct shape_field *f, const void *place)
{
    const struct symbol *symbol = place;
    const unsigned char *const *record = place;
    switch (f->kind) {
    case SHAPE_TEXT:
        put_text(b, 't', *(const struct text *)place);
        break;
    case SHAPE_TIME:
        if (*(const int64_t *)place == INSTANT_NONE)
            buf_str(b, "-");
        else
            buf_printf(b, "n%lld", (long long)*(const int64_t *)place);
        break;
    case SHAPE_TRUTH:
        buf_str(b, *(const int8_t *)place < 0 ? "-" : *(const int8_t *)place ? "b1" : "b0");
        break;
    case SHAPE_ENUM:
        buf_printf(b, "y%d,", symbol->index);
        put_text(b, 't', symbol->text);
        break;
    case SHAPE_DECIMAL:
    case SHAPE_NUMBER:
    case SHAPE_VALUE:
    case SHAPE_JSON:
        put_value(b, place);
        break;
    case SHAPE_RECORD:
        if (*record)
            put_record(b, f->record, *record);
        else
            buf_str(b, "-");
        break;
    case SHAPE_ARRAY:
        put_list(b, f->record, place);
    }
}

static void put_record(struct buf *b, const struct shape *shape, const unsigned char *record)
{
    buf_str(b, "{");
    for (size_t i = 0; i < shape->count; i++) {
        put_field(b, &shape->fields[i], record + shape->fields[i].offset);
        buf_str(b, ";");
    }
    buf_str(b, "}");
}

/* ---- avro-c ---- */

static avro_value_iface_t *class_of(const char *json, size_t n, const char *what)
{
    avro_schema_t schema;
    if (avro_schema_from_json_length(json, n, &schema) != 0)
        die(what, avro_strerror());
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    avro_schema_decref(schema);
    return class;
}

/* avro-c reads the bytes to the last one, and writes the same. */
static void check_by_avro_c(avro_value_iface_t *class, const char *bytes, size_t n,
                            const char *what)
{
    static char again[FRAME_MAX];
    avro_value_t v;
    avro_generic_value_new(class, &v);
    avro_reader_t reader = avro_reader_memory(bytes, (int64_t)n);
    if (avro_value_read(reader, &v) != 0)
        die(what, avro_strerror());
    avro_writer_t writer = avro_writer_memory(again, sizeof again);
    if (avro_value_write(writer, &v) != 0)
        die(what, avro_strerror());
    if ((size_t)avro_writer_tell(writer) != n || memcmp(again, bytes, n) != 0)
        die(what, "avro-c writes other bytes than it has read");
    avro_writer_free(writer);
    avro_reader_free(reader);
    avro_value_decref(&v);
}

static avro_value_iface_t *event_classes[EVENT_TYPES];

static void read_event_schema(const char *folder, enum event_type type)
{
    char path[600];
    static char json[1 << 16];
    snprintf(path, sizeof path, "%s/%s", folder, event_schema_files[type]);
    FILE *f = fopen(path, "r");
    if (!f)
        die(path, "no such file");
    size_t n = fread(json, 1, sizeof json, f);
    fclose(f);
    event_classes[type] = class_of(json, n, path);
}

/* ---- one record ---- */

static void answer(struct text t)
{
    unsigned char head[4] = {(unsigned char)(t.n >> 24), (unsigned char)(t.n >> 16),
                             (unsigned char)(t.n >> 8), (unsigned char)t.n};
    fwrite(head, 1, sizeof head, stdout);
    fwrite(t.p ? t.p : "", 1, t.n, stdout);
}

/* For a rating that came without its usage. */
static struct usage *some_usage(struct arena *a)
{
    struct usage *u = arena_zero(a, sizeof *u);
    struct characteristic *c = arena_zero(a, 2 * sizeof *c);
    c[0] = (struct characteristic){.name = TEXT("sourceSystem"),
                                   .value_type = TEXT("string"),
                                   .value = {.kind = VALUE_TEXT, .text = TEXT("s")}};
    c[1] = (struct characteristic){.name = TEXT("sourceRecordId"),
                                   .value_type = TEXT("string"),
                                   .value = {.kind = VALUE_TEXT, .text = TEXT("r")}};
    u->usage_date = now_ms;
    u->usage_type = TEXT("VOICE");
    u->specification.id = TEXT("default");
    u->type = TEXT("Usage");
    u->characteristics = (struct list){c, 2};
    return u;
}

static void answer_event(struct change *c, struct arena *a)
{
    struct buf b = {0};
    struct event event = {.type = c->usage ? EVENT_CREATE : EVENT_STATE_CHANGE,
                          .schema_id = 1,
                          .usage = c->usage,
                          .base_url = "http://x",
                          .event_time = now_ms,
                          .occurred = now_ms,
                          .source = c->source,
                          .record_id = c->record_id,
                          .previous = STATUS_RECYCLED};
    if (!c->usage) {
        struct usage *u = some_usage(a);
        u->id = c->id;
        u->status = c->status;
        u->revision = 2;
        u->ratings = c->ratings;
        u->description = c->description;
        event.usage = u;
    }
    event_write(&b, &event);
    check_by_avro_c(event_classes[event.type], b.data + 5, b.len - 5, "an event");
    answer(text_of(event_type_names[event.type]));
    answer((struct text){b.data + 5, b.len - 5});
    buf_fini(&b);
}

static void take(const struct plan *plan, const char *bytes, size_t n, struct arena *a)
{
    struct err err = {0};
    struct change change;
    struct buf values = {0};
    const struct shape *shape = plan_shape(plan);
    void *record = arena_zero(a, shape->bytes);
    if (!reader_read(plan, bytes, n, a, record, &err))
        die("a record", err.text);
    put_record(&values, shape, record);
    answer((struct text){values.data, values.len});
    buf_fini(&values);
    bool mapped = shape == &record_rated_usage
                      ? mapping_rated(&settings, record, -1, now_ms, a, &change, &err)
                      : mapping_raw(&settings, record, -1, now_ms, a, &change, &err);
    if (mapped) {
        answer_event(&change, a);
    } else {
        answer((struct text){0});
        answer(text_of(err.text));
    }
}

/* False at the end. */
static bool next_frame(struct buf *b)
{
    unsigned char head[4];
    if (fread(head, 1, sizeof head, stdin) != sizeof head)
        return false;
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    b->len = 0;
    if (n > FRAME_MAX || fread(buf_room(b, n + 1), 1, n, stdin) != n)
        die("a frame", "cut short or too large");
    b->len = n;
    return true;
}

int main(int argc, char **argv)
{
    struct buf b = {0};
    struct err err = {0};
    if (argc != 2 || !next_frame(&b))
        die("usage", "differential SCHEMA-FOLDER < FRAMES > ANSWERS");
    read_event_schema(argv[1], EVENT_CREATE);
    read_event_schema(argv[1], EVENT_STATE_CHANGE);
    struct plan *plan = plan_new(b.data, b.len, record_shapes, &err);
    if (!plan)
        die("the schema", err.text);
    avro_value_iface_t *class = class_of(b.data, b.len, "the schema");
    struct arena *a = arena_new(65536);
    while (next_frame(&b)) {
        char *exact = malloc(b.len + 1);
        memcpy(exact, b.data, b.len);
        check_by_avro_c(class, exact, b.len, "a record");
        take(plan, exact, b.len, a);
        free(exact);
        arena_reset(a);
    }
    arena_free(a);
    plan_free(plan);
    avro_value_iface_decref(class);
    for (int i = 0; i < EVENT_TYPES; i++)
        if (event_classes[i])
            avro_value_iface_decref(event_classes[i]);
    buf_fini(&b);
    return 0;
}
