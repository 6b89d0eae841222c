/* usage - the entity: a TMF635 v4 Usage with its parts, its states and what may follow what.
 *
 * Plain data. Texts and lists are borrowed from a message, a document or an arena; nothing that
 * outlives them may keep them. An absent text has p = NULL, an absent time is INSTANT_NONE, an
 * absent truth is -1, an absent part is NULL.
 *
 * `more` of a part: the members that TMF635 does not know or we have no field for, as JSON without
 * the braces (`"@type":"X","n":[1,2]`), kept and returned as they came (HTTP contract section 1).
 * Only HTTP and imports bring any; those of a usage are its `extensions`.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/value.h"
#include "usage/reason.h"

/* UsageStatusType, in the order of the Avro enum UsageStatus in schemas/. */
enum usage_status {
    STATUS_RECEIVED,
    STATUS_REJECTED,
    STATUS_RECYCLED,
    STATUS_GUIDED,
    STATUS_RATED,
    STATUS_RERATED,
    STATUS_BILLED,
    STATUS_COUNT
};

extern const char
    *const usage_status_names[STATUS_COUNT + 1]; /* NULL-terminated: also a shape's symbols */

/* STATUS_COUNT if it is none of the seven. */
enum usage_status usage_status_of(struct text name);

/* Where a change comes from decides which transitions there are (HTTP contract section 4, wire
 * contract section 4). */
enum usage_road { ROAD_INGEST, ROAD_HTTP };
bool usage_may_become(enum usage_status from, enum usage_status to, enum usage_road road);

/* rated, rerated or billed: a status that needs a complete rating. */
bool usage_is_priced(enum usage_status s);

struct usage_id {
    unsigned char bytes[16];
};

struct money {
    struct text unit;
    struct value value; /* DECIMAL once mapped; over HTTP it may be ABSENT, as the unit may */
    struct text more;
};

struct specification_ref {
    struct text id, name, href, referred_type;
    struct text more;
};

struct related_party {
    struct text id, role, name, href, referred_type;
    struct text more;
};

struct characteristic {
    struct text name, value_type, id;
    struct value value;
    struct text relationships; /* JSON array characteristicRelationship, or absent (HTTP only) */
    struct text more;
};

struct product_ref {
    struct text id, name, href, referred_type;
    struct text more;
};

struct rating {
    int64_t rating_date; /* ms */
    struct text rating_amount_type;
    struct money *tax_excluded, *tax_included, *bucket_value;
    struct value tax_rate; /* DECIMAL once mapped, or ABSENT */
    int8_t is_tax_exempt, is_billed;
    struct text offer_tariff_type, usage_rating_tag;
    struct product_ref *product_ref;
    struct text more;
};

struct usage {
    struct usage_id id;
    int64_t revision;
    int64_t usage_date; /* ms */
    struct text description, usage_type;
    enum usage_status status;
    struct specification_ref specification;
    struct list characteristics; /* struct characteristic */
    struct list parties;         /* struct related_party */
    struct list ratings;         /* struct rating */
    struct text type, base_type, schema_location;
    struct text extensions; /* one JSON object, or absent */
};

/* The party whose id is party_id and the default event key: role subscriber, else the first, else
 * NULL. */
const struct related_party *usage_subscriber(const struct usage *u);

/* The newest ratingDate, INSTANT_NONE if no rating has one. */
int64_t usage_newest_rating(const struct list *ratings);

/* Same ratings by value, in the same order: 0.6 is 0.60. `more` is not looked at: a record cannot
 * say it, so one that brings a usage's own rating again is a repeat, whatever HTTP put beside it.
 */
bool usage_ratings_equal(const struct list *a, const struct list *b);

/* What status demands of the ratings (HTTP contract section 4). ERR_DATA, code REASON_INCOMPLETE:
 * the text names the element and the attribute. Fills in the defaults of missing attributes
 * (usageRatingTag ...). */
bool usage_complete_ratings(enum usage_status status, struct list *ratings,
                            struct err *err) MUST_CHECK;
