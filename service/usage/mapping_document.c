/* A UsageDocument (wire contract section 1.3). */
#include "usage/body.h"
#include "usage/model.h"

/* body_document() looks at all that has a reason of its own, at much of the rest and goes on after
 * a fault; the model knows all of the rest and stops at the first. So of several faults the first
 * of reason.h counts. */
static bool is_sound(const struct usage_document *d, bool taken, struct arena *a, struct err *err)
{
    struct err fault = {0};
    if (!taken && err->code < REASON_VALUE)
        return false;
    struct arena_mark before = arena_mark(a);
    bool fits = model_check(MODEL_USAGE_IMPORT, d->document, a, &fault);
    arena_rewind(a, before);
    if (fits)
        return taken;
    *err = fault;
    err->code = REASON_VALUE;
    return false;
}

bool mapping_document(const struct mapping_settings *s, const struct usage_document *d,
                      int64_t kafka_ms, int64_t now_ms, struct arena *a, struct change *out,
                      struct err *err)
{
    struct body_key key = {d->source, d->record_id, d->usage_date};
    struct body body;
    *out = (struct change){.kind = CHANGE_DOCUMENT, .newest_rating = INSTANT_NONE};
    bool taken = body_document(d->document, s, &key, kafka_ms, now_ms, a, &body, err);
    if (!is_sound(d, taken, a, err))
        return false;
    out->usage = body.usage;
    out->id = body.usage->id;
    out->content = body.content;
    out->status = body.usage->status;
    out->source = body.source;
    out->record_id = body.record_id;
    return true;
}
