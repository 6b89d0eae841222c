#include "usage/record.h"

#include "usage/record_shapes.h"

/* The shapes are written as the tables of wire contract section 1, line by line. */
#define FIELD SHAPE_FIELD
#define SHAPE SHAPE_OF

static const struct shape_field specification_fields[] = {
    FIELD("id", TEXT, specification_ref, id, .required = true),
    FIELD("name", TEXT, specification_ref, name),
    FIELD("href", TEXT, specification_ref, href),
};
static const struct shape specification =
    SHAPE("UsageSpecificationRef", specification_ref, specification_fields);

static const struct shape_field party_fields[] = {
    FIELD("id", TEXT, related_party, id, .required = true),
    FIELD("role", TEXT, related_party, role),
    FIELD("name", TEXT, related_party, name),
    FIELD("href", TEXT, related_party, href),
    FIELD("referredType", TEXT, related_party, referred_type, .fallback = "Customer"),
};
static const struct shape party = SHAPE("RelatedParty", related_party, party_fields);

static const struct shape_field characteristic_fields[] = {
    FIELD("name", TEXT, characteristic, name, .required = true),
    FIELD("value", VALUE, characteristic, value, .required = true),
    FIELD("valueType", TEXT, characteristic, value_type),
    FIELD("id", TEXT, characteristic, id),
};
static const struct shape characteristic =
    SHAPE("UsageCharacteristic", characteristic, characteristic_fields);

static const struct shape_field raw_fields[] = {
    FIELD("source", TEXT, raw_usage, source, .required = true),
    FIELD("recordId", TEXT, raw_usage, record_id, .required = true),
    FIELD("usageDate", TIME, raw_usage, usage_date, .required = true),
    FIELD("usageType", TEXT, raw_usage, usage_type, .required = true),
    FIELD("status", ENUM, raw_usage, status, .symbols = usage_status_names, .fallback = "received"),
    FIELD("description", TEXT, raw_usage, description),
    FIELD("usageSpecification", RECORD, raw_usage, specification, .record = &specification),
    FIELD("relatedParty", ARRAY, raw_usage, parties, .record = &party),
    FIELD("usageCharacteristic", ARRAY, raw_usage, characteristics, .record = &characteristic),
};
const struct shape record_raw_usage = SHAPE("RawUsage", raw_usage, raw_fields);

static const struct shape_field money_fields[] = {
    FIELD("unit", TEXT, money, unit, .required = true),
    FIELD("value", DECIMAL, money, value, .required = true),
};
static const struct shape money = SHAPE("Money", money, money_fields);

static const struct shape_field product_fields[] = {
    FIELD("id", TEXT, product_ref, id, .required = true),
    FIELD("name", TEXT, product_ref, name),
    FIELD("href", TEXT, product_ref, href),
    FIELD("referredType", TEXT, product_ref, referred_type),
};
static const struct shape product = SHAPE("ProductRef", product_ref, product_fields);

static const struct shape_field rating_fields[] = {
    FIELD("ratingDate", TIME, rating, rating_date),
    FIELD("ratingAmountType", TEXT, rating, rating_amount_type),
    FIELD("taxExcludedRatingAmount", RECORD, rating, tax_excluded, .record = &money),
    FIELD("taxIncludedRatingAmount", RECORD, rating, tax_included, .record = &money),
    FIELD("bucketValueConvertedInAmount", RECORD, rating, bucket_value, .record = &money),
    FIELD("taxRate", NUMBER, rating, tax_rate),
    FIELD("isTaxExempt", TRUTH, rating, is_tax_exempt),
    FIELD("isBilled", TRUTH, rating, is_billed),
    FIELD("offerTariffType", TEXT, rating, offer_tariff_type),
    FIELD("usageRatingTag", TEXT, rating, usage_rating_tag),
    FIELD("productRef", RECORD, rating, product_ref, .record = &product),
};
static const struct shape rating = SHAPE("RatedProductUsage", rating, rating_fields);

static const struct shape_field rated_fields[] = {
    FIELD("usageId", TEXT, rated_usage, usage_id),
    FIELD("source", TEXT, rated_usage, source),
    FIELD("recordId", TEXT, rated_usage, record_id),
    FIELD("usageDate", TIME, rated_usage, usage_date),
    FIELD("status", ENUM, rated_usage, status, .symbols = usage_status_names, .fallback = "rated"),
    FIELD("description", TEXT, rated_usage, description),
    FIELD("ratedProductUsage", ARRAY, rated_usage, ratings, .record = &rating),
    FIELD("usage", RECORD, rated_usage, usage, .record = &record_raw_usage),
};
const struct shape record_rated_usage = SHAPE("RatedUsage", rated_usage, rated_fields);

static const struct shape_field document_fields[] = {
    FIELD("source", TEXT, usage_document, source, .required = true),
    FIELD("recordId", TEXT, usage_document, record_id, .required = true),
    FIELD("usageDate", TIME, usage_document, usage_date, .required = true),
    FIELD("document", TEXT, usage_document, document, .required = true),
};
const struct shape record_usage_document = SHAPE("UsageDocument", usage_document, document_fields);

const struct shape *const record_shapes[] = {&record_raw_usage, &record_rated_usage,
                                             &record_usage_document, NULL};
