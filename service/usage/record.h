/* record - what comes in from Kafka, as the shapes of wire contract section 1 read it. */
#pragma once

#include "io/plan.h"
#include "usage/usage.h"

/* RawUsage. The parts are the entity's own structs, so that mapping copies nothing. */
struct raw_usage {
    struct text source, record_id;
    int64_t usage_date;
    struct text usage_type;
    struct symbol status; /* of usage_status_names */
    struct text description;
    struct specification_ref *specification;
    struct list parties;         /* struct related_party */
    struct list characteristics; /* struct characteristic */
};

struct rated_usage {
    struct text usage_id, source, record_id;
    int64_t usage_date;
    struct symbol status;
    struct text description;
    struct list ratings; /* struct rating */
    struct raw_usage *usage;
};

/* UsageDocument. */
struct usage_document {
    struct text source, record_id;
    int64_t usage_date;
    struct text document; /* JSON */
};

extern const struct shape record_raw_usage, record_rated_usage, record_usage_document;

/* NULL-terminated: what a registry schema may be. */
extern const struct shape *const record_shapes[];
