/* The way back: the entity out of the texts of a row. */
#include "base/instant.h"
#include "base/jsonr.h"
#include "usage/number.h"
#include "usage/render.h"

enum member_kind {
    MEMBER_TEXT,    /* struct text */
    MEMBER_TIME,    /* int64_t */
    MEMBER_TRUTH,   /* int8_t */
    MEMBER_DECIMAL, /* struct value */
    MEMBER_VALUE,   /* struct value */
    MEMBER_RAW,     /* struct text: JSON as it stands */
    MEMBER_PART,    /* the part itself */
    MEMBER_POINTER, /* a pointer to the part */
    MEMBER_LIST     /* struct list of parts */
};

/* What an object may hold and where it goes, in the order in which render.c writes it. */
struct member {
    struct text name;
    enum member_kind kind;
    size_t offset;
    const struct part *part;
};

struct part {
    const struct member *members;
    size_t count, bytes;
    const void *blank; /* what an item is before it is read; NULL: all zero */
};

#define MEMBER(name_, kind_, struct_, member_, ...)                                                \
    {TEXT(name_), MEMBER_##kind_, offsetof(struct struct_, member_), __VA_ARGS__}
#define PART(members_, struct_, blank_)                                                            \
    {(members_), sizeof(members_) / sizeof(members_)[0], sizeof(struct struct_), (blank_)}

static const struct member specification_members[] = {
    MEMBER("id", TEXT, specification_ref, id, NULL),
    MEMBER("href", TEXT, specification_ref, href, NULL),
    MEMBER("name", TEXT, specification_ref, name, NULL),
    MEMBER("@referredType", TEXT, specification_ref, referred_type, NULL),
};
static const struct part specification_part = PART(specification_members, specification_ref, NULL);

static const struct member characteristic_members[] = {
    MEMBER("id", TEXT, characteristic, id, NULL),
    MEMBER("name", TEXT, characteristic, name, NULL),
    MEMBER("valueType", TEXT, characteristic, value_type, NULL),
    MEMBER("value", VALUE, characteristic, value, NULL),
    MEMBER("characteristicRelationship", RAW, characteristic, relationships, NULL),
};
static const struct part characteristic_part = PART(characteristic_members, characteristic, NULL);

static const struct member party_members[] = {
    MEMBER("id", TEXT, related_party, id, NULL),
    MEMBER("href", TEXT, related_party, href, NULL),
    MEMBER("role", TEXT, related_party, role, NULL),
    MEMBER("name", TEXT, related_party, name, NULL),
    MEMBER("@referredType", TEXT, related_party, referred_type, NULL),
};
static const struct part party_part = PART(party_members, related_party, NULL);

static const struct member document_members[] = {
    MEMBER("usageDate", TIME, usage, usage_date, NULL),
    MEMBER("usageType", TEXT, usage, usage_type, NULL),
    MEMBER("usageSpecification", PART, usage, specification, &specification_part),
    MEMBER("usageCharacteristic", LIST, usage, characteristics, &characteristic_part),
    MEMBER("relatedParty", LIST, usage, parties, &party_part),
    MEMBER("@type", TEXT, usage, type, NULL),
    MEMBER("@baseType", TEXT, usage, base_type, NULL),
    MEMBER("@schemaLocation", TEXT, usage, schema_location, NULL),
};
static const struct part document_part = PART(document_members, usage, NULL);

static const struct member money_members[] = {
    MEMBER("unit", TEXT, money, unit, NULL),
    MEMBER("value", DECIMAL, money, value, NULL),
};
static const struct part money_part = PART(money_members, money, NULL);

static const struct member product_members[] = {
    MEMBER("id", TEXT, product_ref, id, NULL),
    MEMBER("href", TEXT, product_ref, href, NULL),
    MEMBER("name", TEXT, product_ref, name, NULL),
    MEMBER("@referredType", TEXT, product_ref, referred_type, NULL),
};
static const struct part product_part = PART(product_members, product_ref, NULL);

static const struct member rating_members[] = {
    MEMBER("ratingDate", TIME, rating, rating_date, NULL),
    MEMBER("ratingAmountType", TEXT, rating, rating_amount_type, NULL),
    MEMBER("usageRatingTag", TEXT, rating, usage_rating_tag, NULL),
    MEMBER("offerTariffType", TEXT, rating, offer_tariff_type, NULL),
    MEMBER("taxExcludedRatingAmount", POINTER, rating, tax_excluded, &money_part),
    MEMBER("taxIncludedRatingAmount", POINTER, rating, tax_included, &money_part),
    MEMBER("bucketValueConvertedInAmount", POINTER, rating, bucket_value, &money_part),
    MEMBER("taxRate", DECIMAL, rating, tax_rate, NULL),
    MEMBER("isTaxExempt", TRUTH, rating, is_tax_exempt, NULL),
    MEMBER("isBilled", TRUTH, rating, is_billed, NULL),
    MEMBER("productRef", POINTER, rating, product_ref, &product_part),
};
static const struct rating blank_rating = {
    .rating_date = INSTANT_NONE, .is_tax_exempt = -1, .is_billed = -1};
static const struct part rating_part = PART(rating_members, rating, &blank_rating);

/* Failure sticks to the jsonr, so only the end is looked at. */
struct source {
    struct jsonr r;
    struct arena *a;
};

static void fault(struct source *s, const char *what)
{
    if (!s->r.fault)
        s->r.fault = what;
}

static void read_instant(struct source *s, int64_t *out)
{
    struct text t;
    if (jsonr_text(&s->r, s->a, &t) && !instant_parse(t, out))
        fault(s, "a date-time is expected");
}

static void read_truth(struct source *s, int8_t *out)
{
    bool truth;
    if (jsonr_truth(&s->r, &truth))
        *out = truth;
}

static void read_decimal(struct source *s, struct value *out)
{
    struct text number;
    if (jsonr_number(&s->r, &number) && !decimal_parse(number, &out->decimal))
        fault(s, "a number has too many digits");
    out->kind = VALUE_DECIMAL;
}

/* Whatever kind it was written from, this one prints the same text again. */
static void read_value(struct source *s, struct value *v)
{
    struct text number;
    switch (jsonr_peek(&s->r)) {
    case JSONR_TEXT:
        v->kind = VALUE_TEXT;
        jsonr_text(&s->r, s->a, &v->text);
        break;
    case JSONR_NUMBER:
        if (jsonr_number(&s->r, &number))
            *v = number_value(number);
        break;
    case JSONR_TRUE:
    case JSONR_FALSE:
        v->kind = VALUE_TRUTH;
        jsonr_truth(&s->r, &v->truth);
        break;
    case JSONR_NULL:
        v->kind = VALUE_NULL;
        jsonr_null(&s->r);
        break;
    default:
        v->kind = VALUE_JSON;
        jsonr_skip(&s->r, &v->text);
    }
}

static void clear(const struct part *part, void *item)
{
    if (part->blank)
        memcpy(item, part->blank, part->bytes);
    else
        memset(item, 0, part->bytes);
}

static void read_part(struct source *s, const struct part *part, void *base);

/* Items grow in the arena by doubling: what is left behind goes with the batch. */
static void read_list(struct source *s, const struct part *part, struct list *out)
{
    size_t room = 0;
    *out = (struct list){0};
    if (!jsonr_enter(&s->r, JSONR_ARRAY))
        return;
    while (jsonr_next_item(&s->r)) {
        if (out->count == room) {
            room = room ? room * 2 : 8;
            void *items = arena_alloc(s->a, room * part->bytes);
            if (out->count > 0)
                memcpy(items, out->items, out->count * part->bytes);
            out->items = items;
        }
        void *item = (char *)out->items + out->count++ * part->bytes;
        clear(part, item);
        read_part(s, part, item);
    }
}

static void read_one(struct source *s, const struct member *m, void *place)
{
    void *item;
    switch (m->kind) {
    case MEMBER_TEXT:
        jsonr_text(&s->r, s->a, place);
        break;
    case MEMBER_TIME:
        read_instant(s, place);
        break;
    case MEMBER_TRUTH:
        read_truth(s, place);
        break;
    case MEMBER_DECIMAL:
        read_decimal(s, place);
        break;
    case MEMBER_VALUE:
        read_value(s, place);
        break;
    case MEMBER_RAW:
        jsonr_skip(&s->r, place);
        break;
    case MEMBER_PART:
        read_part(s, m->part, place);
        break;
    case MEMBER_POINTER:
        item = arena_alloc(s->a, m->part->bytes);
        clear(m->part, item);
        memcpy(place, &item, sizeof item);
        read_part(s, m->part, item);
        break;
    case MEMBER_LIST:
        read_list(s, m->part, place);
        break;
    }
}

/* Looked for from `from` on and then round: in a document of ours the next one stands there or
 * shortly behind. */
static const struct member *find(const struct part *part, struct text key, size_t from)
{
    for (size_t i = 0; i < part->count; i++) {
        size_t at = from + i < part->count ? from + i : from + i - part->count;
        if (text_eq(part->members[at].name, key))
            return &part->members[at];
    }
    return NULL;
}

static void read_part(struct source *s, const struct part *part, void *base)
{
    struct text key;
    size_t from = 0;
    if (!jsonr_enter(&s->r, JSONR_OBJECT))
        return;
    while (jsonr_next_key(&s->r, s->a, &key)) {
        const struct member *m = find(part, key, from);
        if (m) {
            from = (size_t)(m - part->members) + 1;
            read_one(s, m, (char *)base + m->offset);
        } else {
            jsonr_skip(&s->r, NULL);
        }
    }
}

/* From the first member that is none of TMF635's to the end of the document. */
static void read_extensions(struct source *s, const char *first, struct text *out)
{
    struct text skipped;
    jsonr_skip(&s->r, NULL);
    const char *end = s->r.p;
    while (jsonr_next_key(&s->r, s->a, &skipped) && jsonr_skip(&s->r, NULL))
        end = s->r.p;
    size_t n = (size_t)(end - first);
    char *object = arena_alloc(s->a, n + 2);
    object[0] = '{';
    memcpy(object + 1, first, n);
    object[n + 1] = '}';
    *out = (struct text){object, n + 2};
}

static void read_document(struct source *s, struct usage *u)
{
    struct text key;
    size_t from = 0;
    if (!jsonr_enter(&s->r, JSONR_OBJECT))
        return;
    for (const char *first = s->r.p; jsonr_next_key(&s->r, s->a, &key); first = s->r.p) {
        const struct member *m = find(&document_part, key, from);
        if (!m) {
            read_extensions(s, *first == ',' ? first + 1 : first, &u->extensions);
            return;
        }
        from = (size_t)(m - document_members) + 1;
        read_one(s, m, (char *)u + m->offset);
    }
}

static bool finished(struct source *s, const char *what, struct err *err)
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
    struct source s = {jsonr_start(json), a};
    read_list(&s, &rating_part, out);
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
    struct source s = {jsonr_start(row->document), a};
    read_document(&s, out);
    if (!finished(&s, "document", err))
        return false;
    if (out->usage_date == INSTANT_NONE || out->specification.id.n == 0)
        return err_set(
            err, ERR_FATAL,
            "a stored document is not one of ours: no usageDate or no usageSpecification");
    return render_read_ratings(row->ratings, a, &out->ratings, err);
}
