/* import_line - a line of an import becomes a UsageDocument (HTTP contract section 9). Pure.
 *
 * The document is the line as it is; its key is the natural one, else source `import` and the
 * line's SHA-256, so that the same line is the same usage whenever it is imported.
 */
#pragma once

#include "base/buf.h"
#include "usage/id.h"
#include "usage/mapping.h"

struct import_line {
    struct usage_document document; /* texts of the line, or of `digest` */
    struct usage_id id;             /* of the usage that it will be */
    char digest[ID_DIGEST_CHARS];
};

/* Refused is what would become a dead letter by itself, and a line without usageDate: ERR_DATA, the
 * code is a reason, the text names the attribute. `line` has no line end. */
bool import_line(struct text line, const struct mapping_settings *s, int64_t now_ms,
                 struct arena *a, struct import_line *out, struct err *err) MUST_CHECK;

/* The record's value, framed for the registry. */
void import_line_write(struct buf *b, int32_t schema_id, const struct import_line *l);
