/* body - a usage that comes as TMF635 JSON: a POST body, the merged result of a PATCH, the document
 * of a UsageDocument. Pure, any thread.
 *
 * The JSON was looked at by model.h (types, what is required, nulls, lengths, duplicate keys);
 * nothing here relies on it. Rules: HTTP contract sections 1, 3, 4 and 6, wire contract sections
 * 1.3, 1.5, 2 and 4. A failure is ERR_DATA, HTTP's 400; its code is the reason of a dead letter: of
 * several the first of reason.h, MISSING only for usageSpecification and the bold fields of
 * UsageDocument.
 */
#pragma once

#include "usage/mapping.h"

/* All texts point into the JSON, the settings or the arena. */
struct body {
    struct usage *usage;           /* in the arena; id is set; revision 1, but see body_merged() */
    bool natural;                  /* the id is that of a natural key, version 8; else version 7 */
    struct text source, record_id; /* the natural key, else absent */
    uint64_t content;              /* digest of the raw part, body_content() */
};

/* A POST body, or a line of an import. id and href are passed over. Without usageDate it is of
 * `now_ms`. Natural: usageDate is there, and string characteristics sourceSystem (1 to 128 bytes)
 * and sourceRecordId (1 to 256); of several of a name the first that is such a string. */
bool body_usage(struct text json, const struct mapping_settings *s, int64_t now_ms, struct arena *a,
                struct body *out, struct err *err) MUST_CHECK;

/* What PATCH made of `before`: json_merge() of the resource and the patch. id and revision are
 * those of `before`; the window of usageDate is not looked at, since it cannot move. `content` is
 * 0: it stays that of the record. Also refused: another identity, as by body_same_identity(). */
bool body_merged(struct text json, const struct mapping_settings *s, const struct usage *before,
                 struct arena *a, struct body *out, struct err *err) MUST_CHECK;

/* The fields of a UsageDocument beside its document; usage_date INSTANT_NONE: absent. */
struct body_key {
    struct text source, record_id;
    int64_t usage_date;
};

/* The natural key in the characteristics of a usage, as body_usage() has it, and its date; false:
 * there is none, and source and record_id are absent. */
bool body_natural_key(const struct usage *u, struct body_key *out);

/* A UsageDocument: the key is the record's, its characteristics are added where the document has
 * none of the name. `kafka_ms` -1: none. */
bool body_document(struct text json, const struct mapping_settings *s, const struct body_key *key,
                   int64_t kafka_ms, int64_t now_ms, struct arena *a, struct body *out,
                   struct err *err) MUST_CHECK;

/* What a line of an import says of its key: the natural key as by body_usage(), absent without one.
 * Only the form of the JSON is looked at. */
bool body_line_key(struct text json, struct arena *a, struct body_key *out,
                   struct err *err) MUST_CHECK;

/* The digest of the raw part: that of the RawUsage of the same meaning (body_content.c says which),
 * for any usage, also one that is stored. The key is absent without a natural key. */
uint64_t body_content(const struct usage *u, struct text source, struct text record_id,
                      const char *default_specification_id, struct arena *a);

/* usageDate is the same, and, where `before` has a natural key (an id of version 8), so are the
 * characteristics sourceSystem and sourceRecordId; to leave them out is another key. Else ERR_DATA,
 * REASON_VALUE. */
bool body_same_identity(const struct usage *before, const struct usage *after,
                        struct err *err) MUST_CHECK;

/* fieldPath (HTTP contract section 8): the first-level names whose values differ, separated by
 * commas; "" if nothing differs, which is a PATCH that changes nothing. `status` is among them.
 * Values are compared by meaning: 0.6 is 0.60, the order of an object's members does not count,
 * that of an array does. */
const char *body_field_path(const struct usage *before, const struct usage *after, struct arena *a);
