INSERT INTO usage_specification (id, name, revision, created_at, updated_at, document)
VALUES ($1::text, $2::text, $3::bigint, $4::timestamptz, $4::timestamptz, $5::text)
