#include "usage/body.h"

#include "base/instant.h"
#include "base/jsonw.h"
#include "usage/body_parts.h"
#include "usage/id.h"
#include "usage/mapping_parts.h"
#include "usage/render_parts.h"

/* One body on its way. */
struct work {
    const struct mapping_settings *s;
    struct arena *a;
    struct faults f;
    struct value status; /* as it came */
    struct usage *u;
};

static struct work start(const struct mapping_settings *s, struct arena *a, struct err *err)
{
    return (struct work){.s = s, .a = a, .f = {.err = err}};
}

/* Only the form of the JSON; what it means is looked at afterwards. */
static bool read_body(struct work *w, struct text json)
{
    struct parts_source source = {.r = jsonr_start(json), .a = w->a, .outside = true};
    struct parts_body in = {.usage = {.revision = 1, .usage_date = INSTANT_NONE}};
    parts_read(&source, &parts_body, &in);
    if (!jsonr_done(&source.r)) {
        faults_add(&w->f, source.r.bad_text ? REASON_TEXT : REASON_VALUE,
                   source.attribute.p ? source.attribute.p : "the JSON", "at byte %td: %s",
                   source.r.p - source.r.start, source.r.fault);
        return false;
    }
    w->u = arena_alloc(w->a, sizeof *w->u);
    *w->u = in.usage;
    w->u->extensions = parts_braced(in.usage.extensions, w->a);
    w->status = in.status;
    return true;
}

static void take_specification(struct work *w)
{
    w->f.in_body = false; /* the one attribute whose absence is `missing` */
    w->f.part = "usageSpecification";
    if (w->u->specification.id.n == 0)
        faults_needed(&w->f, "id", w->u->specification.id, MAPPING_NAME_BYTES);
    w->f.in_body = true;
    if (w->u->specification.id.n > 0)
        mapping_specification(&w->f, &w->u->specification);
    w->f.part = NULL;
}

static void take_parties(struct work *w)
{
    struct related_party *p = w->u->parties.items;
    w->f.list = "relatedParty";
    for (w->f.index = 0; w->f.index < w->u->parties.count; w->f.index++, p++) {
        mapping_party(&w->f, p);
        faults_needed(&w->f, "@referredType", p->referred_type, SIZE_MAX);
    }
    w->f.list = NULL;
}

/* Read as parts are and written again: no nulls, no line ends. Absent if there are none. */
static struct text take_relationships(struct work *w, struct text json)
{
    struct parts_source s = {.r = jsonr_start(json), .a = w->a, .outside = true};
    struct list list;
    struct buf b = {0};
    parts_read_list(&s, &parts_relationship, &list);
    if (!jsonr_done(&s.r)) {
        faults_add(&w->f, REASON_VALUE, "characteristicRelationship", "%s", s.r.fault);
        return (struct text){0};
    }
    if (list.count == 0)
        return (struct text){0};
    struct jsonw out = jsonw_start(&b);
    struct parts_relationship *r = list.items;
    jsonw_array(&out);
    for (size_t i = 0; i < list.count; i++) {
        jsonw_object(&out);
        jsonw_optional(&out, "id", r[i].id);
        jsonw_optional(&out, "href", r[i].href);
        jsonw_optional(&out, "relationshipType", r[i].relationship_type);
        if (r[i].more.n > 0)
            jsonw_raw(&out, r[i].more);
        jsonw_end(&out);
    }
    jsonw_end(&out);
    struct text made = {arena_copy(w->a, b.data, b.len), b.len};
    buf_fini(&b);
    return made;
}

static void take_characteristics(struct work *w)
{
    struct characteristic *c = w->u->characteristics.items;
    w->f.list = "usageCharacteristic";
    for (w->f.index = 0; w->f.index < w->u->characteristics.count; w->f.index++, c++) {
        mapping_characteristic(&w->f, w->a, c);
        if (c->relationships.n > 0)
            c->relationships = take_relationships(w, c->relationships);
    }
    w->f.list = NULL;
}

static void take_status(struct work *w)
{
    char quoted[TEXT_QUOTED];
    w->u->status = STATUS_RECEIVED;
    if (w->status.kind == VALUE_ABSENT)
        return;
    if (w->status.kind != VALUE_TEXT) {
        faults_add(&w->f, REASON_VALUE, "status", "is not a string");
        return;
    }
    w->u->status = usage_status_of(w->status.text);
    if (w->u->status == STATUS_COUNT)
        faults_add(
            &w->f, REASON_STATUS, "status",
            "\"%s\" is not one of received, rejected, recycled, guided, rated, rerated, billed",
            text_quote(w->status.text, quoted));
}

/* All that the body says by itself; usage_date is set. */
static bool take(struct work *w, struct err *err)
{
    struct usage *u = w->u;
    take_status(w);
    faults_optional(&w->f, "usageType", &u->usage_type, MAPPING_TYPE_BYTES);
    take_specification(w);
    take_parties(w);
    take_characteristics(w);
    mapping_ratings(&w->f, &u->ratings, usage_is_priced(u->status));
    if (u->type.n == 0)
        u->type = TEXT("Usage");
    return w->f.reason == REASON_NONE && usage_complete_ratings(u->status, &u->ratings, err);
}

static void finish(const struct work *w, struct body *out)
{
    struct usage *u = w->u;
    out->usage = u;
    if (out->natural)
        u->id = id_of_record(out->source, out->record_id, u->usage_date);
    else
        u->id = id_random(u->usage_date);
    out->content =
        body_content(u, out->source, out->record_id, w->s->default_specification_id, w->a);
}

bool body_natural_key(const struct usage *u, struct body_key *out)
{
    *out = (struct body_key){body_key_part(u, MAPPING_SOURCE_NAME, MAPPING_SOURCE_BYTES),
                             body_key_part(u, MAPPING_RECORD_ID_NAME, MAPPING_NAME_BYTES),
                             u->usage_date};
    bool natural = out->source.n > 0 && out->record_id.n > 0;
    if (!natural)
        out->source = out->record_id = (struct text){0};
    return natural;
}

static void take_key(const struct usage *u, struct body *out)
{
    struct body_key key;
    out->natural = body_natural_key(u, &key);
    out->source = key.source;
    out->record_id = key.record_id;
}

bool body_usage(struct text json, const struct mapping_settings *s, int64_t now_ms, struct arena *a,
                struct body *out, struct err *err)
{
    struct work w = start(s, a, err);
    *out = (struct body){0};
    if (!read_body(&w, json))
        return false;
    bool dated = w.u->usage_date != INSTANT_NONE;
    if (dated)
        mapping_check_date(&w.f, mapping_window(s, -1, now_ms), w.u->usage_date);
    else
        w.u->usage_date = now_ms;
    if (!take(&w, err))
        return false;
    if (dated)
        take_key(w.u, out);
    finish(&w, out);
    return true;
}

bool body_merged(struct text json, const struct mapping_settings *s, const struct usage *before,
                 struct arena *a, struct body *out, struct err *err)
{
    struct work w = start(s, a, err);
    *out = (struct body){0};
    if (!read_body(&w, json))
        return false;
    if (w.u->usage_date == INSTANT_NONE)
        w.u->usage_date = before->usage_date;
    if (!take(&w, err) || !body_same_identity(before, w.u, err))
        return false;
    w.u->id = before->id;
    w.u->revision = before->revision;
    out->usage = w.u;
    if (id_version(&before->id) == 8)
        take_key(w.u, out);
    return true;
}

static void check_key(struct faults *f, const struct body_key *key, struct mapping_window window)
{
    faults_needed(f, "source", key->source, MAPPING_SOURCE_BYTES);
    faults_needed(f, "recordId", key->record_id, MAPPING_NAME_BYTES);
    if (key->usage_date == INSTANT_NONE)
        faults_add(f, REASON_MISSING, "usageDate", "is absent");
    else
        mapping_check_date(f, window, key->usage_date);
}

static void check_document_date(struct work *w, int64_t usage_date)
{
    if (w->u->usage_date == INSTANT_NONE || w->u->usage_date == usage_date)
        return;
    char own[INSTANT_CHARS], record[INSTANT_CHARS];
    instant_print(w->u->usage_date, own);
    instant_print(usage_date, record);
    faults_add(&w->f, REASON_VALUE, "document.usageDate",
               "%s contradicts the usageDate %s of the record", own, record);
}

bool body_line_key(struct text json, struct arena *a, struct body_key *out, struct err *err)
{
    struct work w = start(NULL, a, err);
    if (!read_body(&w, json))
        return false;
    (void)body_natural_key(w.u, out);
    return true;
}

/* As wire contract section 1.5 has it. */
static void add_key(struct work *w, const struct body_key *key)
{
    struct list *list = &w->u->characteristics;
    bool has_source = body_has(list->items, list->count, MAPPING_SOURCE_NAME),
         has_record_id = body_has(list->items, list->count, MAPPING_RECORD_ID_NAME);
    if (has_source && has_record_id)
        return;
    struct characteristic *c = arena_alloc(w->a, (list->count + 2) * sizeof *c);
    if (list->count > 0)
        memcpy(c, list->items, list->count * sizeof *c);
    list->items = c;
    if (!has_source)
        c[list->count++] = mapping_text_characteristic(MAPPING_SOURCE_NAME, key->source);
    if (!has_record_id)
        c[list->count++] = mapping_text_characteristic(MAPPING_RECORD_ID_NAME, key->record_id);
}

/* Reads a value: null and "" are as good as none. */
static bool is_missing(struct jsonr *r, struct arena *a)
{
    struct text t = {0};
    enum jsonr_kind kind = jsonr_peek(r);
    if (kind == JSONR_TEXT)
        return jsonr_text(r, a, &t) && t.n == 0;
    jsonr_skip(r, NULL);
    return kind == JSONR_NULL;
}

/* Of a sound JSON object. */
static bool lacks_specification(struct text json, struct arena *a)
{
    bool lacks = true;
    struct text key;
    struct jsonr r = jsonr_start(json);
    jsonr_enter(&r, JSONR_OBJECT);
    while (jsonr_next_key(&r, a, &key)) {
        if (!text_is(key, "usageSpecification")) {
            jsonr_skip(&r, NULL);
        } else if (jsonr_peek(&r) != JSONR_OBJECT) {
            lacks = is_missing(&r, a);
        } else {
            lacks = true;
            jsonr_enter(&r, JSONR_OBJECT);
            while (jsonr_next_key(&r, a, &key))
                if (text_is(key, "id"))
                    lacks = is_missing(&r, a);
                else
                    jsonr_skip(&r, NULL);
        }
    }
    return lacks;
}

/* The reader stops at the first value of another form. What is behind it may have a fault that
 * comes first in the order of reasons. */
static void look_behind(struct work *w, struct text json)
{
    struct jsonr r = jsonr_start(json);
    bool object = jsonr_peek(&r) == JSONR_OBJECT;
    jsonr_skip(&r, NULL);
    if (r.bad_text)
        faults_add(&w->f, REASON_TEXT, "the JSON", "at byte %td: %s", r.p - r.start, r.fault);
    if (object && jsonr_done(&r) && lacks_specification(json, w->a))
        faults_add(&w->f, REASON_MISSING, "usageSpecification.id", "is absent or empty");
}

bool body_document(struct text json, const struct mapping_settings *s, const struct body_key *key,
                   int64_t kafka_ms, int64_t now_ms, struct arena *a, struct body *out,
                   struct err *err)
{
    struct work w = start(s, a, err);
    *out = (struct body){0};
    check_key(&w.f, key, mapping_window(s, kafka_ms, now_ms));
    if (json.n == 0)
        faults_needed(&w.f, "document", json, 0);
    if (json.n == 0)
        return false;
    if (!read_body(&w, json)) {
        look_behind(&w, json);
        return false;
    }
    check_document_date(&w, key->usage_date);
    w.u->usage_date = key->usage_date;
    if (!take(&w, err))
        return false;
    add_key(&w, key);
    *out = (struct body){.natural = true, .source = key->source, .record_id = key->record_id};
    finish(&w, out);
    return true;
}
