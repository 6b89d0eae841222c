/* model - is a request body what schemas/openapi.json says of it?
 *
 * The request schemas of the embedded description are compiled once into tables, immutable
 * afterwards; any thread. A body is walked token by token, without a tree, and nothing of it is
 * changed: digits stay as they came. What a schema cannot say is checked too: no key stands twice
 * in an object, however deep; strings are UTF-8 without NUL and lone surrogates; nesting ends at
 * JSONR_DEPTH_MAX. Attributes that the model does not know may be anything, null too.
 *
 * Left to others, since it needs more than the body: the window of usageDate, what a status demands
 * of ratings (usage_complete_ratings(); `anyOf` in the description), and whether a patch leaves a
 * valid resource behind: the merged one is checked again, a specification as *_CREATE.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

enum model_type {
    MODEL_USAGE_CREATE,
    MODEL_USAGE_UPDATE, /* a merge patch (RFC 7396): null removes, where that may be removed */
    MODEL_SPECIFICATION_CREATE,
    MODEL_SPECIFICATION_UPDATE,
    /* The whole of a usage after a patch, without id and href: as USAGE_CREATE, but what a record
     * from Kafka may bring and nobody has changed passes: a href of any form, keys that stand twice
     * inside a value. What the patch brings was checked by itself. */
    MODEL_USAGE_MERGED,
    MODEL_SUBSCRIPTION, /* of a listener of the hub */
    /* The document of an import: as USAGE_CREATE, but id and href are passed over, and what has a
     * reason of its own as a dead letter is left to body_document(): which status it is, and
     * whether usageSpecification is there. One that has an id is a usage as a service has shown it,
     * and passes as USAGE_MERGED does: what was taken from Kafka and exported can be imported. */
    MODEL_USAGE_IMPORT,
    MODEL_TYPES
};

/* False: ERR_DATA, code 400; the text names the attribute (`relatedParty[2].@referredType`), the
 * value, cut and escaped as by text_quote(), and what is expected. `a` holds what is needed on the
 * way. Rules: HTTP contract sections 1, 3 and 6. */
bool model_check(enum model_type type, struct text json, struct arena *a,
                 struct err *err) MUST_CHECK;

/* What model_check() has taken, as answers have it: the model's dates in UTC with milliseconds, and
 * nothing of what counts as absent, that is an empty array of the model and an extension that is
 * null. All else stays byte for byte, and so does what is inside extensions and values. Appends to
 * `out`. Rule: HTTP contract section 1. */
void model_tidy(enum model_type type, struct text json, struct arena *a, struct buf *out);
