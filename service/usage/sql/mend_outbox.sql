-- A mend: removes the outbox rows of a partition that are not within [$3, $4). $1 topic, $2 partition.
DELETE FROM outbox
WHERE topic = $1::text AND partition = $2::int AND NOT (from_offset >= $3::bigint AND to_offset <= $4::bigint)
