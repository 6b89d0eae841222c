/* render - TMF635 JSON of a usage: written for storing, spliced for reading, read back for
 * changing.
 *
 * The stored *document* is a JSON object with all that a rating never changes: usageDate,
 * usageType, usageSpecification, usageCharacteristic, relatedParty, @type, @baseType,
 * @schemaLocation and extensions; id, href, status, description and ratedProductUsage are columns.
 * Digits of numbers are kept as they are. What TMF635 does not know stands at the end of its object
 * at every level, and comes back from there (`more` and `extensions` of usage.h).
 */
#pragma once

#include "base/buf.h"
#include "usage/usage.h"

void render_document(struct buf *b, const struct usage *u);

/* What stands between an object's braces, without the blanks around it; empty if there is nothing.
 */
struct text render_members(struct text object);

/* The JSON array ratedProductUsage. */
void render_ratings(struct buf *b, const struct list *ratings);

/* What a stored row says, as text. */
struct render_row {
    struct usage_id id;
    struct text status, description, ratings, document; /* description and ratings may be absent */
};

/* Names chosen by `fields` (first-level names, separated by commas; dotted names choose their first
 * level, and what is called so as a whole). */
struct render_fields {
    bool all;
    struct text names; /* when not all; id and href are always written */
    const struct text *sorted;
    size_t count; /* of sorted */
};

/* Not all, but these; they are cut up once, since clients choose how many there are, and how many
 * attributes each resource has. In the arena. */
struct render_fields render_fields_of(struct text names, struct arena *a);

/* Whether an attribute is to be shown; NULL: all are. */
bool render_chosen(const struct render_fields *fields, struct text name);

/* The whole resource, or the chosen attributes. `base_url` ends before "/usage/..."; streams from
 * the row, builds no tree. */
void render_usage(struct buf *b, const struct render_row *row, const char *base_url,
                  const struct render_fields *fields);

/* The entity of a stored row; texts point into the row or the arena. False: the document is not one
 * of ours (ERR_FATAL). revision is not touched. */
bool render_read(const struct render_row *row, struct arena *a, struct usage *out,
                 struct err *err) MUST_CHECK;

/* A JSON array ratedProductUsage, as render_ratings() wrote it. */
bool render_read_ratings(struct text json, struct arena *a, struct list *out,
                         struct err *err) MUST_CHECK;
