-- A takeover begins: from now on every claim of a former owner raises. Waits for the row lock of its open transaction, so
-- what is read here is read after that. $1 topic, $2 partition, $3 the new owner.
UPDATE source_offset SET owner = $3::uuid
WHERE topic = $1::text AND partition = $2::int
RETURNING next_offset, cluster_id
