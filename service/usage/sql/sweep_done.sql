-- Up to here each rating has been swept.
UPDATE parked_sweep SET swept = $1::bigint::text::xid8
