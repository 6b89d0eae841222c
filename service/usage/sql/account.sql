-- The account of the batch, in the same transaction as what it counts.
INSERT INTO source_outcome AS o (topic, partition, outcome, records)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[])
ON CONFLICT (topic, partition, outcome) DO UPDATE SET records = o.records + excluded.records
