-- What transactions below this one parked is seen by all later snapshots. The session is marked: another one may be of a server
-- that gives its transaction numbers out anew, after a crash or a failover.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, set_config('usaged.parked_filter', 'begun', false)
