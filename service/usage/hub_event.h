/* hub_event - an event of an outbound topic as TMF635's JSON, which is what a listener is sent
 * (HTTP contract section 8).
 *
 * The Avro event holds all that there is to say; nothing is looked up. Of a decimal the value is
 * kept, not the zeros behind it. Pure; any thread.
 */
#pragma once

#include "base/buf.h"
#include "io/plan.h"
#include "usage/usage.h"

enum hub_event_type {
    HUB_USAGE_CREATE,
    HUB_USAGE_STATE_CHANGE,
    HUB_USAGE_ATTRIBUTE_CHANGE,
    HUB_USAGE_DELETE,
    HUB_SPECIFICATION_CREATE,
    HUB_SPECIFICATION_ATTRIBUTE_CHANGE,
    HUB_SPECIFICATION_DELETE,
    HUB_EVENT_TYPES
};

enum { HUB_EVENT_AROUND = 2 }; /* levels of JSON around the resource, which may be as deep as any */

/* "UsageCreateEvent", "/listener/usageCreateEvent", ... */
extern const char *const hub_event_names[HUB_EVENT_TYPES];
extern const char *const hub_event_paths[HUB_EVENT_TYPES];

/* For the registry: what the messages of the outbound topics may be. NULL-terminated. */
extern const struct shape *const hub_event_shapes[];

/* Writes the body behind `b`. `plan` is of hub_event_shapes; `bytes` stand behind the framing. What
 * is needed on the way comes from the arena. ERR_DATA: not an event of ours; the text says why. */
bool hub_event_render(const struct plan *plan, const void *bytes, size_t n, const char *base_url,
                      struct arena *a, enum hub_event_type *type, struct buf *b,
                      struct err *err) MUST_CHECK;
