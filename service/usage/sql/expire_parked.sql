-- Ratings at the places $1 to $4 have waited too long, and their usages are not there: locked in the one order that all use,
-- and only what this returns has ended. What they say of the usage is not asked for: nobody applies it.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[]) AS v (usage_id, topic, partition, record_offset)
), locked AS MATERIALIZED (
    SELECT p.usage_id, p.topic, p.partition, p.record_offset
    FROM given JOIN parked_rating p USING (usage_id, topic, partition, record_offset)
    ORDER BY p.usage_id, p.topic, p.partition, p.record_offset
    FOR UPDATE OF p
), taken AS (
    DELETE FROM parked_rating p USING locked l
    WHERE (p.usage_id, p.topic, p.partition, p.record_offset) = (l.usage_id, l.topic, l.partition, l.record_offset)
    RETURNING p.usage_id, p.topic, p.partition, p.record_offset, p.key, p.value, p.headers, p.record_ms, p.status,
              NULL::text, NULL::text, p.rated
)
SELECT * FROM taken ORDER BY usage_id, topic, partition, record_offset
