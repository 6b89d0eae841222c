-- The stored mark of a source partition and the rows of its outbox without their messages, of one moment. One row for each
-- of the outbox, or one without any; next_offset is null when the partition has no row. $1 topic, $2 partition.
SELECT s.next_offset, s.cluster_id, o.from_offset, o.to_offset, o.format::int
FROM (SELECT $1::text AS topic, $2::int AS partition) AS place
LEFT JOIN source_offset AS s USING (topic, partition)
LEFT JOIN outbox AS o USING (topic, partition)
ORDER BY o.from_offset
