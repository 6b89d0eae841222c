#include "usage/hub_event.h"

#include <stdio.h>

#include "base/jsonr.h"
#include "base/jsonw.h"
#include "io/reader.h"
#include "usage/id.h"
#include "usage/record_shapes.h"
#include "usage/render.h"

const char *const hub_event_names[HUB_EVENT_TYPES] = {
    [HUB_USAGE_CREATE] = "UsageCreateEvent",
    [HUB_USAGE_STATE_CHANGE] = "UsageStateChangeEvent",
    [HUB_USAGE_ATTRIBUTE_CHANGE] = "UsageAttributeValueChangeEvent",
    [HUB_USAGE_DELETE] = "UsageDeleteEvent",
    [HUB_SPECIFICATION_CREATE] = "UsageSpecificationCreateEvent",
    [HUB_SPECIFICATION_ATTRIBUTE_CHANGE] = "UsageSpecificationAttributeValueChangeEvent",
    [HUB_SPECIFICATION_DELETE] = "UsageSpecificationDeleteEvent",
};

const char *const hub_event_paths[HUB_EVENT_TYPES] = {
    [HUB_USAGE_CREATE] = "/listener/usageCreateEvent",
    [HUB_USAGE_STATE_CHANGE] = "/listener/usageStateChangeEvent",
    [HUB_USAGE_ATTRIBUTE_CHANGE] = "/listener/usageAttributeValueChangeEvent",
    [HUB_USAGE_DELETE] = "/listener/usageDeleteEvent",
    [HUB_SPECIFICATION_CREATE] = "/listener/usageSpecificationCreateEvent",
    [HUB_SPECIFICATION_ATTRIBUTE_CHANGE] = "/listener/usageSpecificationAttributeValueChangeEvent",
    [HUB_SPECIFICATION_DELETE] = "/listener/usageSpecificationDeleteEvent",
};

/* --- what is read --- */

struct read_characteristic {
    struct characteristic c;
    struct list relationships; /* struct read_relationship */
};

struct read_relationship {
    struct text id, href, type, more;
};

struct read_usage {
    struct text id, description;
    int64_t usage_date;
    struct text usage_type;
    struct symbol status;
    struct specification_ref *specification;
    struct list characteristics; /* struct read_characteristic */
    struct list parties;         /* struct related_party */
    struct list ratings;         /* struct rating */
    struct text type, base_type, schema_location, extensions;
};

struct read_payload {
    struct read_usage *usage;
    struct value specification; /* JSON */
};

struct read_event {
    struct text event_id, event_type, correlation_id, domain, field_path;
    int64_t event_time, occurred;
    struct symbol previous;
    struct read_payload *payload;
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FIELD SHAPE_FIELD
#define SHAPE SHAPE_OF

static const struct shape_field specification_fields[] = {
    FIELD("id", TEXT, specification_ref, id, .required = true),
    FIELD("href", TEXT, specification_ref, href),
    FIELD("name", TEXT, specification_ref, name),
    FIELD("referredType", TEXT, specification_ref, referred_type),
    FIELD("extensions", TEXT, specification_ref, more),
};
static const struct shape specification =
    SHAPE("UsageSpecificationRef", specification_ref, specification_fields);

static const struct shape_field relationship_fields[] = {
    FIELD("id", TEXT, read_relationship, id),
    FIELD("href", TEXT, read_relationship, href),
    FIELD("relationshipType", TEXT, read_relationship, type),
    FIELD("extensions", TEXT, read_relationship, more),
};
static const struct shape relationship =
    SHAPE("CharacteristicRelationship", read_relationship, relationship_fields);

static const struct shape_field characteristic_fields[] = {
    FIELD("name", TEXT, read_characteristic, c.name, .required = true),
    FIELD("value", VALUE, read_characteristic, c.value, .required = true),
    FIELD("valueType", TEXT, read_characteristic, c.value_type),
    FIELD("id", TEXT, read_characteristic, c.id),
    FIELD("characteristicRelationship", ARRAY, read_characteristic, relationships,
          .record = &relationship),
    FIELD("extensions", TEXT, read_characteristic, c.more),
};
static const struct shape characteristic =
    SHAPE("UsageCharacteristic", read_characteristic, characteristic_fields);

static const struct shape_field party_fields[] = {
    FIELD("id", TEXT, related_party, id, .required = true),
    FIELD("href", TEXT, related_party, href),
    FIELD("role", TEXT, related_party, role),
    FIELD("name", TEXT, related_party, name),
    FIELD("referredType", TEXT, related_party, referred_type),
    FIELD("extensions", TEXT, related_party, more),
};
static const struct shape party = SHAPE("RelatedParty", related_party, party_fields);

static const struct shape_field money_fields[] = {
    FIELD("unit", TEXT, money, unit, .required = true),
    FIELD("value", DECIMAL, money, value, .required = true),
    FIELD("extensions", TEXT, money, more),
};
static const struct shape money = SHAPE("Money", money, money_fields);

static const struct shape_field product_fields[] = {
    FIELD("id", TEXT, product_ref, id, .required = true),
    FIELD("name", TEXT, product_ref, name),
    FIELD("href", TEXT, product_ref, href),
    FIELD("referredType", TEXT, product_ref, referred_type),
    FIELD("extensions", TEXT, product_ref, more),
};
static const struct shape product = SHAPE("ProductRef", product_ref, product_fields);

static const struct shape_field rating_fields[] = {
    FIELD("ratingDate", TIME, rating, rating_date),
    FIELD("ratingAmountType", TEXT, rating, rating_amount_type),
    FIELD("taxExcludedRatingAmount", RECORD, rating, tax_excluded, .record = &money),
    FIELD("taxIncludedRatingAmount", RECORD, rating, tax_included, .record = &money),
    FIELD("bucketValueConvertedInAmount", RECORD, rating, bucket_value, .record = &money),
    FIELD("taxRate", DECIMAL, rating, tax_rate),
    FIELD("isTaxExempt", TRUTH, rating, is_tax_exempt),
    FIELD("isBilled", TRUTH, rating, is_billed),
    FIELD("offerTariffType", TEXT, rating, offer_tariff_type),
    FIELD("usageRatingTag", TEXT, rating, usage_rating_tag),
    FIELD("productRef", RECORD, rating, product_ref, .record = &product),
    FIELD("extensions", TEXT, rating, more),
};
static const struct shape rating = SHAPE("RatedProductUsage", rating, rating_fields);

static const struct shape_field usage_fields[] = {
    FIELD("id", TEXT, read_usage, id, .required = true),
    FIELD("description", TEXT, read_usage, description),
    FIELD("usageDate", TIME, read_usage, usage_date, .required = true),
    FIELD("usageType", TEXT, read_usage, usage_type),
    FIELD("status", ENUM, read_usage, status, .symbols = usage_status_names, .required = true,
          .fallback = "received"),
    FIELD("usageSpecification", RECORD, read_usage, specification, .record = &specification,
          .required = true),
    FIELD("usageCharacteristic", ARRAY, read_usage, characteristics, .record = &characteristic),
    FIELD("relatedParty", ARRAY, read_usage, parties, .record = &party),
    FIELD("ratedProductUsage", ARRAY, read_usage, ratings, .record = &rating),
    FIELD("type", TEXT, read_usage, type),
    FIELD("baseType", TEXT, read_usage, base_type),
    FIELD("schemaLocation", TEXT, read_usage, schema_location),
    FIELD("extensions", TEXT, read_usage, extensions),
};
static const struct shape usage = SHAPE("Usage", read_usage, usage_fields);

static const struct shape_field payload_fields[] = {
    FIELD("usage", RECORD, read_payload, usage, .record = &usage),
    FIELD("usageSpecification", VALUE, read_payload, specification),
};
static const struct shape payload = SHAPE("Payload", read_payload, payload_fields);

/* One for all seven, since they differ in two fields only. */
static const struct shape_field event_fields[] = {
    FIELD("eventId", TEXT, read_event, event_id, .required = true),
    FIELD("eventTime", TIME, read_event, event_time, .required = true),
    FIELD("timeOcurred", TIME, read_event, occurred, .required = true),
    FIELD("eventType", TEXT, read_event, event_type, .required = true),
    FIELD("correlationId", TEXT, read_event, correlation_id),
    FIELD("domain", TEXT, read_event, domain),
    FIELD("previousStatus", ENUM, read_event, previous, .symbols = usage_status_names,
          .fallback = "received"),
    FIELD("fieldPath", TEXT, read_event, field_path),
    FIELD("event", RECORD, read_event, payload, .record = &payload, .required = true),
};

#define EVENT(name_)                                                                               \
    {                                                                                              \
        .name = (name_),                                                                           \
        .bytes = sizeof(struct read_event),                                                        \
        .fields = event_fields,                                                                    \
        .count = COUNT(event_fields),                                                              \
    }
static const struct shape events[HUB_EVENT_TYPES] = {
    EVENT("UsageCreateEvent"),
    EVENT("UsageStateChangeEvent"),
    EVENT("UsageAttributeValueChangeEvent"),
    EVENT("UsageDeleteEvent"),
    EVENT("UsageSpecificationCreateEvent"),
    EVENT("UsageSpecificationAttributeValueChangeEvent"),
    EVENT("UsageSpecificationDeleteEvent"),
};

const struct shape *const hub_event_shapes[] = {&events[0], &events[1], &events[2], &events[3],
                                                &events[4], &events[5], &events[6], NULL};

/* --- as the entity --- */

static void unbrace(struct text *more)
{
    *more = render_members(*more);
}

static struct text relationships_json(const struct list *list, struct arena *a)
{
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);
    const struct read_relationship *r = list->items;
    if (list->count == 0)
        return (struct text){0};
    jsonw_array(&w);
    for (size_t i = 0; i < list->count; i++) {
        jsonw_object(&w);
        jsonw_optional(&w, "id", r[i].id);
        jsonw_optional(&w, "href", r[i].href);
        jsonw_optional(&w, "relationshipType", r[i].type);
        struct text more = render_members(r[i].more);
        if (more.n > 0)
            jsonw_raw(&w, more);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    struct text json = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    return json;
}

static struct list characteristics_of(const struct list *from, struct arena *a)
{
    const struct read_characteristic *r = from->items;
    struct characteristic *c = arena_alloc(a, (from->count + 1) * sizeof *c);
    for (size_t i = 0; i < from->count; i++) {
        c[i] = r[i].c;
        unbrace(&c[i].more);
        c[i].relationships = relationships_json(&r[i].relationships, a);
    }
    return (struct list){c, from->count};
}

static void shorten(struct value *v)
{
    if (v->kind == VALUE_DECIMAL)
        v->decimal = decimal_normal(v->decimal);
}

/* decimal(38,9) has zeros that nobody wrote. */
static void take_ratings(struct list *list)
{
    struct rating *r = list->items;
    for (size_t i = 0; i < list->count; i++) {
        struct money *amounts[] = {r[i].tax_excluded, r[i].tax_included, r[i].bucket_value};
        for (size_t k = 0; k < COUNT(amounts); k++)
            if (amounts[k]) {
                shorten(&amounts[k]->value);
                unbrace(&amounts[k]->more);
            }
        shorten(&r[i].tax_rate);
        if (r[i].product_ref)
            unbrace(&r[i].product_ref->more);
        unbrace(&r[i].more);
    }
}

static void take_parties(struct list *list)
{
    struct related_party *p = list->items;
    for (size_t i = 0; i < list->count; i++)
        unbrace(&p[i].more);
}

static bool usage_of(struct read_usage *r, struct arena *a, struct usage *u, struct err *err)
{
    *u = (struct usage){.usage_date = r->usage_date,
                        .description = r->description,
                        .usage_type = r->usage_type,
                        .specification = *r->specification,
                        .characteristics = characteristics_of(&r->characteristics, a),
                        .parties = r->parties,
                        .ratings = r->ratings,
                        .type = r->type,
                        .base_type = r->base_type,
                        .schema_location = r->schema_location,
                        .extensions = r->extensions};
    unbrace(&u->specification.more);
    take_parties(&u->parties);
    take_ratings(&u->ratings);
    if (!id_parse(r->id, &u->id))
        return err_set(err, ERR_DATA, "event.usage.id is no UUID");
    if (r->status.index < 0)
        return err_set(err, ERR_DATA, "event.usage.status is none of the seven");
    u->status = (enum usage_status)r->status.index;
    return true;
}

static void write_usage(struct jsonw *w, const struct usage *u, const char *base_url)
{
    struct buf ratings = {0}, document = {0};
    render_ratings(&ratings, &u->ratings);
    render_document(&document, u);
    struct render_row row = {.id = u->id,
                             .status = text_of(usage_status_names[u->status]),
                             .description = u->description,
                             .ratings = {ratings.data, ratings.len},
                             .document = {document.data, document.len}};
    struct buf whole = {0};
    render_usage(&whole, &row, base_url, NULL);
    jsonw_key(w, "usage");
    jsonw_raw(w, (struct text){whole.data, whole.len});
    buf_fini(&whole);
    buf_fini(&ratings);
    buf_fini(&document);
}

/* --- the envelope --- */

static bool type_of(const struct read_event *e, enum hub_event_type *out, struct err *err)
{
    char quoted[TEXT_QUOTED];
    for (int i = 0; i < HUB_EVENT_TYPES; i++)
        if (text_is(e->event_type, hub_event_names[i])) {
            *out = (enum hub_event_type)i;
            bool of_usage = i < HUB_SPECIFICATION_CREATE;
            const struct read_payload *p = e->payload;
            bool there = p && (of_usage ? p->usage && p->usage->specification
                                        : p->specification.kind == VALUE_JSON);
            return there ||
                   err_set(err, ERR_DATA, "event has not what a %s is about", hub_event_names[i]);
        }
    return err_set(err, ERR_DATA, "eventType: \"%s\" is none that is known",
                   text_quote(e->event_type, quoted));
}

static bool says_field_path(enum hub_event_type type)
{
    return type == HUB_USAGE_ATTRIBUTE_CHANGE || type == HUB_SPECIFICATION_ATTRIBUTE_CHANGE;
}

static void write_head(struct jsonw *w, const struct read_event *e, enum hub_event_type type,
                       const struct usage *u)
{
    char description[64];
    jsonw_optional(w, "eventId", e->event_id);
    jsonw_key(w, "eventTime");
    jsonw_instant(w, e->event_time);
    jsonw_optional(w, "eventType", e->event_type);
    jsonw_optional(w, "correlationId", e->correlation_id);
    jsonw_optional(w, "domain", e->domain);
    if (type == HUB_USAGE_STATE_CHANGE && e->previous.index >= 0) {
        snprintf(description, sizeof description, "%s to %s", usage_status_names[e->previous.index],
                 usage_status_names[u->status]);
        jsonw_optional(w, "description", text_of(description));
    }
    jsonw_key(w, "timeOcurred");
    jsonw_instant(w, e->occurred);
    if (says_field_path(type))
        jsonw_optional(w, "fieldPath", e->field_path);
}

/* Parts of it stand in the event as JSON; whoever wrote that may not have been we. */
static bool is_json(struct text body, struct err *err)
{
    struct jsonr r = jsonr_start(body);
    r.around = HUB_EVENT_AROUND;
    return (jsonr_skip(&r, NULL) && jsonr_done(&r)) ||
           err_set(err, ERR_DATA, "a part of it that should be JSON is none: %s",
                   r.fault ? r.fault : "something is left over");
}

bool hub_event_render(const struct plan *plan, const void *bytes, size_t n, const char *base_url,
                      struct arena *a, enum hub_event_type *type, struct buf *b, struct err *err)
{
    struct read_event e;
    struct usage u;
    struct jsonw w = jsonw_start(b);
    size_t start = b->len;
    bool of_usage = false;
    if (!reader_read(plan, bytes, n, a, &e, err) || !type_of(&e, type, err))
        return false;
    of_usage = *type < HUB_SPECIFICATION_CREATE;
    if (of_usage && !usage_of(e.payload->usage, a, &u, err))
        return false;
    jsonw_object(&w);
    write_head(&w, &e, *type, of_usage ? &u : NULL);
    jsonw_key(&w, "event");
    jsonw_object(&w);
    if (of_usage) {
        write_usage(&w, &u, base_url);
    } else {
        jsonw_key(&w, "usageSpecification");
        jsonw_raw(&w, e.payload->specification.text);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return is_json((struct text){b->data + start, b->len - start}, err);
}
