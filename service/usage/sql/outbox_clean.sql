-- Rows whose Kafka commit is known to have succeeded.
DELETE FROM outbox o
USING unnest($1::text[], $2::int[], $3::bigint[]) AS v (topic, partition, published)
WHERE o.topic = v.topic AND o.partition = v.partition AND o.to_offset <= v.published
