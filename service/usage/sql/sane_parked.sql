-- Would PostgreSQL park an ordinary rating? A copy of one that waits, of another usage; else one that is made up. Always
-- rolled back.
INSERT INTO parked_rating (usage_id, topic, partition, record_offset, key, value, headers, record_ms, status, description,
                           rated_product_usage, rated)
SELECT gen_random_uuid(), topic, partition, record_offset, key, value, headers, record_ms, status, description,
       rated_product_usage, rated
FROM (
    (SELECT 0 AS made_up, topic, partition, record_offset, key, value, headers, record_ms, status, description,
            rated_product_usage, rated
     FROM parked_rating LIMIT 1)
    UNION ALL
    SELECT 1, 'usage.rated', 0, 0, NULL, '\x0000000000'::bytea, NULL, 0, 'rated', NULL, NULL, 0
) AS ordinary
ORDER BY made_up
LIMIT 1
