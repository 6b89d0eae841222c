/* Random schemas of RawUsage, and random values under them by avro-c. Include after cmocka. */
#pragma once

#include <avro.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "raw_shape.h"

enum { SCALE = 3 }; /* of every decimal */

static uint64_t seed = 20261123;

static inline unsigned dice(unsigned sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % sides;
}

/* ---- a schema ---- */

/* In units of ms, so that the oracle knows what avro-c drops. */
static bool micros;
static int names;

static inline const char *one_of(const char *const *texts)
{
    unsigned n = 0;
    while (texts[n])
        n++;
    return texts[dice(n)];
}

#define ONE_OF(...) one_of((const char *const[]){__VA_ARGS__, NULL})

/* Any type at all, for a field that is skipped. */
static inline void add_any_type(struct buf *b, int depth)
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

static inline const char *decimal_type(bool fixed)
{
    static char out[2][120];
    snprintf(out[0], sizeof out[0], "{'type':'bytes','logicalType':'decimal','scale':%d}", SCALE);
    snprintf(out[1], sizeof out[1],
             "{'type':'fixed','name':'D%d','size':%u,'logicalType':'decimal','scale':%d}", names++,
             1 + dice(16), SCALE);
    return out[fixed];
}

/* A plain type that the kind takes, never twice the same in one union: `n` counts up in it. */
static inline const char *plain_type(enum shape_kind kind, unsigned n)
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

static inline void add_fields(struct buf *b, const struct shape *shape);

static inline void add_record(struct buf *b, const struct shape *shape)
{
    buf_printf(b, "{'type':'record','name':'R%d','fields':[", names++);
    add_fields(b, shape);
    buf_str(b, "]}");
}

static inline void add_type(struct buf *b, const struct shape_field *f)
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

static inline void add_fields(struct buf *b, const struct shape *shape)
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

static inline void fill(avro_value_t *v, int depth);

static int64_t random_long(void)
{
    uint64_t bits = (uint64_t)dice(1u << 31) << 33 | (uint64_t)dice(1u << 31) << 2 | dice(4);
    return (int64_t)(bits >> dice(64)) * (dice(2) ? 1 : -1);
}

static inline void fill_text(avro_value_t *v, avro_type_t type)
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

static inline void fill_many(avro_value_t *v, avro_type_t type, int depth)
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

static inline void fill_record(avro_value_t *v, int depth)
{
    size_t n;
    avro_value_get_size(v, &n);
    for (size_t i = 0; i < n; i++) {
        avro_value_t child;
        avro_value_get_by_index(v, i, &child, NULL);
        fill(&child, depth + 1);
    }
}

static inline void fill(avro_value_t *v, int depth)
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
