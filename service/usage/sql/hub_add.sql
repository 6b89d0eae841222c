-- A listener with its places: $5 to $7 stand side by side.
WITH listener AS (
    INSERT INTO hub_listener (id, callback, query, token)
    VALUES ($1::uuid, $2::text, $3::text, $4::text)
    RETURNING id
)
INSERT INTO hub_position (listener, topic, partition, next_offset, high_offset)
SELECT listener.id, place.topic, place.partition, place.next_offset, place.next_offset
FROM listener, unnest($5::text[], $6::int[], $7::bigint[]) AS place (topic, partition, next_offset)
