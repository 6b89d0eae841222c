/* model_parts - the tables that the files of model share. Private to model*.c. */
#pragma once

#include "usage/model.h"

enum model_kind {
    MODEL_ANY,
    MODEL_OBJECT,
    MODEL_ARRAY,
    MODEL_TEXT,
    MODEL_NUMBER,
    MODEL_INTEGER,
    MODEL_TRUTH
};

enum model_format { MODEL_FREE, MODEL_DATE_TIME, MODEL_URI };

struct model;

struct model_member {
    struct text name;
    bool refused;              /* may not be there: `model` is NULL */
    const struct model *model; /* NULL if refused */
};

/* One schema. */
struct model {
    enum model_kind kind;
    bool nullable;
    /* OBJECT: at most MODEL_MEMBERS_MAX members; a bit of `required` for each by its place */
    const struct model_member *members;
    size_t count;
    uint64_t required;
    const struct model *items; /* ARRAY */
    /* TEXT */
    enum model_format format;
    size_t bytes_min, bytes_max;
    const struct text *names; /* what it must be one of; NULL: anything */
    size_t name_count;
    /* NUMBER: digits before and behind the point; exact false: any number */
    bool exact;
    int whole_digits, places;
};

enum { MODEL_MEMBERS_MAX = 64 };

/* Compiles the request schemas out of an OpenAPI description. All that is made is in the arena.
 * False: ERR_FATAL; a keyword that is not understood is refused, since a check that were left out
 * in silence would let bodies pass. */
bool model_compile(struct text description, struct arena *a, const struct model *out[MODEL_TYPES],
                   struct err *err) MUST_CHECK;

/* Compiled by model_start(), which this calls. */
const struct model *model_of(enum model_type type);

/* The place of a member, looked for from `from` on and then round: most bodies have the model's
 * order. m->count: there is none of this name. */
size_t model_find(const struct model *m, struct text key, size_t from);

/* A URI with a scheme (RFC 3986), no reference relative to another. */
bool model_is_uri(struct text t);
