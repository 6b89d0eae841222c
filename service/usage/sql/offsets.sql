-- The stored mark of each source partition and the rows of its outbox, of one moment.
SELECT s.topic, s.partition, s.next_offset, s.cluster_id, o.from_offset, o.to_offset
FROM usaged.source_offset AS s LEFT JOIN usaged.outbox AS o USING (topic, partition)
ORDER BY s.topic, s.partition, o.from_offset
