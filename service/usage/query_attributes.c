#include "usage/query_attributes.h"

/* The types of the swagger, in the order of the contract; each ends with its family of names. */

#define IS_TEXT(name_) {.name = (name_), .type = ATTRIBUTE_TEXT}
#define IS_DATE(name_) {.name = (name_), .type = ATTRIBUTE_DATE}
#define IS_NUMBER(name_) {.name = (name_), .type = ATTRIBUTE_NUMBER}
#define IS_TRUTH(name_) {.name = (name_), .type = ATTRIBUTE_TRUTH}
#define IS_ANY(name_) {.name = (name_), .type = ATTRIBUTE_ANY}
#define IS_OBJECT(name_, parts_) {.name = (name_), .type = ATTRIBUTE_OBJECT, .parts = (parts_)}
#define IS_ARRAY(name_, parts_) {.name = (name_), .type = ATTRIBUTE_ARRAY, .parts = (parts_)}
#define FAMILY IS_TEXT("@type"), IS_TEXT("@baseType"), IS_TEXT("@schemaLocation")
#define REFERENCE IS_TEXT("@referredType"), FAMILY
#define END {.name = NULL}

/* Of specifications, whose documents are kept as they came. */
#define IS_WRITTEN_DATE(name_) {.name = (name_), .type = ATTRIBUTE_DATE, .role = ROLE_AS_WRITTEN}

static const struct attribute time_period[] = {IS_WRITTEN_DATE("startDateTime"),
                                               IS_WRITTEN_DATE("endDateTime"),
                                               IS_TEXT("id"),
                                               IS_TEXT("href"),
                                               FAMILY,
                                               END};

#define PARTY IS_TEXT("href"), IS_TEXT("name"), IS_TEXT("role"), REFERENCE, END

/* --- Usage ----------------------------------------------------------------------------------- */

static const struct attribute specification_ref[] = {
    {.name = "id", .type = ATTRIBUTE_TEXT, .column = "specification_id"},
    IS_TEXT("href"),
    IS_TEXT("name"),
    REFERENCE,
    END};

static const struct attribute characteristic_relationship[] = {
    IS_TEXT("id"), IS_TEXT("href"), IS_TEXT("relationshipType"), FAMILY, END};

static const struct attribute characteristic[] = {
    IS_TEXT("name"),
    IS_ANY("value"),
    IS_TEXT("id"),
    IS_TEXT("valueType"),
    IS_ARRAY("characteristicRelationship", characteristic_relationship),
    FAMILY,
    END};

static const struct attribute usage_party[] = {
    {.name = "id", .type = ATTRIBUTE_TEXT, .role = ROLE_PARTY}, PARTY};

static const struct attribute money[] = {
    IS_TEXT("unit"), IS_NUMBER("value"), IS_TEXT("id"), IS_TEXT("href"), FAMILY, END};

static const struct attribute product_ref[] = {IS_TEXT("id"), IS_TEXT("href"), IS_TEXT("name"),
                                               REFERENCE, END};

static const struct attribute rated_product_usage[] = {
    IS_DATE("ratingDate"),
    IS_TEXT("ratingAmountType"),
    IS_OBJECT("taxExcludedRatingAmount", money),
    IS_OBJECT("taxIncludedRatingAmount", money),
    IS_NUMBER("taxRate"),
    IS_TRUTH("isTaxExempt"),
    IS_TRUTH("isBilled"),
    IS_TEXT("offerTariffType"),
    IS_TEXT("usageRatingTag"),
    IS_OBJECT("bucketValueConvertedInAmount", money),
    IS_OBJECT("productRef", product_ref),
    FAMILY,
    END};

static const struct attribute usage[] = {
    {.name = "id", .type = ATTRIBUTE_TEXT, .role = ROLE_ID, .column = "id::text"},
    {.name = "href", .type = ATTRIBUTE_TEXT, .role = ROLE_HREF},
    {.name = "description", .type = ATTRIBUTE_TEXT, .column = "description"},
    {.name = "usageDate", .type = ATTRIBUTE_DATE, .role = ROLE_USAGE_DATE},
    {.name = "usageType", .type = ATTRIBUTE_TEXT, .column = "usage_type"},
    {.name = "status", .type = ATTRIBUTE_STATUS, .column = "status"},
    {.name = "usageSpecification",
     .type = ATTRIBUTE_OBJECT,
     .parts = specification_ref,
     .sorts = true},
    IS_ARRAY("usageCharacteristic", characteristic),
    IS_ARRAY("relatedParty", usage_party),
    {.name = "ratedProductUsage",
     .type = ATTRIBUTE_ARRAY,
     .parts = rated_product_usage,
     .column = "rated_product_usage::json"},
    FAMILY,
    END};

const struct query_resource query_usages = {.name = "usage",
                                            .attributes = usage,
                                            .table = "usage_row",
                                            .there = "deleted_at IS NULL",
                                            .uuid = true};

/* --- UsageSpecification ---------------------------------------------------------------------- */

static const struct attribute characteristic_value[] = {IS_TRUTH("isDefault"),
                                                        IS_ANY("value"),
                                                        IS_NUMBER("valueFrom"),
                                                        IS_NUMBER("valueTo"),
                                                        IS_TEXT("valueType"),
                                                        IS_TEXT("rangeInterval"),
                                                        IS_TEXT("regex"),
                                                        IS_TEXT("unitOfMeasure"),
                                                        IS_OBJECT("validFor", time_period),
                                                        FAMILY,
                                                        END};

static const struct attribute specification_relationship[] = {
    IS_TEXT("id"),
    IS_TEXT("href"),
    IS_TEXT("name"),
    IS_TEXT("characteristicSpecificationId"),
    IS_TEXT("parentSpecificationId"),
    IS_TEXT("parentSpecificationHref"),
    IS_TEXT("relationshipType"),
    IS_OBJECT("validFor", time_period),
    FAMILY,
    END};

static const struct attribute characteristic_specification[] = {
    IS_TEXT("id"),
    IS_TEXT("name"),
    IS_TEXT("description"),
    IS_TEXT("valueType"),
    IS_TRUTH("configurable"),
    IS_TRUTH("extensible"),
    IS_TRUTH("isUnique"),
    IS_NUMBER("minCardinality"),
    IS_NUMBER("maxCardinality"),
    IS_TEXT("regex"),
    IS_OBJECT("validFor", time_period),
    IS_ARRAY("charSpecRelationship", specification_relationship),
    IS_ARRAY("characteristicValueSpecification", characteristic_value),
    IS_TEXT("@valueSchemaLocation"),
    FAMILY,
    END};

static const struct attribute quantity[] = {IS_NUMBER("amount"), IS_TEXT("units"), END};

static const struct attribute attachment[] = {IS_TEXT("id"),
                                              IS_TEXT("href"),
                                              IS_TEXT("name"),
                                              IS_TEXT("description"),
                                              IS_TEXT("attachmentType"),
                                              IS_TEXT("mimeType"),
                                              IS_TEXT("content"),
                                              IS_TEXT("url"),
                                              IS_OBJECT("size", quantity),
                                              IS_OBJECT("validFor", time_period),
                                              REFERENCE,
                                              END};

static const struct attribute constraint[] = {IS_TEXT("id"),      IS_TEXT("href"), IS_TEXT("name"),
                                              IS_TEXT("version"), REFERENCE,       END};

static const struct attribute association[] = {IS_TEXT("id"), IS_TEXT("href"), IS_TEXT("name"),
                                               REFERENCE, END};

static const struct attribute entity_relationship[] = {IS_TEXT("relationshipType"),
                                                       IS_TEXT("id"),
                                                       IS_TEXT("href"),
                                                       IS_TEXT("name"),
                                                       IS_TEXT("role"),
                                                       IS_OBJECT("associationSpec", association),
                                                       IS_OBJECT("validFor", time_period),
                                                       REFERENCE,
                                                       END};

static const struct attribute party[] = {IS_TEXT("id"), PARTY};

static const struct attribute target_schema[] = {IS_TEXT("@type"), IS_TEXT("@schemaLocation"), END};

static const struct attribute specification[] = {
    {.name = "id", .type = ATTRIBUTE_TEXT, .role = ROLE_ID, .column = "id"},
    {.name = "href", .type = ATTRIBUTE_TEXT, .role = ROLE_HREF},
    {.name = "name", .type = ATTRIBUTE_TEXT, .column = "name"},
    IS_TEXT("description"),
    IS_TEXT("version"),
    IS_TEXT("lifecycleStatus"),
    IS_TRUTH("isBundle"),
    {.name = "lastUpdate",
     .type = ATTRIBUTE_DATE,
     .column = "to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"},
    IS_OBJECT("validFor", time_period),
    IS_ARRAY("specCharacteristic", characteristic_specification),
    IS_ARRAY("relatedParty", party),
    IS_ARRAY("attachment", attachment),
    IS_ARRAY("constraint", constraint),
    IS_ARRAY("entitySpecRelationship", entity_relationship),
    IS_OBJECT("targetEntitySchema", target_schema),
    FAMILY,
    END};

const struct query_resource query_specifications = {.name = "usageSpecification",
                                                    .attributes = specification,
                                                    .table = "usage_specification",
                                                    .there = "true"};

/* --- events ---------------------------------------------------------------------------------- */

static const struct attribute event_payload[] = {
    IS_OBJECT("usage", usage), IS_OBJECT("usageSpecification", specification), END};

static const struct attribute event[] = {IS_TEXT("eventId"),
                                         IS_DATE("eventTime"),
                                         IS_TEXT("eventType"),
                                         IS_TEXT("correlationId"),
                                         IS_TEXT("domain"),
                                         IS_TEXT("description"),
                                         IS_DATE("timeOcurred"),
                                         IS_TEXT("fieldPath"),
                                         IS_OBJECT("event", event_payload),
                                         END};

const struct query_resource query_events = {.name = "event", .attributes = event};

/* --- finding --------------------------------------------------------------------------------- */

static const struct attribute *find_part(const struct attribute *table, struct text name)
{
    for (const struct attribute *a = table; a && a->name; a++)
        if (text_is(name, a->name))
            return a;
    return NULL;
}

bool attribute_find(const struct query_resource *resource, struct text name,
                    struct attribute_path *out)
{
    const struct attribute *table = resource->attributes;
    const char *p = name.p, *end = name.p + name.n;
    for (out->depth = 0; out->depth < ATTRIBUTE_DEPTH;) {
        const char *dot = p < end ? memchr(p, '.', (size_t)(end - p)) : NULL;
        const struct attribute *a =
            find_part(table, (struct text){p, (size_t)((dot ? dot : end) - p)});
        if (!a)
            return false;
        out->steps[out->depth++] = a;
        if (!dot)
            return true;
        table = a->parts;
        p = dot + 1;
    }
    return false;
}

void attribute_name(const struct attribute_path *path, struct buf *out)
{
    for (int i = 0; i < path->depth; i++)
        buf_printf(out, "%s%s", i > 0 ? "." : "", path->steps[i]->name);
}

bool attribute_same(const struct attribute_path *a, const struct attribute_path *b)
{
    return a->depth == b->depth &&
           memcmp(a->steps, b->steps, (size_t)a->depth * sizeof *a->steps) == 0;
}

bool attribute_sorts(const struct attribute_path *path)
{
    return attribute_is_scalar(attribute_last(path)) &&
           (path->depth == 1 || (path->depth == 2 && path->steps[0]->sorts));
}
