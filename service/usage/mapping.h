/* mapping - a decoded record becomes a request to change a usage, or a dead letter with its reason.
 * Pure.
 *
 * Here stand all checks of wire contract sections 1 and 5 that need no database: missing, value,
 * text (of JSON), date, status, incomplete. ERR_DATA's code is the reason; when several apply, the
 * first in the order of reason.h. The text names the field, the value (cut, escaped) and the limit.
 */
#pragma once

#include "usage/record.h"

struct mapping_settings {
    const char *default_specification_id;
    int64_t usage_oldest_ms, usage_newest_ms; /* durations before and after the clock */
};

enum change_kind { CHANGE_RAW, CHANGE_RATED, CHANGE_DOCUMENT };

/* One record, ready for outcome(). */
struct change {
    enum change_kind kind;
    struct usage_id id;
    struct usage *usage; /* the usage to store when there is none; NULL: a rating without one. Its
                            id, status and ratings are set, revision is 1. */
    uint64_t content;    /* digest of the raw part of `usage` */
    /* of a rated record: */
    enum usage_status status;
    struct text description; /* absent: keeps the usage's */
    struct list ratings;     /* defaults filled in when the status is priced */
    int64_t newest_rating;
    uint64_t rated;                /* digest of status, ratings, description */
    struct text source, record_id; /* correlation of the event where known, else absent */
};

/* `kafka_ms` -1: none; `now_ms` our clock. What mapping_raw() makes refers to the message, the plan
 * and `a`, not to the record, which may go; what mapping_rated() makes keeps the record's lists. */
bool mapping_raw(const struct mapping_settings *s, const struct raw_usage *raw, int64_t kafka_ms,
                 int64_t now_ms, struct arena *a, struct change *out, struct err *err) MUST_CHECK;
bool mapping_document(const struct mapping_settings *s, const struct usage_document *document,
                      int64_t kafka_ms, int64_t now_ms, struct arena *a, struct change *out,
                      struct err *err) MUST_CHECK;
bool mapping_rated(const struct mapping_settings *s, const struct rated_usage *rated,
                   int64_t kafka_ms, int64_t now_ms, struct arena *a, struct change *out,
                   struct err *err) MUST_CHECK;
