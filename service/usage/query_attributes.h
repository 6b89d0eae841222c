/* query_attributes - what may be filtered and sorted by: every scalar of TMF635's Usage and
 * UsageSpecification with its type and its place in PostgreSQL (HTTP contract sections 3.1 to 3.3).
 * Pure, any thread; tables are constant.
 */
#pragma once

#include "base/buf.h"
#include "base/text.h"

enum attribute_type {
    ATTRIBUTE_OBJECT, /* `parts` are what is inside; it has no value of its own */
    ATTRIBUTE_ARRAY,  /* of such objects */
    ATTRIBUTE_TEXT,
    ATTRIBUTE_STATUS, /* UsageStatusType */
    ATTRIBUTE_DATE,
    ATTRIBUTE_NUMBER,
    ATTRIBUTE_TRUTH,
    ATTRIBUTE_ANY /* any JSON */
};

/* Those that are more than a value to compare with. */
enum attribute_role {
    ROLE_PLAIN,
    ROLE_ID,
    ROLE_HREF,       /* made of the id */
    ROLE_USAGE_DATE, /* the first 48 bits of the id */
    ROLE_PARTY,      /* relatedParty.id, of which two columns have a copy */
    ROLE_AS_WRITTEN  /* a date that is stored as its writer wrote it, not in the form of ours */
};

struct attribute {
    const char *name; /* NULL ends a table */
    enum attribute_type type;
    enum attribute_role role;
    bool sorts;                    /* of an object: its scalars can be sorted by */
    const struct attribute *parts; /* of an object or array */
    const char *column; /* SQL of its text; of an array: of its JSON. NULL: inside `document` */
};

/* A collection: its name is the last part of its path, its rows are a table's. */
struct query_resource {
    const char *name;
    const struct attribute *attributes;
    const char *table, *there; /* FROM, WHERE of rows that are not deleted */
    bool uuid;                 /* ids are UUIDs that begin with usageDate; else any text */
};

extern const struct query_resource query_usages, query_specifications;

/* The JSON of an event, of which nothing is stored: a listener's query is about it. */
extern const struct query_resource query_events;

/* A dotted name, resolved. */
enum { ATTRIBUTE_DEPTH = 6 };

struct attribute_path {
    int depth;
    const struct attribute *steps[ATTRIBUTE_DEPTH]; /* from the first level on */
};

/* False: there is no such attribute. It may be an object or array. */
bool attribute_find(const struct query_resource *resource, struct text name,
                    struct attribute_path *out);

static inline const struct attribute *attribute_last(const struct attribute_path *path)
{
    return path->steps[path->depth - 1];
}

static inline bool attribute_is_scalar(const struct attribute *a)
{
    return a->type != ATTRIBUTE_OBJECT && a->type != ATTRIBUTE_ARRAY;
}

/* Appends its dotted name: usageCharacteristic.value */
void attribute_name(const struct attribute_path *path, struct buf *out);

bool attribute_same(const struct attribute_path *a, const struct attribute_path *b);

/* A scalar of the first level, or of usageSpecification. */
bool attribute_sorts(const struct attribute_path *path);
