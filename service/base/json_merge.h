/* json_merge - JSON Merge Patch (RFC 7396) on texts. Pure, any thread.
 *
 * Objects merge member by member, null removes, anything else replaces. What is kept stays byte for
 * byte: digits, escapes, the blanks inside a value. Members of the target stand in their order, new
 * ones behind in the patch's.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

/* Appends the merged text to `out`. An empty `target` is one that is not there. False, and nothing
 * is written, if one of the two is not one JSON value or is nested deeper than JSONR_DEPTH_MAX; the
 * result never is. A key that is twice in the patch counts as its last; one that is twice in the
 * target stays twice. The arena holds what is needed on the way. */
bool json_merge(struct text target, struct text patch, struct arena *a, struct buf *out);
