-- How far each partition of topic $1 is stored, and what became of its records, of one moment.
SELECT s.partition, s.next_offset,
       coalesce(sum(o.records) FILTER (WHERE o.outcome = 'created'), 0)::bigint,
       coalesce(sum(o.records) FILTER (WHERE o.outcome = 'duplicate'), 0)::bigint
FROM usaged.source_offset AS s LEFT JOIN usaged.source_outcome AS o USING (topic, partition)
WHERE s.topic = $1::text
GROUP BY s.partition, s.next_offset
ORDER BY s.partition
