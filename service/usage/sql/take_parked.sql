-- Only what this returns is ours to apply, in the order of its places.
WITH taken AS (
    DELETE FROM parked_rating
    WHERE usage_id = ANY ($1::uuid[])
    RETURNING usage_id, topic, partition, record_offset, key, value, headers, record_ms, status, description,
              rated_product_usage, rated
)
SELECT * FROM taken ORDER BY usage_id, topic, partition, record_offset
