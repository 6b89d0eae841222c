/* value - one scalar of a record whose type the record decides: a characteristic's value, a tax
 * rate. */
#pragma once

#include "base/decimal.h"
#include "base/text.h"

enum value_kind {
    VALUE_ABSENT, /* no such field, or null where null means absent */
    VALUE_NULL,   /* JSON null (only from JSON documents) */
    VALUE_TEXT,
    VALUE_INTEGER,
    VALUE_REAL, /* may be not finite: the mapping refuses that */
    VALUE_TRUTH,
    VALUE_DECIMAL,
    VALUE_JSON, /* text: any JSON, not checked by whoever made the value unless it says so */
    VALUE_WIDE  /* a decimal of more digits than its schema or struct decimal has, which is in
                   `integer`: the mapping refuses it */
};

struct value {
    enum value_kind kind;
    union {
        struct text text; /* borrowed; TEXT and JSON */
        int64_t integer;
        double real;
        bool truth;
        struct decimal decimal;
    };
};

/* Items of an array of records, side by side. */
struct list {
    void *items;
    size_t count;
};

/* A symbol of an enum. index: place in the shape's own list; -1: a symbol that we do not know. */
struct symbol {
    int index;
    struct text text;
};

#define INSTANT_NONE INT64_MIN /* an absent time; times are milliseconds since 1970, UTC */
