-- The usages of what was parked by transactions from $1 on, and below which one all are over, by the same snapshot; $2 at most.
-- (The order and the limit as a parameter keep to the index whatever the statistics say.)
SELECT coalesce(current_setting('usaged.parked_filter', true) = 'begun', false), count(*)::int,
       string_agg(uuid_send(usage_id), ''), pg_snapshot_xmin(pg_current_snapshot())::text::bigint
FROM (SELECT usage_id FROM parked_rating WHERE parked_by >= $1::bigint::text::xid8 ORDER BY parked_by LIMIT $2::int) AS new
