#include <math.h>

#include "usage/mapping_parts.h"

enum { WHOLE_DIGITS = 29, PLACES = 9 }; /* what decimal(38,9) of the events holds */

static const int64_t year_0 = -62167219200000, year_10000 = 253402300800000;

static void check_digits(struct faults *f, const char *attribute, struct decimal d)
{
    if (decimal_whole_digits(d) <= WHOLE_DIGITS &&
        (d.scale <= PLACES || decimal_places(d) <= PLACES))
        return;
    char printed[DECIMAL_CHARS];
    decimal_print(d, printed);
    faults_add(f, REASON_VALUE, attribute,
               "%s has more than %d digits before or %d after the point", printed, WHOLE_DIGITS,
               PLACES);
}

/* A double has no digits of its own, so those that nobody meant are rounded away. */
static bool round_real(double v, struct decimal *out)
{
    if (!isfinite(v))
        return false;
    if (!decimal_from_double(v, out)) {
        *out = (struct decimal){0, 0};
        return fabs(v) < 1;
    }
    if (out->scale > PLACES) {
        if (!decimal_rescale(*out, PLACES, out))
            return false;
        *out = decimal_normal(*out);
    }
    return true;
}

/* To DECIMAL within the limits; ABSENT stays. */
static void take_number(struct faults *f, const char *attribute, struct value *v)
{
    struct decimal d;
    switch (v->kind) {
    case VALUE_ABSENT:
        return;
    case VALUE_INTEGER:
        d = (struct decimal){v->integer, 0};
        break;
    case VALUE_DECIMAL:
        d = v->decimal;
        break;
    case VALUE_REAL:
        if (round_real(v->real, &d))
            break;
        faults_add(f, REASON_VALUE, attribute,
                   "%g is not finite or has more than %d digits before the point", v->real,
                   WHOLE_DIGITS);
        return;
    default:
        faults_add(f, REASON_VALUE, attribute, "has more than %d digits",
                   v->kind == VALUE_WIDE ? (int)v->integer : DECIMAL_DIGITS);
        return;
    }
    check_digits(f, attribute, d);
    *v = (struct value){.kind = VALUE_DECIMAL, .decimal = d};
}

static void take_money(struct faults *f, const char *part, struct money *m, bool whole)
{
    if (!m)
        return;
    f->part = part;
    if (whole && m->unit.n == 0)
        faults_needed(f, "unit", m->unit, 0);
    if (whole && m->value.kind == VALUE_ABSENT)
        faults_add(f, REASON_MISSING, "value", "is absent");
    take_number(f, "value", &m->value);
    f->part = NULL;
}

static void take_product(struct faults *f, struct product_ref *p)
{
    if (!p)
        return;
    f->part = "productRef";
    if (p->id.n == 0)
        faults_needed(f, "id", p->id, 0);
    mapping_drop_empty(&p->name);
    mapping_drop_empty(&p->href);
    mapping_drop_empty(&p->referred_type);
    f->part = NULL;
}

static void take_rating(struct faults *f, struct rating *r, bool whole)
{
    if (r->rating_date != INSTANT_NONE && (r->rating_date < year_0 || r->rating_date >= year_10000))
        faults_add(f, REASON_VALUE, "ratingDate", "%lld ms is not in the years 0 to 9999",
                   (long long)r->rating_date);
    mapping_drop_empty(&r->rating_amount_type);
    mapping_drop_empty(&r->offer_tariff_type);
    mapping_drop_empty(&r->usage_rating_tag);
    take_money(f, "taxExcludedRatingAmount", r->tax_excluded, whole);
    take_money(f, "taxIncludedRatingAmount", r->tax_included, whole);
    take_money(f, "bucketValueConvertedInAmount", r->bucket_value, whole);
    take_number(f, "taxRate", &r->tax_rate);
    take_product(f, r->product_ref);
}

void mapping_ratings(struct faults *f, struct list *ratings, bool whole)
{
    struct rating *r = ratings->items;
    f->list = "ratedProductUsage";
    for (f->index = 0; f->index < ratings->count; f->index++)
        take_rating(f, &r[f->index], whole);
    f->list = NULL;
}
