-- A mend: the stored mark, unless somebody has taken the partition over since we did. $1 topic, $2 partition, $3 the new
-- mark, $4 our token, $5 this cluster.
INSERT INTO source_offset AS s (topic, partition, next_offset, owner, cluster_id)
VALUES ($1::text, $2::int, $3::bigint, $4::uuid, $5::text)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, cluster_id = excluded.cluster_id
WHERE s.owner = excluded.owner
