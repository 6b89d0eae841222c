-- What became of parked ratings, by the source whose transaction ended them.
INSERT INTO parked_outcome AS o (topic, partition, outcome, records)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[])
ON CONFLICT (topic, partition, outcome) DO UPDATE SET records = o.records + excluded.records
