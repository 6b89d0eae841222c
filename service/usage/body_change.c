/* What a PATCH has changed, and what it may not change. */
#include "base/instant.h"
#include "usage/body_parts.h"
#include "usage/field_path.h"
#include "usage/id.h"
#include "usage/mapping_parts.h"
#include "usage/render.h"

static bool refuse(struct err *err, const char *attribute, const char *is, const char *was)
{
    err_set(err, ERR_DATA, "%s cannot become %s, it is %s: it is the usage's identity", attribute,
            is, was);
    err->code = REASON_VALUE;
    return false;
}

/* A text that is too long for a key is no part of one, here as at the usage's creation. */
static bool same_part(const struct usage *before, const struct usage *after, struct text name,
                      size_t bytes_max, struct err *err)
{
    struct text was = body_key_part(before, name, bytes_max),
                is = body_key_part(after, name, bytes_max);
    if (text_eq(was, is))
        return true;
    char quoted_was[TEXT_QUOTED], quoted_is[TEXT_QUOTED], attribute[64] = "usageCharacteristic ";
    memcpy(attribute + strlen(attribute), name.p, name.n + 1); /* a literal */
    return refuse(err, attribute, is.p ? text_quote(is, quoted_is) : "absent",
                  was.p ? text_quote(was, quoted_was) : "absent");
}

bool body_same_identity(const struct usage *before, const struct usage *after, struct err *err)
{
    if (before->usage_date != after->usage_date) {
        char was[INSTANT_CHARS], is[INSTANT_CHARS];
        instant_print(before->usage_date, was);
        instant_print(after->usage_date, is);
        return refuse(err, "usageDate", is, was);
    }
    return id_version(&before->id) != 8 ||
           (same_part(before, after, MAPPING_SOURCE_NAME, MAPPING_SOURCE_BYTES, err) &&
            same_part(before, after, MAPPING_RECORD_ID_NAME, MAPPING_NAME_BYTES, err));
}

/* --- fieldPath --- */

/* As render_usage() shows it; id and href are those of nobody, and so the same in both. */
static struct text print(const struct usage *u, struct arena *a)
{
    struct buf b = {0}, ratings = {0}, document = {0};
    render_ratings(&ratings, &u->ratings);
    render_document(&document, u);
    struct render_row row = {.status = text_of(usage_status_names[u->status]),
                             .description = u->description,
                             .ratings = {ratings.data, ratings.len},
                             .document = {document.data, document.len}};
    render_usage(&b, &row, "", NULL);
    struct text printed = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    buf_fini(&ratings);
    buf_fini(&document);
    return printed;
}

static const struct text known[] = {
    TEXT("description"),  TEXT("usageDate"),          TEXT("usageType"),
    TEXT("status"),       TEXT("usageSpecification"), TEXT("usageCharacteristic"),
    TEXT("relatedParty"), TEXT("ratedProductUsage"),  TEXT("@type"),
    TEXT("@baseType"),    TEXT("@schemaLocation"),
};

const char *body_field_path(const struct usage *before, const struct usage *after, struct arena *a)
{
    return field_path(print(before, a), print(after, a), known, sizeof known / sizeof *known, a);
}
