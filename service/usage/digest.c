#include "usage/digest.h"

#include <math.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/jsonr.h"
#include "usage/number.h"

/* Gathers the pieces, since XXH3 is fastest over one run of bytes; what does not fit goes the
 * streaming way, which gives the same digest. */
struct form {
    size_t n;
    bool streams;
    XXH3_state_t stream;
    unsigned char bytes[2048];
};

/* Builds that clear every variable would spend more on a form than its digest costs. */
#define FORM struct form __attribute__((uninitialized))

static void form_start(struct form *f)
{
    f->n = 0;
    f->streams = false;
}

static void spill(struct form *f, const void *more, size_t n)
{
    if (!f->streams)
        XXH3_64bits_reset(&f->stream);
    f->streams = true;
    XXH3_64bits_update(&f->stream, f->bytes, f->n);
    f->n = 0;
    XXH3_64bits_update(&f->stream, more, n);
}

static void put(struct form *f, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (n > sizeof f->bytes - f->n) {
        spill(f, p, n);
    } else {
        memcpy(f->bytes + f->n, p, n);
        f->n += n;
    }
}

static uint64_t form_end(struct form *f)
{
    if (!f->streams)
        return XXH3_64bits(f->bytes, f->n);
    spill(f, NULL, 0);
    return XXH3_64bits_digest(&f->stream);
}

static void put_64(struct form *f, uint64_t v)
{
    put(f, &v, sizeof v);
}

static void put_tag(struct form *f, char tag)
{
    put(f, &tag, 1);
}

static void put_text(struct form *f, struct text t)
{
    uint32_t n = (uint32_t)t.n;
    put(f, &n, sizeof n);
    put(f, t.p, t.n);
}

static void put_number(struct form *f, const struct number *n)
{
    put_tag(f, n->negative ? '-' : '+');
    put_64(f, (uint64_t)n->exponent);
    if (n->narrow) {
        put_tag(f, 'n');
        put(f, &n->mantissa, sizeof n->mantissa);
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < n->digits.n; i++)
        count += n->digits.p[i] != '.';
    put_tag(f, 'w');
    put_64(f, count);
    for (size_t i = 0; i < n->digits.n; i++)
        if (n->digits.p[i] != '.')
            put(f, &n->digits.p[i], 1);
}

static void put_number_text(struct form *f, struct text json)
{
    struct number n;
    if (number_of_text(json, &n)) {
        put_number(f, &n);
    } else { /* an exponent beyond 10^15: nobody's number, so its text may stand for it */
        put_tag(f, '?');
        put_text(f, json);
    }
}

static void put_json(struct form *f, struct jsonr *r, struct arena *a);

/* The digest of one value, and of its key if it is a member: members are added up, as their order
 * means nothing. */
static uint64_t member_digest(struct jsonr *r, struct arena *a, struct text key)
{
    FORM f;
    form_start(&f);
    put_text(&f, key);
    put_json(&f, r, a);
    return form_end(&f);
}

static void put_object(struct form *f, struct jsonr *r, struct arena *a)
{
    uint64_t sum = 0, count = 0;
    struct text key;
    if (!jsonr_enter(r, JSONR_OBJECT))
        return;
    for (; jsonr_next_key(r, a, &key); count++)
        sum += member_digest(r, a, key);
    put_tag(f, '{');
    put_64(f, count);
    put_64(f, sum);
}

static void put_array(struct form *f, struct jsonr *r, struct arena *a)
{
    if (!jsonr_enter(r, JSONR_ARRAY))
        return;
    put_tag(f, '[');
    while (jsonr_next_item(r))
        put_json(f, r, a);
    put_tag(f, ']');
}

/* A scalar has the form of the same scalar in Avro. */
static void put_json(struct form *f, struct jsonr *r, struct arena *a)
{
    struct text t = {0};
    bool truth = false;
    switch (jsonr_peek(r)) {
    case JSONR_OBJECT:
        put_object(f, r, a);
        break;
    case JSONR_ARRAY:
        put_array(f, r, a);
        break;
    case JSONR_TEXT:
        put_tag(f, 's');
        if (jsonr_text(r, a, &t))
            put_text(f, t);
        break;
    case JSONR_NUMBER:
        put_tag(f, 'd');
        if (jsonr_number(r, &t))
            put_number_text(f, t);
        break;
    case JSONR_NULL:
        put_tag(f, jsonr_null(r) ? '0' : '!');
        break;
    default:
        put_tag(f, jsonr_truth(r, &truth) && truth ? 't' : 'f');
    }
}

static void put_value(struct form *f, const struct value *v, struct arena *a)
{
    struct number n;
    struct jsonr r;
    switch (v->kind) {
    case VALUE_TEXT:
        put_tag(f, 's');
        put_text(f, v->text);
        return;
    case VALUE_TRUTH:
        put_tag(f, v->truth ? 't' : 'f');
        return;
    case VALUE_NULL:
        put_tag(f, '0');
        return;
    case VALUE_JSON:
        r = jsonr_start(v->text);
        put_json(f, &r, a);
        return;
    case VALUE_INTEGER:
        n = number_of_integer(v->integer);
        break;
    case VALUE_REAL:
        n = isfinite(v->real) ? number_of_real(v->real) : (struct number){0};
        break;
    case VALUE_DECIMAL:
        n = number_of_decimal(v->decimal);
        break;
    default: /* ABSENT; WIDE was refused */
        put_tag(f, 'a');
        return;
    }
    put_tag(f, 'd');
    put_number(f, &n);
}

static void put_specification(struct form *f, const struct specification_ref *s)
{
    put_tag(f, s != NULL);
    if (s) {
        put_text(f, s->id);
        put_text(f, s->name);
        put_text(f, s->href);
    }
}

static void put_parties(struct form *f, const struct list *parties)
{
    const struct related_party *p = parties->items;
    put_64(f, parties->count);
    for (size_t i = 0; i < parties->count; i++) {
        put_text(f, p[i].id);
        put_text(f, p[i].role);
        put_text(f, p[i].name);
        put_text(f, p[i].href);
        put_text(f, p[i].referred_type.n > 0 ? p[i].referred_type : TEXT("Customer"));
    }
}

uint64_t digest_raw(const struct raw_usage *raw, struct arena *a)
{
    const struct characteristic *c = raw->characteristics.items;
    FORM f;
    form_start(&f);
    put_text(&f, raw->source);
    put_text(&f, raw->record_id);
    put_64(&f, (uint64_t)raw->usage_date);
    put_text(&f, raw->usage_type);
    put_text(&f, raw->description);
    put_specification(&f, raw->specification);
    put_parties(&f, &raw->parties);
    put_64(&f, raw->characteristics.count);
    for (size_t i = 0; i < raw->characteristics.count; i++) {
        put_text(&f, c[i].name);
        put_value(&f, &c[i].value, a);
        put_text(&f, c[i].value_type);
        put_text(&f, c[i].id);
    }
    return form_end(&f);
}

uint64_t digest_json(struct text json, struct arena *a)
{
    FORM f;
    struct jsonr r = jsonr_start(json);
    form_start(&f);
    put_json(&f, &r, a);
    return form_end(&f);
}

/* Something that no RawUsage can say: where it stands, and the digest of its JSON or text. */
static void put_extra(struct form *f, const char *where, size_t index, uint64_t digest)
{
    put_text(f, text_of(where));
    put_64(f, index);
    put_64(f, digest);
}

static void put_extra_text(struct form *f, const char *where, struct text t)
{
    if (t.n > 0)
        put_extra(f, where, 0, XXH3_64bits(t.p, t.n));
}

static void put_extra_json(struct form *f, const char *where, size_t index, struct text json,
                           struct arena *a)
{
    if (json.n > 0)
        put_extra(f, where, index, digest_json(json, a));
}

static void put_extra_members(struct form *f, const char *where, size_t index, struct text more,
                              struct arena *a)
{
    if (more.n == 0)
        return;
    char *object = arena_printf(a, "{%.*s}", TEXT_ARGS(more));
    put_extra_json(f, where, index, (struct text){object, more.n + 2}, a);
}

uint64_t digest_document(const struct raw_usage *raw, const struct usage *u, struct arena *a)
{
    const struct characteristic *c = u->characteristics.items;
    const struct related_party *p = u->parties.items;
    uint64_t plain = digest_raw(raw, a);
    FORM f;
    form_start(&f);
    put_64(&f, plain);
    if (!text_is(u->type, "Usage")) /* what each record is */
        put_extra_text(&f, "@type", u->type);
    put_extra_text(&f, "@baseType", u->base_type);
    put_extra_text(&f, "@schemaLocation", u->schema_location);
    put_extra_json(&f, "", 0, u->extensions, a);
    put_extra_text(&f, "@referredType", u->specification.referred_type);
    put_extra_members(&f, "usageSpecification", 0, u->specification.more, a);
    for (size_t i = 0; i < u->characteristics.count; i++) {
        put_extra_json(&f, "characteristicRelationship", i, c[i].relationships, a);
        put_extra_members(&f, "usageCharacteristic", i, c[i].more, a);
    }
    for (size_t i = 0; i < u->parties.count; i++)
        put_extra_members(&f, "relatedParty", i, p[i].more, a);
    bool has_extras = f.streams || f.n > sizeof plain;
    return has_extras ? form_end(&f) : plain;
}

static void put_money(struct form *f, const struct money *m)
{
    put_tag(f, m != NULL);
    if (m) {
        put_text(f, m->unit);
        put_value(f, &m->value, NULL);
    }
}

static void put_product(struct form *f, const struct product_ref *p)
{
    put_tag(f, p != NULL);
    if (p) {
        put_text(f, p->id);
        put_text(f, p->name);
        put_text(f, p->href);
        put_text(f, p->referred_type);
    }
}

uint64_t digest_rated(enum usage_status status, const struct list *ratings, struct text description)
{
    const struct rating *r = ratings->items;
    FORM f;
    form_start(&f);
    put_64(&f, status);
    put_text(&f, description);
    put_64(&f, ratings->count);
    for (size_t i = 0; i < ratings->count; i++) {
        put_64(&f, (uint64_t)r[i].rating_date);
        put_text(&f, r[i].rating_amount_type);
        put_money(&f, r[i].tax_excluded);
        put_money(&f, r[i].tax_included);
        put_money(&f, r[i].bucket_value);
        put_value(&f, &r[i].tax_rate, NULL);
        put_tag(&f, (char)r[i].is_tax_exempt);
        put_tag(&f, (char)r[i].is_billed);
        put_text(&f, r[i].offer_tariff_type);
        put_text(&f, r[i].usage_rating_tag);
        put_product(&f, r[i].product_ref);
    }
    return form_end(&f);
}
