/* specification - a TMF635 UsageSpecification: a document that is kept as it came, of which only id
 * and name mean something here.
 *
 * The stored document is the JSON object without id, href and lastUpdate. Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "usage/render.h"

struct specification {
    struct text id, name;
    int64_t revision;
    int64_t updated_at; /* ms: lastUpdate */
    struct text document;
};

/* Makes one of a body that the model has checked: tidied (model_tidy()), without what the server
 * sets (id, href, lastUpdate). The texts are in the arena. ERR_DATA, code 400: no name. */
bool specification_of(struct text json, struct arena *a, struct specification *out,
                      struct err *err) MUST_CHECK;

/* The whole resource, or the chosen attributes; `base_url` ends before "/usageSpecification/...".
 */
void specification_render(struct buf *b, const struct specification *s, const char *base_url,
                          const struct render_fields *fields);

/* fieldPath of a change: names of the first level that differ, in the order of the model, those
 * that TMF635 does not know behind; "" if nothing does. In the arena. */
const char *specification_changed(const struct specification *before,
                                  const struct specification *after, struct arena *a);

enum specification_event_type {
    SPECIFICATION_CREATE,
    SPECIFICATION_ATTRIBUTE_CHANGE,
    SPECIFICATION_DELETE
};

struct specification_event {
    enum specification_event_type type;
    int32_t schema_id;
    const struct specification *specification; /* after the change; of DELETE: as it was, with the
                                                  revision of the deletion */
    const char *base_url;
    int64_t event_time, occurred; /* ms */
    const char *field_path;       /* ATTRIBUTE_CHANGE */
};

/* Framing and Avro binary (schemas/UsageSpecificationEvents.avsc, a union), at the end of `b`. */
void specification_event_write(struct buf *b, const struct specification_event *e);
