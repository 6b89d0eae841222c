-- A usage that is changed over HTTP; its row is locked.
UPDATE usage_row
SET usage_type = $2::text, status = $3::text, description = $4::text, specification_id = $5::text, party_id = $6::text,
    other_party_ids = $7::text[], rated_product_usage = $8::text, revision = $9::bigint, updated_at = $10::timestamptz,
    document = $11::text
WHERE id = $1::uuid
