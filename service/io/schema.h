/* schema - a writer's Avro schema as a tree of types, with what avro-c drops: logical types,
 * aliases.
 *
 * avro-c is asked whether the text is a schema at all (without what holds NUL in it, such as a
 * default of bytes: that it does not read); the tree is read from the JSON. A named type
 * that is used several times is one node with several parents; no type contains itself.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum schema_kind {
    SCHEMA_NULL,
    SCHEMA_BOOLEAN,
    SCHEMA_INT,
    SCHEMA_LONG,
    SCHEMA_FLOAT,
    SCHEMA_DOUBLE,
    SCHEMA_BYTES,
    SCHEMA_STRING,
    SCHEMA_FIXED,
    SCHEMA_ENUM,
    SCHEMA_ARRAY,
    SCHEMA_MAP,
    SCHEMA_RECORD,
    SCHEMA_UNION
};

/* Only those that change how we read; any other is ignored, as Avro wants it. */
enum schema_logical {
    SCHEMA_PLAIN,
    SCHEMA_MILLIS,     /* timestamp-millis */
    SCHEMA_MICROS,     /* timestamp-micros */
    SCHEMA_DECIMAL,    /* on bytes and fixed */
    SCHEMA_OTHER_TIME, /* another of Avro's times: date, time-*, timestamp-nanos, local-timestamp-*
                        */
};

enum {
    SCHEMA_TEXT_MAX = 1 << 20, /* bytes of the JSON */
    SCHEMA_NODES_MAX = 100000, /* braces and brackets that open in it */
    SCHEMA_NAME_MAX = 1000,    /* bytes of a name, of a namespace: each type inside repeats it */
    SCHEMA_TYPES_MAX = 20000,  /* places in a schema where a type stands */
    SCHEMA_FIXED_MAX = 16 << 20
};

struct schema_type;

struct schema_field {
    const char *name;
    const char *const *aliases; /* NULL-terminated */
    const struct schema_type *type;
};

struct schema_type {
    enum schema_kind kind;
    enum schema_logical logical;
    int scale, precision;       /* of a DECIMAL; precision 0: none given */
    const char *name;           /* full name of a named type, else the name of the kind */
    const char *label;          /* for messages: the name, with the logical type if there is one */
    const char *const *aliases; /* of a named type: as written, NULL-terminated */
    size_t count;               /* fields, symbols, branches; bytes of a FIXED */
    union {
        const struct schema_field *fields;
        const char *const *symbols;
        const struct schema_type *const *branches;
        const struct schema_type *items; /* ARRAY, MAP */
    };
    bool open; /* only while it is read: its fields are not complete */
};

/* All memory is the arena's. NULL and ERR_DATA: no schema, recursive, or past a limit. */
const struct schema_type *schema_read(struct arena *a, const char *json, size_t n, struct err *err);

/* What stands behind the last point of a name. */
const char *schema_last_part(const char *name);
