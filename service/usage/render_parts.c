#include "usage/render_parts.h"

#include <assert.h>

#include "base/instant.h"
#include "base/json_line.h"
#include "usage/number.h"

enum member_kind {
    MEMBER_NONE,    /* passed over */
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
    size_t more;       /* where unknown members go: struct text */
    const void *blank; /* what an item is before it is read; NULL: all zero */
};

#define MEMBER(name_, kind_, struct_, member_, ...)                                                \
    {TEXT(name_), MEMBER_##kind_, offsetof(struct struct_, member_), __VA_ARGS__}
#define PART(members_, struct_, more_, blank_)                                                     \
    {(members_), sizeof(members_) / sizeof(members_)[0], sizeof(struct struct_),                   \
     offsetof(struct struct_, more_), (blank_)}

static const struct member specification_members[] = {
    MEMBER("id", TEXT, specification_ref, id, NULL),
    MEMBER("href", TEXT, specification_ref, href, NULL),
    MEMBER("name", TEXT, specification_ref, name, NULL),
    MEMBER("@referredType", TEXT, specification_ref, referred_type, NULL),
};
static const struct part specification_part =
    PART(specification_members, specification_ref, more, NULL);

static const struct member characteristic_members[] = {
    MEMBER("id", TEXT, characteristic, id, NULL),
    MEMBER("name", TEXT, characteristic, name, NULL),
    MEMBER("valueType", TEXT, characteristic, value_type, NULL),
    MEMBER("value", VALUE, characteristic, value, NULL),
    MEMBER("characteristicRelationship", RAW, characteristic, relationships, NULL),
};
static const struct part characteristic_part =
    PART(characteristic_members, characteristic, more, NULL);

static const struct member relationship_members[] = {
    MEMBER("id", TEXT, parts_relationship, id, NULL),
    MEMBER("href", TEXT, parts_relationship, href, NULL),
    MEMBER("relationshipType", TEXT, parts_relationship, relationship_type, NULL),
};
const struct part parts_relationship = PART(relationship_members, parts_relationship, more, NULL);

static const struct member party_members[] = {
    MEMBER("id", TEXT, related_party, id, NULL),
    MEMBER("href", TEXT, related_party, href, NULL),
    MEMBER("role", TEXT, related_party, role, NULL),
    MEMBER("name", TEXT, related_party, name, NULL),
    MEMBER("@referredType", TEXT, related_party, referred_type, NULL),
};
static const struct part party_part = PART(party_members, related_party, more, NULL);

static const struct member money_members[] = {
    MEMBER("unit", TEXT, money, unit, NULL),
    MEMBER("value", DECIMAL, money, value, NULL),
};
static const struct part money_part = PART(money_members, money, more, NULL);

static const struct member product_members[] = {
    MEMBER("id", TEXT, product_ref, id, NULL),
    MEMBER("href", TEXT, product_ref, href, NULL),
    MEMBER("name", TEXT, product_ref, name, NULL),
    MEMBER("@referredType", TEXT, product_ref, referred_type, NULL),
};
static const struct part product_part = PART(product_members, product_ref, more, NULL);

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
const struct part parts_rating = PART(rating_members, rating, more, &blank_rating);

#define DOCUMENT_MEMBERS                                                                           \
    MEMBER("usageDate", TIME, usage, usage_date, NULL),                                            \
        MEMBER("usageType", TEXT, usage, usage_type, NULL),                                        \
        MEMBER("usageSpecification", PART, usage, specification, &specification_part),             \
        MEMBER("usageCharacteristic", LIST, usage, characteristics, &characteristic_part),         \
        MEMBER("relatedParty", LIST, usage, parties, &party_part),                                 \
        MEMBER("@type", TEXT, usage, type, NULL),                                                  \
        MEMBER("@baseType", TEXT, usage, base_type, NULL),                                         \
        MEMBER("@schemaLocation", TEXT, usage, schema_location, NULL)

static const struct member document_members[] = {DOCUMENT_MEMBERS};
const struct part parts_document = PART(document_members, usage, extensions, NULL);

static_assert(offsetof(struct parts_body, usage) == 0, "a member of the usage is one of the body");

static const struct member body_members[] = {
    MEMBER("id", NONE, parts_body, usage, NULL),
    MEMBER("href", NONE, parts_body, usage, NULL),
    MEMBER("description", TEXT, usage, description, NULL),
    MEMBER("status", VALUE, parts_body, status, NULL),
    MEMBER("ratedProductUsage", LIST, usage, ratings, &parts_rating),
    DOCUMENT_MEMBERS,
};
const struct part parts_body = PART(body_members, parts_body, usage.extensions, NULL);

static void fault(struct parts_source *s, const char *what)
{
    if (!s->r.fault)
        s->r.fault = what;
}

static void read_text(struct parts_source *s, struct text *out)
{
    if (jsonr_text(&s->r, s->a, out) && s->outside && out->n == 0)
        *out = (struct text){0};
}

static void read_instant(struct parts_source *s, int64_t *out)
{
    struct text t;
    if (jsonr_text(&s->r, s->a, &t) && !instant_parse(t, out))
        fault(s, "a date-time is expected");
}

static void read_truth(struct parts_source *s, int8_t *out)
{
    bool truth;
    if (jsonr_truth(&s->r, &truth))
        *out = truth;
}

static void read_decimal(struct parts_source *s, struct value *out)
{
    struct text number;
    if (jsonr_number(&s->r, &number) && !decimal_parse(number, &out->decimal))
        fault(s, "a number has too many digits");
    out->kind = VALUE_DECIMAL;
}

/* Whatever kind it was written from, this one prints the same text again. */
static void read_value(struct parts_source *s, struct value *v)
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

static void *copy_items(struct arena *a, const struct part *part, const void *items, size_t count,
                        size_t room)
{
    return memcpy(arena_alloc(a, room * part->bytes), items, count * part->bytes);
}

enum { FEW = 4096 }; /* bytes: 30 characteristics */

/* Few items, as nearly always, take as much of the arena as they are, which a batch of documents
 * has thousands of; many grow in it by doubling, and what is left behind goes with the batch. */
void parts_read_list(struct parts_source *s, const struct part *part, struct list *out)
{
    _Alignas(max_align_t) char few[FEW] __attribute__((uninitialized));
    size_t room = sizeof few / part->bytes, count = 0;
    char *items = few;
    *out = (struct list){0};
    if (!jsonr_enter(&s->r, JSONR_ARRAY))
        return;
    for (; jsonr_next_item(&s->r); count++) {
        if (count == room)
            items = copy_items(s->a, part, items, count, room *= 2);
        void *item = items + count * part->bytes;
        clear(part, item);
        parts_read(s, part, item);
    }
    if (items == few && count > 0)
        items = copy_items(s->a, part, few, count, count);
    if (count > 0)
        *out = (struct list){items, count};
}

static void read_one(struct parts_source *s, const struct member *m, void *place)
{
    void *item;
    switch (m->kind) {
    case MEMBER_NONE:
        jsonr_skip(&s->r, NULL);
        break;
    case MEMBER_TEXT:
        read_text(s, place);
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
        parts_read(s, m->part, place);
        break;
    case MEMBER_POINTER:
        item = arena_alloc(s->a, m->part->bytes);
        clear(m->part, item);
        memcpy(place, &item, sizeof item);
        parts_read(s, m->part, item);
        break;
    case MEMBER_LIST:
        parts_read_list(s, m->part, place);
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

/* Unknown members so far: as they stand in the source while they stand together, else a copy. */
struct unknown {
    const char *p;
    size_t n, room; /* room 0: not ours */
};

static void append(struct parts_source *s, struct unknown *u, const char *p, size_t n)
{
    if (u->n + 1 + n > u->room) {
        u->room = 2 * (u->n + 1 + n);
        u->p = memcpy(arena_alloc(s->a, u->room), u->p, u->n);
    }
    char *end = (char *)u->p + u->n;
    *end = ',';
    memcpy(end + 1, p, n);
    u->n += 1 + n;
}

/* `before`: where the member before ended; between it and the key stand a comma and blanks. */
static void keep(struct parts_source *s, const char *before, struct unknown *u)
{
    const char *key = memchr(before, '"', (size_t)(s->r.p - before));
    bool drop = s->outside && jsonr_peek(&s->r) == JSONR_NULL;
    if (!jsonr_skip(&s->r, NULL) || drop)
        return;
    if (!u->p)
        *u = (struct unknown){.p = key, .n = (size_t)(s->r.p - key)};
    else if (u->room == 0 && u->p + u->n == before)
        u->n = (size_t)(s->r.p - u->p);
    else
        append(s, u, key, (size_t)(s->r.p - key));
}

void parts_read(struct parts_source *s, const struct part *part, void *base)
{
    struct text key;
    struct unknown more = {0};
    size_t from = 0;
    if (!jsonr_enter(&s->r, JSONR_OBJECT))
        return;
    for (const char *before = s->r.p; jsonr_next_key(&s->r, s->a, &key); before = s->r.p) {
        const struct member *m = find(part, key, from);
        if (!m) {
            keep(s, before, &more);
            continue;
        }
        from = (size_t)(m - part->members) + 1;
        read_one(s, m, (char *)base + m->offset);
        if (s->r.fault && !s->attribute.p)
            s->attribute = m->name;
    }
    if (more.n > 0) {
        struct text t = {more.p, more.n};
        t = s->outside ? json_one_line(t, s->a) : t;
        memcpy((char *)base + part->more, &t, sizeof t);
    }
}

struct text parts_braced(struct text members, struct arena *a)
{
    if (members.n == 0)
        return (struct text){0};
    char *object = arena_alloc(a, members.n + 2);
    object[0] = '{';
    memcpy(object + 1, members.p, members.n);
    object[members.n + 1] = '}';
    return (struct text){object, members.n + 2};
}
