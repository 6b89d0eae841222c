/* outcome - what becomes of a record, given what is there: the table of wire contract section 4.
 * Pure. */
#pragma once

#include "usage/mapping.h"

#define OUTCOMES(X)                                                                                \
    X(CREATED, "created")                                                                          \
    X(DUPLICATE, "duplicate")                                                                      \
    X(CHANGED, "changed")                                                                          \
    X(UPDATED, "updated")                                                                          \
    X(SUPERSEDED, "superseded")                                                                    \
    X(PARKED, "parked")                                                                            \
    X(DEAD, "dead")

enum outcome {
#define OUTCOME_ENUM(symbol, name) OUTCOME_##symbol,
    OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
        OUTCOME_COUNT
};

extern const char *const outcome_names[OUTCOME_COUNT];

enum { OUTCOME_DIGESTS = 32 };

/* What is stored under the record's id. */
struct there {
    bool deleted;
    uint64_t content;                /* digest of the raw part that created it */
    uint64_t rated[OUTCOME_DIGESTS]; /* digests of the rated records applied, oldest first */
    int rated_count;
    struct usage usage; /* revision, status, description, ratings are current; not looked at when
                           deleted. For a raw record only `deleted` and `content` need be filled. */
};

struct verdict {
    enum outcome outcome;
    enum reason reason; /* of DEAD */
    char text[512];     /* of DEAD: one English sentence with both sides */
};

/* `there` NULL: nothing. */
void outcome(const struct change *change, const struct there *there, struct verdict *out);

/* Carries CHANGED or UPDATED out on `there`: status, description, ratings (`billed` without ratings
 * keeps them and sets isBilled on each, in copies from the arena), revision + 1, the digest
 * remembered. */
void outcome_apply(const struct change *change, struct there *there, struct arena *a);

/* fieldPath of an UPDATED, by the rule of section 4. */
const char *outcome_field_path(const struct change *change, const struct there *before);
