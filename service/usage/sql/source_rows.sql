-- The next outbox rows of a source partition, from $3 on: at most $4 of them, and $5 bytes but for the first. $1 topic, $2
-- partition. The length of a packed value is known without unpacking it.
SELECT from_offset, to_offset, format::int, messages
FROM (SELECT *, sum(octet_length(messages)) OVER (ORDER BY from_offset) - octet_length(messages) AS before
      FROM (SELECT * FROM outbox
            WHERE topic = $1::text AND partition = $2::int AND from_offset >= $3::bigint
            ORDER BY from_offset LIMIT $4::int) AS next) AS summed
WHERE before < $5::bigint
ORDER BY from_offset
