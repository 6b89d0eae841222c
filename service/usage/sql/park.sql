-- Ratings of this batch whose usage is not there: the record as it came, and decoded. One that waits already, since its
-- partition is read again (usaged offsets --mend), stays as it is; of the two in the account one has ended.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[],
                         $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bigint[])
        AS v (usage_id, topic, partition, record_offset, key, value, headers, record_ms, status, description,
              rated_product_usage, rated)
), put AS (
    INSERT INTO parked_rating (usage_id, topic, partition, record_offset, key, value, headers, record_ms, status,
                               description, rated_product_usage, rated)
    SELECT * FROM given
    ON CONFLICT (usage_id, topic, partition, record_offset) DO NOTHING
    RETURNING usage_id, topic, partition, record_offset
)
INSERT INTO parked_outcome AS o (topic, partition, outcome, records)
SELECT g.topic, g.partition, 'duplicate', count(*)
FROM given g LEFT JOIN put p USING (usage_id, topic, partition, record_offset)
WHERE p.usage_id IS NULL
GROUP BY g.topic, g.partition
ON CONFLICT (topic, partition, outcome) DO UPDATE SET records = o.records + excluded.records
