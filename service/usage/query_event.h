/* query_event - the query of a listener: which events it wants (HTTP contract section 8).
 *
 * The grammar is that of a list's filters (query.h), the attributes are those of the event's JSON:
 * "eventType=UsageStateChangeEvent", "event.usage.status=rated&event.usage.usageType=VOICE". It is
 * judged here, with the meaning that the database gives the same filter on a list (query_where.h):
 * regular expressions are those of base/pattern.h. One thread.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

enum { QUERY_EVENT_MAX = 4096 /* bytes of a query */ };

struct query_event;

/* Absent or empty: every event. NULL: ERR_DATA, code 400; the text names the attribute. */
struct query_event *query_event_new(struct text raw, struct err *err);
void query_event_free(struct query_event *q); /* NULL is allowed */

/* `json` is an event as hub_event_render() writes it; the arena is left as it was. `*steps` is what
 * regular expressions may cost, in those of pattern.h, and is less what they have cost; with none
 * left a regular expression counts as one that matches. */
bool query_event_matches(const struct query_event *q, struct text json, struct arena *a,
                         int64_t *steps);
