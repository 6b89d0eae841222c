/* raw_shape - a shape much like RawUsage, with every kind of field: for the tests of plan and
 * reader. */
#pragma once

#include <stddef.h>

#include "io/plan.h"

struct ref {
    struct text id, name;
};

struct party {
    struct text id, role, referred_type;
};

struct trait {
    struct text name, value_type;
    struct value value;
};

struct raw {
    struct text source, record_id, usage_type, description;
    int64_t date;
    int8_t billed;
    struct symbol status;
    struct value amount, tax_rate;
    struct ref *specification;
    struct list parties, traits;
};

static const char *const raw_statuses[] = {"received", "guided", "rejected", "recycled", NULL};
static const char *const raw_type_aliases[] = {"kind", "typeOfUsage", NULL};

static const struct shape_field ref_fields[] = {
    {.name = "id", .kind = SHAPE_TEXT, .offset = offsetof(struct ref, id), .required = true},
    {.name = "name", .kind = SHAPE_TEXT, .offset = offsetof(struct ref, name)},
};
static const struct shape ref_shape = {"Ref", sizeof(struct ref), ref_fields, 2};

static const struct shape_field party_fields[] = {
    {.name = "id", .kind = SHAPE_TEXT, .offset = offsetof(struct party, id), .required = true},
    {.name = "role", .kind = SHAPE_TEXT, .offset = offsetof(struct party, role)},
    {.name = "referredType",
     .kind = SHAPE_TEXT,
     .offset = offsetof(struct party, referred_type),
     .fallback = "Customer"},
};
static const struct shape party_shape = {"Party", sizeof(struct party), party_fields, 3};

static const struct shape_field trait_fields[] = {
    {.name = "name", .kind = SHAPE_TEXT, .offset = offsetof(struct trait, name), .required = true},
    {.name = "value",
     .kind = SHAPE_VALUE,
     .offset = offsetof(struct trait, value),
     .required = true},
    {.name = "valueType", .kind = SHAPE_TEXT, .offset = offsetof(struct trait, value_type)},
};
static const struct shape trait_shape = {"Trait", sizeof(struct trait), trait_fields, 3};

static const struct shape_field raw_fields[] = {
    {.name = "source",
     .kind = SHAPE_TEXT,
     .offset = offsetof(struct raw, source),
     .required = true},
    {.name = "recordId",
     .kind = SHAPE_TEXT,
     .offset = offsetof(struct raw, record_id),
     .required = true},
    {.name = "usageDate",
     .kind = SHAPE_TIME,
     .offset = offsetof(struct raw, date),
     .required = true},
    {.name = "usageType",
     .kind = SHAPE_TEXT,
     .offset = offsetof(struct raw, usage_type),
     .required = true,
     .aliases = raw_type_aliases},
    {.name = "status",
     .kind = SHAPE_ENUM,
     .offset = offsetof(struct raw, status),
     .symbols = raw_statuses,
     .fallback = "received"},
    {.name = "description", .kind = SHAPE_TEXT, .offset = offsetof(struct raw, description)},
    {.name = "isBilled", .kind = SHAPE_TRUTH, .offset = offsetof(struct raw, billed)},
    {.name = "amount", .kind = SHAPE_DECIMAL, .offset = offsetof(struct raw, amount)},
    {.name = "taxRate", .kind = SHAPE_NUMBER, .offset = offsetof(struct raw, tax_rate)},
    {.name = "usageSpecification",
     .kind = SHAPE_RECORD,
     .offset = offsetof(struct raw, specification),
     .record = &ref_shape},
    {.name = "relatedParty",
     .kind = SHAPE_ARRAY,
     .offset = offsetof(struct raw, parties),
     .record = &party_shape},
    {.name = "usageCharacteristic",
     .kind = SHAPE_ARRAY,
     .offset = offsetof(struct raw, traits),
     .record = &trait_shape},
};
static const struct shape raw_shape = {"RawUsage", sizeof(struct raw), raw_fields,
                                       sizeof raw_fields / sizeof *raw_fields};

static const struct shape *const raw_shapes[] = {&raw_shape, NULL};

#define RAW_SPECIFICATION                                                                          \
    "{'name':'usageSpecification','type':['null',{'type':'record','name':'UsageSpecificationRef'," \
    "'fields':["                                                                                   \
    "{'name':'id','type':'string'},{'name':'name','type':['null','string']},{'name':'href','type'" \
    ":['null',"                                                                                    \
    "'string']}]}]}"
#define RAW_PARTIES                                                                                \
    "{'name':'relatedParty','type':{'type':'array','items':{'type':'record','name':'RelatedParty'" \
    ",'fields':["                                                                                  \
    "{'name':'id','type':'string'},{'name':'role','type':['null','string']},{'name':'name','type'" \
    ":['null',"                                                                                    \
    "'string']},{'name':'referredType','type':'string','default':'Customer'}]}},'default':[]}"
#define RAW_TRAITS                                                                                 \
    "{'name':'usageCharacteristic','type':{'type':'array','items':{'type':'record','name':"        \
    "'UsageCharacteristic','fields':[{'name':'name','type':'string'},{'name':'value','type':['"    \
    "string','long',"                                                                              \
    "'double','boolean',{'type':'bytes','logicalType':'decimal','precision':38,'scale':6},{'type'" \
    ":'record',"                                                                                   \
    "'name':'Json','fields':[{'name':'json','type':'string'}]}]},{'name':'valueType','type':['"    \
    "null','string'],"                                                                             \
    "'default':null}]}},'default':[]}"

/* What a sensible writer's schema looks like; quotes are single here, see schema_text(). */
#define RAW_SCHEMA                                                                                 \
    "{'type':'record','name':'RawUsage','namespace':'usaged.v1','fields':[{'name':'source','type'" \
    ":'string'},"                                                                                  \
    "{'name':'recordId','type':'string'},{'name':'usageDate','type':{'type':'long','logicalType':" \
    "'timestamp-millis'}},{'name':'usageType','type':'string'},{'name':'status','type':{'type':'"  \
    "enum','name':"                                                                                \
    "'UsageStatus','symbols':['received','guided','rejected','recycled'],'default':'received'},'"  \
    "default':"                                                                                    \
    "'received'},{'name':'description','type':['null','string'],'default':null}"                   \
    "," RAW_SPECIFICATION "," RAW_PARTIES "," RAW_TRAITS "]}"

/* Single quotes become double ones. */
static inline char *schema_text(const char *quoted, char *out, size_t size)
{
    size_t n = strlen(quoted);
    if (n >= size)
        __builtin_trap();
    for (size_t i = 0; i <= n; i++)
        out[i] = quoted[i] == '\'' ? '"' : quoted[i];
    return out;
}
