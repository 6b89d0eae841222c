#include "usage/render.h"

#include <stdlib.h>

#include "base/jsonr.h"
#include "base/jsonw.h"
#include "usage/id.h"

static void write_value(struct jsonw *w, const struct value *v)
{
    switch (v->kind) {
    case VALUE_TEXT:
        jsonw_text(w, v->text);
        break;
    case VALUE_INTEGER:
        jsonw_integer(w, v->integer);
        break;
    case VALUE_REAL:
        jsonw_real(w, v->real);
        break;
    case VALUE_TRUTH:
        jsonw_truth(w, v->truth);
        break;
    case VALUE_DECIMAL:
        jsonw_decimal(w, v->decimal);
        break;
    case VALUE_JSON:
        jsonw_raw(w, v->text);
        break;
    case VALUE_ABSENT:
    case VALUE_NULL:
    case VALUE_WIDE:
        jsonw_null(w);
        break;
    }
}

struct text render_members(struct text object)
{
    if (object.n < 2)
        return (struct text){0};
    const char *p = object.p, *end = p + object.n;
    for (p++; p < end - 1 && strchr(" \t\r\n", *p); p++) {
    }
    for (end--; end > p && strchr(" \t\r\n", end[-1]); end--) {
    }
    return (struct text){p, (size_t)(end - p)};
}

/* Last in each object, so that the way back finds it in one piece. */
static void write_more(struct jsonw *w, struct text more)
{
    if (more.n > 0)
        jsonw_raw(w, more);
}

static void write_specification(struct jsonw *w, const struct specification_ref *s)
{
    jsonw_key(w, "usageSpecification");
    jsonw_object(w);
    jsonw_optional(w, "id", s->id);
    jsonw_optional(w, "href", s->href);
    jsonw_optional(w, "name", s->name);
    jsonw_optional(w, "@referredType", s->referred_type);
    write_more(w, s->more);
    jsonw_end(w);
}

static void write_characteristics(struct jsonw *w, const struct list *list)
{
    const struct characteristic *c = list->items;
    if (list->count == 0)
        return;
    jsonw_key(w, "usageCharacteristic");
    jsonw_array(w);
    for (size_t i = 0; i < list->count; i++) {
        jsonw_object(w);
        jsonw_optional(w, "id", c[i].id);
        jsonw_key(w, "name");
        jsonw_text(w, c[i].name);
        jsonw_optional(w, "valueType", c[i].value_type);
        jsonw_key(w, "value");
        write_value(w, &c[i].value);
        if (c[i].relationships.n > 0) {
            jsonw_key(w, "characteristicRelationship");
            jsonw_raw(w, c[i].relationships);
        }
        write_more(w, c[i].more);
        jsonw_end(w);
    }
    jsonw_end(w);
}

static void write_parties(struct jsonw *w, const struct list *list)
{
    const struct related_party *p = list->items;
    if (list->count == 0)
        return;
    jsonw_key(w, "relatedParty");
    jsonw_array(w);
    for (size_t i = 0; i < list->count; i++) {
        jsonw_object(w);
        jsonw_optional(w, "id", p[i].id);
        jsonw_optional(w, "href", p[i].href);
        jsonw_optional(w, "role", p[i].role);
        jsonw_optional(w, "name", p[i].name);
        jsonw_optional(w, "@referredType", p[i].referred_type);
        write_more(w, p[i].more);
        jsonw_end(w);
    }
    jsonw_end(w);
}

void render_document(struct buf *b, const struct usage *u)
{
    struct jsonw w = jsonw_start(b);
    jsonw_object(&w);
    jsonw_key(&w, "usageDate");
    jsonw_instant(&w, u->usage_date);
    jsonw_optional(&w, "usageType", u->usage_type);
    write_specification(&w, &u->specification);
    write_characteristics(&w, &u->characteristics);
    write_parties(&w, &u->parties);
    jsonw_optional(&w, "@type", u->type);
    jsonw_optional(&w, "@baseType", u->base_type);
    jsonw_optional(&w, "@schemaLocation", u->schema_location);
    write_more(&w, render_members(u->extensions));
    jsonw_end(&w);
}

static void write_money(struct jsonw *w, const char *name, const struct money *m)
{
    if (!m)
        return;
    jsonw_key(w, name);
    jsonw_object(w);
    jsonw_optional(w, "unit", m->unit);
    if (m->value.kind != VALUE_ABSENT) {
        jsonw_key(w, "value");
        write_value(w, &m->value);
    }
    write_more(w, m->more);
    jsonw_end(w);
}

static void write_truth(struct jsonw *w, const char *name, int8_t v)
{
    if (v < 0)
        return;
    jsonw_key(w, name);
    jsonw_truth(w, v != 0);
}

static void write_product(struct jsonw *w, const struct product_ref *p)
{
    if (!p)
        return;
    jsonw_key(w, "productRef");
    jsonw_object(w);
    jsonw_optional(w, "id", p->id);
    jsonw_optional(w, "href", p->href);
    jsonw_optional(w, "name", p->name);
    jsonw_optional(w, "@referredType", p->referred_type);
    write_more(w, p->more);
    jsonw_end(w);
}

static void write_rating(struct jsonw *w, const struct rating *r)
{
    jsonw_object(w);
    if (r->rating_date != INSTANT_NONE) {
        jsonw_key(w, "ratingDate");
        jsonw_instant(w, r->rating_date);
    }
    jsonw_optional(w, "ratingAmountType", r->rating_amount_type);
    jsonw_optional(w, "usageRatingTag", r->usage_rating_tag);
    jsonw_optional(w, "offerTariffType", r->offer_tariff_type);
    write_money(w, "taxExcludedRatingAmount", r->tax_excluded);
    write_money(w, "taxIncludedRatingAmount", r->tax_included);
    write_money(w, "bucketValueConvertedInAmount", r->bucket_value);
    if (r->tax_rate.kind != VALUE_ABSENT) {
        jsonw_key(w, "taxRate");
        write_value(w, &r->tax_rate);
    }
    write_truth(w, "isTaxExempt", r->is_tax_exempt);
    write_truth(w, "isBilled", r->is_billed);
    write_product(w, r->product_ref);
    write_more(w, r->more);
    jsonw_end(w);
}

void render_ratings(struct buf *b, const struct list *ratings)
{
    const struct rating *r = ratings->items;
    struct jsonw w = jsonw_start(b);
    jsonw_array(&w);
    for (size_t i = 0; i < ratings->count; i++)
        write_rating(&w, &r[i]);
    jsonw_end(&w);
}

static void write_names(struct jsonw *w, const struct render_row *row, const char *base_url)
{
    static const char path[] = "/usage/";
    char id[ID_CHARS];
    size_t n = strlen(base_url);
    id_print(&row->id, id);
    jsonw_key(w, "id");
    jsonw_text(w, text_of(id));
    jsonw_key(w, "href");
    char *p = buf_room(w->b, n + sizeof path + ID_CHARS + 2), *o = p;
    *o++ = '"'; /* a URL from the settings: nothing in it needs an escape */
    memcpy(o, base_url, n);
    o += n;
    memcpy(o, path, sizeof path - 1);
    o += sizeof path - 1;
    memcpy(o, id, ID_CHARS - 1);
    o += ID_CHARS - 1;
    *o++ = '"';
    w->b->len += (size_t)(o - p);
    w->comma = true;
}

static bool has_ratings(const struct render_row *row)
{
    return row->ratings.n > 2; /* "[]" counts as absent */
}

static void write_row_ratings(struct jsonw *w, const struct render_row *row)
{
    jsonw_key(w, "ratedProductUsage");
    jsonw_raw(w, row->ratings);
}

struct render_fields render_fields_of(struct text names, struct arena *a)
{
    const char *p = names.p, *end = p + names.n;
    size_t most = 1, count = 0;
    for (size_t i = 0; i < names.n; i++)
        most += p[i] == ',';
    struct text *sorted = arena_alloc(a, 2 * most * sizeof *sorted);
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        const char *dot = memchr(p, '.', (size_t)(stop - p));
        if (dot)
            sorted[count++] = (struct text){p, (size_t)(dot - p)};
        sorted[count++] = (struct text){p, (size_t)(stop - p)}; /* an extension may have dots */
        p = stop + 1;
    }
    qsort(sorted, count, sizeof *sorted, text_order);
    return (struct render_fields){.names = names, .sorted = sorted, .count = count};
}

bool render_chosen(const struct render_fields *f, struct text name)
{
    return !f || f->all ||
           (f->count > 0 && bsearch(&name, f->sorted, f->count, sizeof *f->sorted, text_order));
}

static void write_chosen_members(struct jsonw *w, const struct render_row *row,
                                 const struct render_fields *f)
{
    struct arena *a = arena_new(256); /* for the names of extensions that have escapes */
    struct jsonr r = jsonr_start(row->document);
    struct text key, value;
    if (jsonr_enter(&r, JSONR_OBJECT)) {
        while (jsonr_next_key(&r, a, &key) && jsonr_skip(&r, &value)) {
            if (render_chosen(f, key)) {
                jsonw_member(w, key);
                jsonw_raw(w, value);
            }
        }
    }
    arena_free(a);
}

void render_usage(struct buf *b, const struct render_row *row, const char *base_url,
                  const struct render_fields *fields)
{
    struct jsonw w = jsonw_start(b);
    bool all = !fields || fields->all;
    struct text members = render_members(row->document);
    jsonw_object(&w);
    write_names(&w, row, base_url);
    if (render_chosen(fields, TEXT("description")))
        jsonw_optional(&w, "description", row->description);
    if (render_chosen(fields, TEXT("status")))
        jsonw_optional(&w, "status", row->status);
    if (has_ratings(row) && (render_chosen(fields, TEXT("ratedProductUsage"))))
        write_row_ratings(&w, row);
    if (all && members.n > 0)
        jsonw_raw(&w, members);
    else if (!all)
        write_chosen_members(&w, row, fields);
    jsonw_end(&w);
}
