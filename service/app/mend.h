/* mend - `usaged offsets --mend TOPIC:PARTITION --at OFFSET [--yes]`: resolves a refusal of the
 * takeover (app/verdict.h), by the rule of app/mend_plan.h.
 *
 * Says what would be skipped, repeated and given up; does it only with `yes`, while the group has
 * no member, and keeps a trace in usaged.offset_mend. Kafka's offset is committed first, then
 * PostgreSQL's transaction: what a death in between leaves is refused again, or is mended. Of @http
 * it takes lock and published mark as the keeper does (app/http_mark.h), with `yes` only; then the
 * rights that it needs in Kafka are those of the service.
 */
#pragma once

#include "app/settings.h"

struct mend_options {
    const char *topic; /* NULL: not asked for; "@http" for what is written over HTTP */
    int partition;
    int64_t at; /* -1: not given */
    bool yes;
};

/* Returns the exit code: 0 it is mended, 1 it is not (without `yes` too), 2 there is no such
 * source. */
int mend_run(const struct settings *s, const struct mend_options *options);
