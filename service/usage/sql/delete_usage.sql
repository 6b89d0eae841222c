-- Erases a usage; its row is locked. What remains keeps its key: a late copy of the record does not bring it back.
UPDATE usage_row
SET usage_type = NULL, description = NULL, specification_id = '', party_id = NULL, other_party_ids = NULL,
    rated_product_usage = NULL, rated = NULL, content = 0, document = '{}', revision = $2::bigint,
    updated_at = $3::timestamptz, deleted_at = $3::timestamptz
WHERE id = $1::uuid
