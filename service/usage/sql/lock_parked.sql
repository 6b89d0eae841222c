-- What waits for these usages, locked in the one order that all use.
SELECT usage_id, topic, partition, record_offset
FROM parked_rating
WHERE usage_id = ANY ($1::uuid[])
ORDER BY usage_id, topic, partition, record_offset
FOR UPDATE
