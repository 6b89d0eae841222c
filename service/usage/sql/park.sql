-- Ratings of this batch whose usage is not there: the record as it came, and decoded.
INSERT INTO parked_rating (usage_id, topic, partition, record_offset, key, value, headers, record_ms, status, description,
                           rated_product_usage, rated)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[],
                     $9::text[], $10::text[], $11::text[], $12::bigint[])
