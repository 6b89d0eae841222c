#include "usage/event.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jsonw.h"
#include "io/writer.h"
#include "usage/id.h"
#include "usage/number.h"
#include "usage/render_parts.h"

/* The order of the fields is that of schemas/Usage*Event.avsc; tests/unit/test_event.c reads it
 * back by those files. */

const char *const event_type_names[EVENT_TYPES] = {
    [EVENT_CREATE] = "UsageCreateEvent",
    [EVENT_STATE_CHANGE] = "UsageStateChangeEvent",
    [EVENT_ATTRIBUTE_CHANGE] = "UsageAttributeValueChangeEvent",
    [EVENT_DELETE] = "UsageDeleteEvent",
};

const char *const event_schema_files[EVENT_TYPES] = {
    [EVENT_CREATE] = "UsageCreateEvent.avsc",
    [EVENT_STATE_CHANGE] = "UsageStateChangeEvent.avsc",
    [EVENT_ATTRIBUTE_CHANGE] = "UsageAttributeValueChangeEvent.avsc",
    [EVENT_DELETE] = "UsageDeleteEvent.avsc",
};

enum { DECIMAL_SCALE = 9, ABSENT = 0, PRESENT = 1 };

/* Branches of a characteristic's value. The decimal (5) is never written: its scale would change
 * the digits. */
enum {
    VALUE_BRANCH_NULL,
    VALUE_BRANCH_TEXT,
    VALUE_BRANCH_LONG,
    VALUE_BRANCH_DOUBLE,
    VALUE_BRANCH_TRUTH,
    VALUE_BRANCH_JSON = 6
};

static void put_optional(struct buf *b, struct text t)
{
    if (t.n == 0)
        t.p = NULL;
    writer_optional_text(b, t);
}

static void put_event_id(struct buf *b, const struct usage *u)
{
    struct usage_id id = id_of_event(&u->id, u->revision);
    char text[ID_CHARS];
    id_print(&id, text);
    writer_text(b, (struct text){text, ID_CHARS - 1});
}

static void put_id_and_href(struct buf *b, const struct usage_id *id, const char *base_url)
{
    static const char path[] = "/usage/";
    char text[ID_CHARS];
    size_t n = strlen(base_url);
    id_print(id, text);
    writer_text(b, (struct text){text, ID_CHARS - 1});
    writer_long(b, (int64_t)(n + sizeof path - 1 + ID_CHARS - 1));
    buf_add(b, base_url, n);
    buf_add(b, path, sizeof path - 1);
    buf_add(b, text, ID_CHARS - 1);
}

static void put_correlation(struct buf *b, struct text source, struct text record_id)
{
    bool known = source.n > 0 && record_id.n > 0;
    writer_branch(b, known ? PRESENT : ABSENT);
    if (known) {
        writer_long(b, (int64_t)(source.n + 1 + record_id.n));
        buf_add(b, source.p, source.n);
        buf_byte(b, '/');
        buf_add(b, record_id.p, record_id.n);
    }
}

/* What a part has and no field says. */
static void put_more(struct buf *b, struct text members)
{
    writer_branch(b, members.n > 0 ? PRESENT : ABSENT);
    if (members.n == 0)
        return;
    writer_long(b, (int64_t)members.n + 2);
    buf_byte(b, '{');
    buf_add(b, members.p, members.n);
    buf_byte(b, '}');
}

static void put_specification(struct buf *b, const struct specification_ref *s)
{
    writer_text(b, s->id);
    put_optional(b, s->href);
    put_optional(b, s->name);
    put_optional(b, s->referred_type);
    put_more(b, s->more);
}

static void put_json(struct buf *b, struct text json)
{
    writer_branch(b, VALUE_BRANCH_JSON);
    writer_text(b, json);
}

/* A long if it is whole and fits, a double if that is this very number, else the digits. */
static void put_number(struct buf *b, const struct number *n, double nearest, struct text digits)
{
    int64_t whole;
    if (number_is_long(n, &whole)) {
        writer_branch(b, VALUE_BRANCH_LONG);
        writer_long(b, whole);
        return;
    }
    bool exact = false;
    if (isfinite(nearest)) {
        struct number back = number_of_real(nearest);
        exact = number_equal(n, &back);
    }
    if (exact) {
        writer_branch(b, VALUE_BRANCH_DOUBLE);
        writer_double(b, nearest);
    } else {
        put_json(b, digits);
    }
}

static void put_real(struct buf *b, double v)
{
    struct number n = number_of_real(v);
    int64_t whole;
    bool is_long = number_is_long(&n, &whole);
    writer_branch(b, is_long ? VALUE_BRANCH_LONG : VALUE_BRANCH_DOUBLE);
    if (is_long)
        writer_long(b, whole);
    else
        writer_double(b, v);
}

static void put_decimal(struct buf *b, struct decimal d)
{
    char digits[DECIMAL_CHARS];
    size_t length = decimal_print(d, digits);
    struct number n = number_of_decimal(d);
    put_number(b, &n, decimal_to_double(d), (struct text){digits, length});
}

/* The nearest double of a number of at most 38 digits, however it was written. */
static double nearest_double(const struct number *n)
{
    char digits[DECIMAL_CHARS], text[DECIMAL_CHARS + 32];
    decimal_print((struct decimal){(__int128)n->mantissa, 0}, digits);
    snprintf(text, sizeof text, "%s%se%lld", n->negative ? "-" : "", digits,
             (long long)n->exponent);
    return strtod(text, NULL);
}

/* An object or array; or a number that is no struct decimal. */
static void put_any_json(struct buf *b, struct text json)
{
    struct number n;
    bool is_number = json.p[0] == '-' || (json.p[0] >= '0' && json.p[0] <= '9');
    if (is_number && number_of_text(json, &n) && n.narrow)
        put_number(b, &n, nearest_double(&n), json);
    else
        put_json(b, json);
}

static void put_value(struct buf *b, const struct value *v)
{
    switch (v->kind) {
    case VALUE_TEXT:
        writer_branch(b, VALUE_BRANCH_TEXT);
        writer_text(b, v->text);
        break;
    case VALUE_INTEGER:
        writer_branch(b, VALUE_BRANCH_LONG);
        writer_long(b, v->integer);
        break;
    case VALUE_REAL:
        put_real(b, v->real);
        break;
    case VALUE_TRUTH:
        writer_branch(b, VALUE_BRANCH_TRUTH);
        writer_truth(b, v->truth);
        break;
    case VALUE_DECIMAL:
        put_decimal(b, v->decimal);
        break;
    case VALUE_JSON:
        put_any_json(b, v->text);
        break;
    case VALUE_ABSENT:
    case VALUE_NULL:
    case VALUE_WIDE:
        writer_branch(b, VALUE_BRANCH_NULL);
        break;
    }
}

/* Seldom there (no record has any), so it may take its time. */
static void put_relationships(struct buf *b, struct text json)
{
    struct arena *a = arena_new(1024);
    struct parts_source source = {.r = jsonr_start(json), .a = a};
    struct list list;
    parts_read_list(&source, &parts_relationship, &list);
    const struct parts_relationship *r = list.items;
    writer_array(b, list.count);
    for (size_t i = 0; i < list.count; i++) {
        put_optional(b, r[i].id);
        put_optional(b, r[i].href);
        put_optional(b, r[i].relationship_type);
        put_more(b, r[i].more);
    }
    arena_free(a);
}

static void put_characteristics(struct buf *b, const struct list *list)
{
    const struct characteristic *c = list->items;
    writer_array(b, list->count);
    for (size_t i = 0; i < list->count; i++) {
        writer_text(b, c[i].name);
        put_value(b, &c[i].value);
        put_optional(b, c[i].value_type);
        put_optional(b, c[i].id);
        if (c[i].relationships.n > 0)
            put_relationships(b, c[i].relationships);
        writer_array_end(b);
        put_more(b, c[i].more);
    }
    writer_array_end(b);
}

static void put_parties(struct buf *b, const struct list *list)
{
    const struct related_party *p = list->items;
    writer_array(b, list->count);
    for (size_t i = 0; i < list->count; i++) {
        writer_text(b, p[i].id);
        put_optional(b, p[i].href);
        put_optional(b, p[i].role);
        put_optional(b, p[i].name);
        put_optional(b, p[i].referred_type);
        put_more(b, p[i].more);
    }
    writer_array_end(b);
}

static void put_amount(struct buf *b, struct decimal d)
{
    bool fits = writer_decimal(b, d, DECIMAL_SCALE);
    assert(fits); /* the mapping has checked 29 digits before and 9 after the point */
    (void)fits;
}

/* Over HTTP one may come without its value, for which Avro's has no room. */
static bool is_amount(const struct money *m)
{
    return m && m->value.kind == VALUE_DECIMAL;
}

static void put_money(struct buf *b, const struct money *m)
{
    writer_branch(b, is_amount(m) ? PRESENT : ABSENT);
    if (is_amount(m)) {
        writer_text(b, m->unit);
        put_amount(b, m->value.decimal);
        put_more(b, m->more);
    }
}

static void add_without_value(struct jsonw *w, const char *name, const struct money *m)
{
    if (!m || is_amount(m))
        return;
    jsonw_key(w, name);
    jsonw_object(w);
    jsonw_optional(w, "unit", m->unit);
    if (m->more.n > 0)
        jsonw_raw(w, m->more);
    jsonw_end(w);
}

static void put_rating_more(struct buf *b, const struct rating *r)
{
    struct buf members = {0};
    struct jsonw w = jsonw_start(&members);
    add_without_value(&w, "taxExcludedRatingAmount", r->tax_excluded);
    add_without_value(&w, "taxIncludedRatingAmount", r->tax_included);
    add_without_value(&w, "bucketValueConvertedInAmount", r->bucket_value);
    if (r->more.n > 0)
        jsonw_raw(&w, r->more);
    put_more(b, (struct text){members.data, members.len});
    buf_fini(&members);
}

static void put_truth(struct buf *b, int8_t v)
{
    writer_branch(b, v < 0 ? ABSENT : PRESENT);
    if (v >= 0)
        writer_truth(b, v != 0);
}

static void put_rating(struct buf *b, const struct rating *r)
{
    bool dated = r->rating_date != INSTANT_NONE, taxed = r->tax_rate.kind == VALUE_DECIMAL;
    writer_branch(b, dated ? PRESENT : ABSENT);
    if (dated)
        writer_long(b, r->rating_date);
    put_optional(b, r->rating_amount_type);
    put_money(b, r->tax_excluded);
    put_money(b, r->tax_included);
    put_money(b, r->bucket_value);
    writer_branch(b, taxed ? PRESENT : ABSENT);
    if (taxed)
        put_amount(b, r->tax_rate.decimal);
    put_truth(b, r->is_tax_exempt);
    put_truth(b, r->is_billed);
    put_optional(b, r->offer_tariff_type);
    put_optional(b, r->usage_rating_tag);
    writer_branch(b, r->product_ref ? PRESENT : ABSENT);
    if (r->product_ref) {
        writer_text(b, r->product_ref->id);
        put_optional(b, r->product_ref->name);
        put_optional(b, r->product_ref->href);
        put_optional(b, r->product_ref->referred_type);
        put_more(b, r->product_ref->more);
    }
    put_rating_more(b, r);
}

static void put_ratings(struct buf *b, const struct list *list)
{
    const struct rating *r = list->items;
    writer_array(b, list->count);
    for (size_t i = 0; i < list->count; i++)
        put_rating(b, &r[i]);
    writer_array_end(b);
}

static void put_usage(struct buf *b, const struct usage *u, const char *base_url)
{
    put_id_and_href(b, &u->id, base_url);
    put_optional(b, u->description);
    writer_long(b, u->usage_date);
    put_optional(b, u->usage_type);
    writer_long(b, u->status);
    put_specification(b, &u->specification);
    put_characteristics(b, &u->characteristics);
    put_parties(b, &u->parties);
    put_ratings(b, &u->ratings);
    put_optional(b, u->type);
    put_optional(b, u->base_type);
    put_optional(b, u->schema_location);
    put_optional(b, u->extensions);
    writer_long(b, u->revision);
}

void event_write(struct buf *b, const struct event *e)
{
    writer_frame(b, e->schema_id);
    put_event_id(b, e->usage);
    writer_long(b, e->event_time);
    writer_long(b, e->occurred);
    writer_text(b, text_of(event_type_names[e->type]));
    put_correlation(b, e->source, e->record_id);
    writer_text(b, TEXT("Usage"));
    writer_branch(b, ABSENT); /* description: the hub's JSON has one, Avro says it in fields */
    if (e->type == EVENT_STATE_CHANGE)
        writer_long(b, e->previous);
    if (e->type == EVENT_ATTRIBUTE_CHANGE)
        writer_text(b, text_of(e->field_path));
    put_usage(b, e->usage, e->base_url);
}

/* Room for a number, a length, branches, and what is of fixed size in an item; and what a byte of a
 * text may become in JSON. */
enum { ITEM_BYTES = 160, RATING_BYTES = 512, ENVELOPE_BYTES = 512, ESCAPE = 6 };

static size_t characteristics_bytes_max(const struct list *list)
{
    const struct characteristic *c = list->items;
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool text = c[i].value.kind == VALUE_TEXT || c[i].value.kind == VALUE_JSON;
        n += ITEM_BYTES + c[i].name.n + c[i].value_type.n + c[i].id.n + 2 * c[i].relationships.n +
             c[i].more.n + (text ? c[i].value.text.n : 0);
    }
    return n;
}

static size_t ratings_bytes_max(const struct list *list)
{
    const struct rating *r = list->items;
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct money *money[] = {r[i].tax_excluded, r[i].tax_included, r[i].bucket_value};
        const struct product_ref *p = r[i].product_ref;
        n += RATING_BYTES + r[i].rating_amount_type.n + r[i].offer_tariff_type.n +
             r[i].usage_rating_tag.n + r[i].more.n;
        for (size_t k = 0; k < 3; k++)
            n += money[k] ? ESCAPE * money[k]->unit.n + money[k]->more.n : 0;
        n += p ? p->id.n + p->name.n + p->href.n + p->referred_type.n + p->more.n : 0;
    }
    return n;
}

size_t event_bytes_max(const struct event *e)
{
    const struct usage *u = e->usage;
    const struct specification_ref *s = &u->specification;
    const struct related_party *p = u->parties.items;
    size_t n = ENVELOPE_BYTES + strlen(e->base_url) + (e->field_path ? strlen(e->field_path) : 0) +
               e->source.n + e->record_id.n + u->description.n + u->usage_type.n + s->id.n +
               s->name.n + s->href.n + s->referred_type.n + s->more.n + u->type.n + u->base_type.n +
               u->schema_location.n + u->extensions.n;
    for (size_t i = 0; i < u->parties.count; i++)
        n += ITEM_BYTES + p[i].id.n + p[i].role.n + p[i].name.n + p[i].href.n +
             p[i].referred_type.n + p[i].more.n;
    return n + characteristics_bytes_max(&u->characteristics) + ratings_bytes_max(&u->ratings);
}
