-- The usages that ratings of this batch have changed; their rows are locked. $1 ids, $2 status, $3 description,
-- $4 ratings as JSON, $5 revision, $6 digests, $7 now.
UPDATE usage_row u
SET status = v.status, description = v.description, rated_product_usage = v.ratings, revision = v.revision,
    rated = v.rated, updated_at = $7::timestamptz
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[])
     AS v (id, status, description, ratings, revision, rated)
WHERE u.id = v.id
