#include "usage/usage.h"

const char *const usage_status_names[STATUS_COUNT + 1] = {
    [STATUS_RECEIVED] = "received", [STATUS_REJECTED] = "rejected", [STATUS_RECYCLED] = "recycled",
    [STATUS_GUIDED] = "guided",     [STATUS_RATED] = "rated",       [STATUS_RERATED] = "rerated",
    [STATUS_BILLED] = "billed",
};

enum usage_status usage_status_of(struct text name)
{
    enum usage_status s = 0;
    while (s < STATUS_COUNT && !text_is(name, usage_status_names[s]))
        s++;
    return s;
}

bool usage_may_become(enum usage_status from, enum usage_status to, enum usage_road road)
{
    enum { NO, YES, INGEST }; /* INGEST: a rating implies the guiding that nobody reported */
    static const unsigned char table[STATUS_COUNT][STATUS_COUNT] = {
        [STATUS_RECEIVED] =
            {[STATUS_GUIDED] = YES, [STATUS_REJECTED] = YES, [STATUS_RATED] = INGEST},
        [STATUS_GUIDED] = {[STATUS_RATED] = YES, [STATUS_REJECTED] = YES},
        [STATUS_REJECTED] = {[STATUS_RECYCLED] = YES},
        [STATUS_RECYCLED] =
            {[STATUS_GUIDED] = YES, [STATUS_REJECTED] = YES, [STATUS_RATED] = INGEST},
        [STATUS_RATED] = {[STATUS_RERATED] = YES, [STATUS_BILLED] = YES},
        [STATUS_RERATED] = {[STATUS_RATED] = YES, [STATUS_RERATED] = YES, [STATUS_BILLED] = YES},
    };
    unsigned char may = table[from][to];
    return may == YES || (may == INGEST && road == ROAD_INGEST);
}

bool usage_is_priced(enum usage_status s)
{
    return s == STATUS_RATED || s == STATUS_RERATED || s == STATUS_BILLED;
}

const struct related_party *usage_subscriber(const struct usage *u)
{
    const struct related_party *parties = u->parties.items;
    for (size_t i = 0; i < u->parties.count; i++)
        if (text_is(parties[i].role, "subscriber"))
            return &parties[i];
    return u->parties.count > 0 ? parties : NULL;
}

int64_t usage_newest_rating(const struct list *ratings)
{
    const struct rating *r = ratings->items;
    int64_t newest = INSTANT_NONE;
    for (size_t i = 0; i < ratings->count; i++)
        if (r[i].rating_date > newest)
            newest = r[i].rating_date;
    return newest;
}

static bool values_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind != VALUE_DECIMAL || decimal_compare(a->decimal, b->decimal) == 0;
}

static bool money_equal(const struct money *a, const struct money *b)
{
    if (!a || !b)
        return a == b;
    return text_eq(a->unit, b->unit) && values_equal(&a->value, &b->value);
}

static bool products_equal(const struct product_ref *a, const struct product_ref *b)
{
    if (!a || !b)
        return a == b;
    return text_eq(a->id, b->id) && text_eq(a->name, b->name) && text_eq(a->href, b->href) &&
           text_eq(a->referred_type, b->referred_type);
}

static bool rating_equal(const struct rating *a, const struct rating *b)
{
    return a->rating_date == b->rating_date &&
           text_eq(a->rating_amount_type, b->rating_amount_type) &&
           money_equal(a->tax_excluded, b->tax_excluded) &&
           money_equal(a->tax_included, b->tax_included) &&
           money_equal(a->bucket_value, b->bucket_value) &&
           values_equal(&a->tax_rate, &b->tax_rate) && a->is_tax_exempt == b->is_tax_exempt &&
           a->is_billed == b->is_billed && text_eq(a->offer_tariff_type, b->offer_tariff_type) &&
           text_eq(a->usage_rating_tag, b->usage_rating_tag) &&
           products_equal(a->product_ref, b->product_ref);
}

bool usage_ratings_equal(const struct list *a, const struct list *b)
{
    const struct rating *ra = a->items, *rb = b->items;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!rating_equal(&ra[i], &rb[i]))
            return false;
    return true;
}

/* The first attribute that a price needs and this rating lacks, NULL if it has all. */
static const char *lacking(const struct rating *r)
{
    if (r->rating_date == INSTANT_NONE)
        return "ratingDate";
    if (!r->tax_excluded)
        return "taxExcludedRatingAmount";
    if (!r->tax_included)
        return "taxIncludedRatingAmount";
    if (r->tax_rate.kind == VALUE_ABSENT)
        return "taxRate";
    return r->product_ref ? NULL : "productRef";
}

static void default_text(struct text *t, struct text fallback)
{
    if (t->n == 0)
        *t = fallback;
}

static void fill_defaults(struct rating *r)
{
    default_text(&r->rating_amount_type, TEXT("Total"));
    default_text(&r->offer_tariff_type, TEXT("Normal"));
    default_text(&r->usage_rating_tag, TEXT("usage"));
    if (r->is_tax_exempt < 0)
        r->is_tax_exempt = 0;
    if (r->is_billed < 0)
        r->is_billed = 0;
}

bool usage_complete_ratings(enum usage_status status, struct list *ratings, struct err *err)
{
    if (!usage_is_priced(status))
        return true;
    struct rating *r = ratings->items;
    const char *lacks = NULL;
    size_t i = 0;
    while (i < ratings->count && !(lacks = lacking(&r[i])))
        fill_defaults(&r[i++]);
    if (ratings->count > 0 && !lacks)
        return true;
    if (lacks)
        err_set(err, ERR_DATA, "ratedProductUsage[%zu].%s is absent, which status %s needs", i,
                lacks, usage_status_names[status]);
    else
        err_set(err, ERR_DATA, "ratedProductUsage is empty, status %s needs at least one",
                usage_status_names[status]);
    err->code = REASON_INCOMPLETE;
    return false;
}
