-- Its row is locked.
UPDATE usage_specification
SET name = $2::text, revision = $3::bigint, updated_at = $4::timestamptz, document = $5::text
WHERE id = $1::text
