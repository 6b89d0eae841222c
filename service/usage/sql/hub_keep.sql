-- $1 to $7 stand side by side. A place only grows: whoever is further has delivered more, and knows better what it waits
-- for. The order is that of every other writer's. A listener that is being deleted is waited for, and is gone then: its
-- place would be made anew, and refer to nobody.
INSERT INTO hub_position AS old (listener, topic, partition, next_offset, high_offset, failures, retry_at)
SELECT place.*
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::timestamptz[])
     AS place (listener, topic, partition, next_offset, high_offset, failures, retry_at)
JOIN hub_listener ON id = place.listener
ORDER BY place.listener, place.topic COLLATE "C", place.partition
FOR KEY SHARE OF hub_listener
ON CONFLICT (listener, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset,
    high_offset = greatest(old.high_offset, excluded.high_offset),
    failures = excluded.failures,
    retry_at = excluded.retry_at
WHERE excluded.next_offset >= old.next_offset
