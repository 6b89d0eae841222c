/* mapping_parts - what the files of mapping share: how faults are gathered, and the steps. Private
 * to mapping*.c and body*.c. */
#pragma once

#include "usage/mapping.h"

/* A record is looked at whole, since the reason that counts is the first of reason.h and not the
 * first one met. */
struct faults {
    enum reason reason; /* the one that counts so far, REASON_NONE: all is well */
    struct err *err;    /* its text */
    bool in_body;       /* what is missing is a wrong value (wire contract section 1.3) */
    /* Where we are, for the texts: "usage." "relatedParty" [1] ".id". */
    const char *inside, *list, *part;
    size_t index;
};

/* The text is the path of the attribute, then `format`. */
void faults_add(struct faults *f, enum reason r, const char *attribute, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* An empty text is missing, one longer than bytes_max is a wrong value. */
void faults_needed(struct faults *f, const char *attribute, struct text t, size_t bytes_max);

/* The same for a text that may be absent; an empty one becomes absent. */
void faults_optional(struct faults *f, const char *attribute, struct text *t, size_t bytes_max);

enum { MAPPING_SOURCE_BYTES = 128, MAPPING_NAME_BYTES = 256, MAPPING_TYPE_BYTES = 64 };

/* The days that a usage may be of. */
struct mapping_window {
    int64_t from, to; /* ms, both inside */
};
struct mapping_window mapping_window(const struct mapping_settings *s, int64_t kafka_ms,
                                     int64_t now_ms);
void mapping_check_date(struct faults *f, struct mapping_window w, int64_t usage_date);

/* An absent text where an empty one counts as absent. */
static inline void mapping_drop_empty(struct text *t)
{
    if (t->n == 0)
        *t = (struct text){0};
}

/* Length and form of what the entity's parts hold, for a record and a body alike; empty optional
 * texts become absent. The list and index, or the part, are set by the caller. */
void mapping_specification(struct faults *f, struct specification_ref *s);
void mapping_party(struct faults *f, struct related_party *p);

/* Also fills in a missing valueType. */
void mapping_characteristic(struct faults *f, struct arena *a, struct characteristic *c);

/* The names of the natural key's two, and one of them as wire contract section 1.5 adds it. */
#define MAPPING_SOURCE_NAME TEXT("sourceSystem")
#define MAPPING_RECORD_ID_NAME TEXT("sourceRecordId")
struct characteristic mapping_text_characteristic(struct text name, struct text value);

/* All of `u` but id, status and ratings; *content is set if there is no fault. */
void mapping_usage(struct faults *f, const struct mapping_settings *s, const struct raw_usage *raw,
                   struct mapping_window w, struct arena *a, struct usage *u, uint64_t *content);

/* Checks the value; JSON that holds a scalar becomes that scalar, other JSON stands on one line.
 * Returns the valueType of it, NULL for null. */
const char *mapping_value(struct faults *f, struct arena *a, struct value *v);

/* Checks the ratings and turns their numbers into DECIMAL, in place. `whole`: an amount needs its
 * unit and its value. */
void mapping_ratings(struct faults *f, struct list *ratings, bool whole);
