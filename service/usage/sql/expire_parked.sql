-- Only what this returns has ended. $1 usages that are not there, $2 what was parked before waits too long.
WITH taken AS (
    DELETE FROM parked_rating
    WHERE usage_id = ANY ($1::uuid[]) AND parked_at < $2::timestamptz
    RETURNING usage_id, topic, partition, record_offset, key, value, headers, record_ms, status, description,
              rated_product_usage, rated
)
SELECT * FROM taken ORDER BY usage_id, topic, partition, record_offset
