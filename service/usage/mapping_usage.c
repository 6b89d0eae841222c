#include "usage/digest.h"
#include "usage/mapping_parts.h"

void mapping_specification(struct faults *f, struct specification_ref *s)
{
    faults_needed(f, "id", s->id, MAPPING_NAME_BYTES);
    faults_optional(f, "name", &s->name, MAPPING_NAME_BYTES);
    mapping_drop_empty(&s->href);
}

static void take_specification(struct faults *f, const struct mapping_settings *s,
                               const struct specification_ref *from, struct specification_ref *to)
{
    if (!from) {
        *to = (struct specification_ref){.id = text_of(s->default_specification_id)};
        return;
    }
    f->part = "usageSpecification";
    *to = (struct specification_ref){.id = from->id, .name = from->name, .href = from->href};
    mapping_specification(f, to);
    f->part = NULL;
}

void mapping_party(struct faults *f, struct related_party *p)
{
    faults_needed(f, "id", p->id, MAPPING_NAME_BYTES);
    faults_optional(f, "role", &p->role, MAPPING_NAME_BYTES);
    faults_optional(f, "name", &p->name, MAPPING_NAME_BYTES);
    mapping_drop_empty(&p->href);
}

static void take_parties(struct faults *f, const struct list *from, struct arena *a,
                         struct list *to)
{
    *to = (struct list){0};
    if (from->count == 0)
        return;
    size_t bytes = from->count * sizeof(struct related_party);
    struct related_party *p = memcpy(arena_alloc(a, bytes), from->items, bytes);
    *to = (struct list){p, from->count};
    f->list = "relatedParty";
    for (f->index = 0; f->index < from->count; f->index++, p++) {
        mapping_party(f, p);
        if (p->referred_type.n == 0)
            p->referred_type = TEXT("Customer");
    }
    f->list = NULL;
}

struct characteristic mapping_text_characteristic(struct text name, struct text value)
{
    return (struct characteristic){
        .name = name, .value_type = TEXT("string"), .value = {.kind = VALUE_TEXT, .text = value}};
}

void mapping_characteristic(struct faults *f, struct arena *a, struct characteristic *c)
{
    if (c->name.n == 0)
        faults_needed(f, "name", c->name, 0);
    const char *type = mapping_value(f, a, &c->value);
    if (c->value_type.n == 0)
        c->value_type = text_of(type);
    mapping_drop_empty(&c->id);
}

/* The two of the natural key come last, unless the record has its own of that name. */
static void take_characteristics(struct faults *f, const struct raw_usage *raw, struct arena *a,
                                 struct list *to)
{
    const struct text source = MAPPING_SOURCE_NAME, record_id = MAPPING_RECORD_ID_NAME;
    const struct list *from = &raw->characteristics;
    struct characteristic *c = arena_alloc(a, (from->count + 2) * sizeof *c);
    bool has_source = false, has_record_id = false;
    if (from->count > 0)
        memcpy(c, from->items, from->count * sizeof *c);
    f->list = "usageCharacteristic";
    for (f->index = 0; f->index < from->count; f->index++) {
        struct characteristic *this = &c[f->index];
        mapping_characteristic(f, a, this);
        this->relationships = (struct text){0};
        has_source |= text_eq(this->name, source);
        has_record_id |= text_eq(this->name, record_id);
    }
    f->list = NULL;
    *to = (struct list){c, from->count};
    if (!has_source)
        c[to->count++] = mapping_text_characteristic(source, raw->source);
    if (!has_record_id)
        c[to->count++] = mapping_text_characteristic(record_id, raw->record_id);
}

void mapping_usage(struct faults *f, const struct mapping_settings *s, const struct raw_usage *raw,
                   struct mapping_window w, struct arena *a, struct usage *u, uint64_t *content)
{
    *u = (struct usage){.revision = 1,
                        .usage_date = raw->usage_date,
                        .usage_type = raw->usage_type,
                        .type = TEXT("Usage")};
    u->description = raw->description;
    mapping_drop_empty(&u->description);
    faults_needed(f, "source", raw->source, MAPPING_SOURCE_BYTES);
    faults_needed(f, "recordId", raw->record_id, MAPPING_NAME_BYTES);
    faults_needed(f, "usageType", raw->usage_type, MAPPING_TYPE_BYTES);
    if (raw->usage_date == INSTANT_NONE)
        faults_add(f, REASON_MISSING, "usageDate", "is absent");
    else
        mapping_check_date(f, w, raw->usage_date);
    take_specification(f, s, raw->specification, &u->specification);
    take_parties(f, &raw->parties, a, &u->parties);
    take_characteristics(f, raw, a, &u->characteristics);
    if (f->reason == REASON_NONE)
        *content = digest_raw(raw, a);
}
