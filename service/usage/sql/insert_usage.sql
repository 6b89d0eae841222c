-- A usage that is created over HTTP. No row: there is one of this id.
INSERT INTO usage_row (id, usage_type, status, description, specification_id, party_id, other_party_ids, rated_product_usage,
                       revision, updated_at, document, usage_date, created_at, content)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text[], $8::text, $9::bigint, $10::timestamptz,
        $11::text, $12::timestamptz, $10::timestamptz, $13::bigint)
ON CONFLICT (id) DO NOTHING
