/* plan - how records of one writer's Avro schema are read into one of our C structs.
 *
 * A *shape* says what we want: a table of named fields with the place of each in a struct.
 * plan_new() matches a writer's schema with a shape once; reader_read() then walks each record
 * once, checking every byte and taking our fields out.
 *
 * Matching (wire contract section 1): by name, then by the shape's aliases, then by the writer's
 * aliases; order does not matter; a writer's extra field is skipped, a missing one takes the
 * shape's default or, when it is required, makes the schema unsupported. Avro's promotions hold
 * (int, long, float, double; string, bytes; a union against a plain type and the other way round;
 * an enum by symbol). Logical types are read from the schema's JSON (avro-c drops them):
 * timestamp-millis, timestamp-micros, decimal (on bytes and fixed; no scale is 0), uuid. A plan is
 * constant after plan_new() and may be shared by threads.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/value.h"

enum shape_kind {
    SHAPE_TEXT,  /* struct text: string or bytes (or enum: its symbol); null and missing: p = NULL,
                    or the default */
    SHAPE_TIME,  /* int64_t ms: timestamp-millis, -micros (cut towards the past), bare long/int: ms;
                    INSTANT_NONE */
    SHAPE_TRUTH, /* int8_t: 0, 1, -1 absent */
    SHAPE_ENUM,  /* struct symbol: an enum, or a string with its name; missing or null: the default
                  */
    SHAPE_DECIMAL, /* struct value: DECIMAL, WIDE, INTEGER (from int/long), ABSENT; a float is no
                      match */
    SHAPE_NUMBER,  /* struct value: the same or REAL */
    SHAPE_VALUE,   /* struct value: a union of string, int/long, float/double, boolean, decimal,
                      record Json */
    SHAPE_JSON,    /* struct value: the text of a record Json; plan.c's own */
    SHAPE_RECORD,  /* struct ... *: NULL when null or missing */
    SHAPE_ARRAY    /* struct list of records: empty when null or missing */
};

struct shape;

struct shape_field {
    const char *name;
    enum shape_kind kind;
    size_t offset;              /* offsetof() in the struct of the shape */
    bool required;              /* no default: a writer must have the field */
    const struct shape *record; /* RECORD, ARRAY: what it holds */
    const char *const *symbols; /* ENUM: NULL-terminated; symbol.index counts from 0 */
    const char *fallback;       /* default of TEXT (literal) and ENUM (a symbol); NULL: absent */
    const char *const *aliases; /* NULL-terminated, or NULL */
};

struct shape {
    const char *name; /* last part of the record's name, e.g. "RawUsage" */
    size_t bytes;     /* sizeof its struct */
    const struct shape_field *fields;
    size_t count;
};

enum {
    PLAN_FIELDS_MAX = 1000, /* fields of a schema, all records together */
    PLAN_DEPTH_MAX = 64,
    PLAN_ITEMS_MAX = 100000 /* array and map items of one record, all together */
};

struct plan;

/* `json` is the registry's schema text. The first of `shapes` (NULL-terminated) whose name is the
 * last part of the writer's record name (or of one of its aliases) is taken; of a
 * union, which must be of several records, all must lead to shapes that share one table of fields.
 * ERR_DATA: the schema is unsupported; the text names the field and both types, or what is wrong
 * with the schema. */
struct plan *plan_new(const char *json, size_t n, const struct shape *const *shapes,
                      struct err *err);
void plan_free(struct plan *p);

const struct shape *plan_shape(const struct plan *p);

/* Names of the writer's fields that are skipped, "a, servingCell.b" (cut at 500 bytes), or "". */
const char *plan_skipped(const struct plan *p);
