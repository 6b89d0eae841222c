/* The way back: the entity out of the texts of a row. */
#include "usage/render.h"
#include "usage/render_parts.h"

static bool finished(struct parts_source *s, const char *what, struct err *err)
{
    if (jsonr_done(&s->r))
        return true;
    return err_set(err, ERR_FATAL, "a stored %s is not one of ours: at byte %td %s", what,
                   s->r.p - s->r.start, s->r.fault);
}

bool render_read_ratings(struct text json, struct arena *a, struct list *out, struct err *err)
{
    *out = (struct list){0};
    if (json.n == 0)
        return true;
    struct parts_source s = {.r = jsonr_start(json), .a = a};
    parts_read_list(&s, &parts_rating, out);
    return finished(&s, "rating", err);
}

bool render_read(const struct render_row *row, struct arena *a, struct usage *out, struct err *err)
{
    int64_t revision = out->revision;
    *out = (struct usage){.id = row->id,
                          .revision = revision,
                          .usage_date = INSTANT_NONE,
                          .description = row->description};
    out->status = usage_status_of(row->status);
    if (out->status == STATUS_COUNT)
        return err_set(err, ERR_FATAL, "a stored status is none of the seven");
    struct parts_source s = {.r = jsonr_start(row->document), .a = a};
    parts_read(&s, &parts_document, out);
    if (!finished(&s, "document", err))
        return false;
    out->extensions = parts_braced(out->extensions, a);
    if (out->usage_date == INSTANT_NONE || out->specification.id.n == 0)
        return err_set(
            err, ERR_FATAL,
            "a stored document is not one of ours: no usageDate or no usageSpecification");
    return render_read_ratings(row->ratings, a, &out->ratings, err);
}
