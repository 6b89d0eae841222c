/* trace - is a header of W3C's Trace Context well formed? Whoever wrote the record chose its bytes;
 * into an HTTP request goes only what cannot be anything else there.
 */
#pragma once

#include <stdbool.h>

#include "base/text.h"

enum { TRACE_PARENT_MAX = 256, TRACE_STATE_MAX = 512 };

/* Version, trace id, parent id and flags, in lower-case hex; a later version may have more behind
 * it. */
bool trace_is_parent(struct text t);

/* key=value between commas, in printable ASCII. */
bool trace_is_state(struct text t);
