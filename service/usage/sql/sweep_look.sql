-- How far was swept, and this moment's snapshot: transactions below the first number are over, those from the second on have
-- not begun.
SELECT swept::text::bigint, pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint
FROM parked_sweep CROSS JOIN pg_current_snapshot() AS now
