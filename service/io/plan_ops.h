/* plan_ops - what a plan is made of: shared by plan*.c, which compile, and reader.c, which runs.
 * Nobody else.
 *
 * A program without calls: a record's fields stand one after another, branches of a union are
 * jumped into and end at the same place, the body of an array stands behind it and ends with
 * OP_NEXT. Every type of the writer's is passed, so a run that reaches OP_DONE at the last byte has
 * proved the whole record.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "io/plan.h"

enum op_code {
    /* control */
    OP_DONE,
    OP_JUMP,       /* next */
    OP_UNION,      /* count branches; branches[i]: where to go on */
    OP_RECORD,     /* image: a new one, its pointer at offset */
    OP_RECORD_END, /* back to the record around it */
    OP_LIST,       /* image, count, next: an array of records into the list at offset */
    OP_ITEMS,      /* count, next: an array or map that is skipped */
    OP_NEXT,       /* the end of an item */
    /* checked and skipped */
    OP_SKIP_NUMBER, /* int, long */
    OP_SKIP_TEXT,
    OP_SKIP_BYTES,
    OP_SKIP_FIXED, /* count bytes: float and double too */
    OP_SKIP_TRUTH,
    OP_SKIP_ENUM, /* count symbols */
    /* taken */
    OP_TEXT,
    OP_TEXT_SYMBOL, /* an enum's symbol as text */
    OP_TIME,        /* ms */
    OP_TIME_MICROS,
    OP_TRUTH,
    OP_SYMBOL,      /* count, symbols */
    OP_SYMBOL_NAME, /* field: a string that names a symbol */
    OP_VALUE_TEXT,
    OP_VALUE_JSON,
    OP_VALUE_INTEGER,
    OP_VALUE_FLOAT,
    OP_VALUE_DOUBLE,
    OP_VALUE_TRUTH,
    OP_VALUE_DECIMAL, /* scale, precision */
    OP_VALUE_FIXED    /* the same of count bytes */
};

struct image {
    size_t bytes;
    void *data; /* a record with all its defaults: what each one begins as */
};

struct op {
    uint8_t code;
    bool narrow;       /* an int: 32 bits */
    int16_t scale;     /* of a decimal; may be more than struct decimal holds */
    int16_t precision; /* 0: no limit */
    uint32_t offset;   /* in the struct */
    uint32_t count;    /* for arrays: bytes that an item takes at least */
    uint32_t next;
    uint32_t path; /* the field's name, for messages */
    union {
        const uint32_t *branches;
        const struct symbol *symbols; /* the shape's index and the text of each of the writer's */
        const struct shape_field *field;
        const struct image *image;
    };
};

/* A field's name and the field that it stands in; 0 is the record itself. */
struct path {
    uint32_t parent;
    const char *name;
};

struct plan {
    struct arena *arena;
    const struct shape *shape;
    const struct image *image;
    struct op *ops;
    struct path *paths;
    size_t op_count, path_count;
    char skipped[504];
};

/* "servingCell.note", cut to fit; returns `out`. */
enum { PLAN_PATH_CHARS = 256 };
const char *plan_path(const struct plan *p, uint32_t path, char out[PLAN_PATH_CHARS]);
