#include "usage/specification.h"

#include "base/jsonr.h"
#include "base/jsonw.h"
#include "io/writer.h"
#include "usage/field_path.h"
#include "usage/id.h"
#include "usage/model.h"

/* --- the document --- */

static bool is_of_the_server(struct text key)
{
    return text_is(key, "id") || text_is(key, "href") || text_is(key, "lastUpdate");
}

static struct text finished(struct buf *b, struct arena *a)
{
    struct text t = {arena_copy(a, b->data, b->len), b->len};
    buf_fini(b);
    return t;
}

bool specification_of(struct text json, struct arena *a, struct specification *out, struct err *err)
{
    struct buf b = {0}, tidy = {0};
    struct jsonw w = jsonw_start(&b);
    struct text key, value;
    *out = (struct specification){0};
    model_tidy(MODEL_SPECIFICATION_CREATE, json, a, &tidy);
    struct jsonr r = jsonr_start(finished(&tidy, a));
    jsonw_object(&w);
    if (jsonr_enter(&r, JSONR_OBJECT))
        while (jsonr_next_key(&r, a, &key)) {
            struct jsonr ahead = r;
            if (text_is(key, "name"))
                jsonr_text(&ahead, a, &out->name);
            if (!jsonr_skip(&r, &value))
                break;
            if (is_of_the_server(key))
                continue;
            jsonw_member(&w, key);
            jsonw_raw(&w, value);
        }
    jsonw_end(&w);
    out->document = finished(&b, a);
    bool good = jsonr_done(&r) && out->name.n > 0;
    if (!good) {
        err_set(err, ERR_DATA, "%s", r.fault ? r.fault : "name: is missing or empty");
        err->code = 400;
    }
    return good;
}

static struct text href_of(const struct specification *s, const char *base_url, struct buf *b)
{
    buf_printf(b, "%s/usageSpecification/%.*s", base_url, TEXT_ARGS(s->id));
    return (struct text){b->data, b->len};
}

void specification_render(struct buf *b, const struct specification *s, const char *base_url,
                          const struct render_fields *fields)
{
    struct arena *a = arena_new(1024);
    struct buf href = {0};
    struct jsonw w = jsonw_start(b);
    struct jsonr r = jsonr_start(s->document);
    struct text key, value;
    jsonw_object(&w);
    jsonw_key(&w, "id");
    jsonw_text(&w, s->id);
    jsonw_key(&w, "href");
    jsonw_text(&w, href_of(s, base_url, &href));
    if (render_chosen(fields, TEXT("lastUpdate"))) {
        jsonw_key(&w, "lastUpdate");
        jsonw_instant(&w, s->updated_at);
    }
    if (jsonr_enter(&r, JSONR_OBJECT))
        while (jsonr_next_key(&r, a, &key) && jsonr_skip(&r, &value))
            if (render_chosen(fields, key)) {
                jsonw_member(&w, key);
                jsonw_raw(&w, value);
            }
    jsonw_end(&w);
    buf_fini(&href);
    arena_free(a);
}

/* --- changes --- */

static const struct text known[] = {
    TEXT("name"),
    TEXT("description"),
    TEXT("version"),
    TEXT("lifecycleStatus"),
    TEXT("isBundle"),
    TEXT("validFor"),
    TEXT("specCharacteristic"),
    TEXT("relatedParty"),
    TEXT("attachment"),
    TEXT("constraint"),
    TEXT("entitySpecRelationship"),
    TEXT("targetEntitySchema"),
    TEXT("@type"),
    TEXT("@baseType"),
    TEXT("@schemaLocation"),
};

const char *specification_changed(const struct specification *before,
                                  const struct specification *after, struct arena *a)
{
    return field_path(before->document, after->document, known, sizeof known / sizeof *known, a);
}

/* --- events --- */

static const char *const event_names[] = {[SPECIFICATION_CREATE] = "UsageSpecificationCreateEvent",
                                          [SPECIFICATION_ATTRIBUTE_CHANGE] =
                                              "UsageSpecificationAttributeValueChangeEvent",
                                          [SPECIFICATION_DELETE] = "UsageSpecificationDeleteEvent"};

void specification_event_write(struct buf *b, const struct specification_event *e)
{
    char id[ID_CHARS];
    struct buf json = {0};
    struct usage_id event_id =
        id_of_specification_event(e->specification->id, e->specification->revision);
    id_print(&event_id, id);
    specification_render(&json, e->specification, e->base_url, NULL);
    writer_frame(b, e->schema_id);
    writer_branch(b, (int)e->type); /* the union's order is the enum's */
    writer_text(b, text_of(id));
    writer_long(b, e->event_time);
    writer_long(b, e->occurred);
    writer_text(b, text_of(event_names[e->type]));
    writer_optional_text(b, (struct text){0}); /* correlationId */
    writer_text(b, TEXT("Usage"));
    writer_optional_text(b, (struct text){0}); /* description */
    writer_text(b, (struct text){json.data, json.len});
    if (e->type == SPECIFICATION_ATTRIBUTE_CHANGE)
        writer_text(b, text_of(e->field_path));
    buf_fini(&json);
}
