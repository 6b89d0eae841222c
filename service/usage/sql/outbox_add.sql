-- What one source partition has to say of this batch; also when it is nothing: the row moves the published mark.
INSERT INTO outbox (topic, partition, from_offset, to_offset, format, messages)
VALUES ($1::text, $2::int, $3::bigint, $4::bigint, $5::int, $6::bytea)
