-- One row for each source partition of the batch, also when it has nothing to say: it moves the published mark.
INSERT INTO outbox (topic, partition, from_offset, to_offset, format, messages)
SELECT topic, partition, from_offset, to_offset, $5::int, messages
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $6::bytea[])
     AS v (topic, partition, from_offset, to_offset, messages)
