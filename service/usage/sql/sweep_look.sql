-- How far was swept; below the second number all transactions are over. The third, if $1 and there is anything to sweep, is one
-- that begins now: all before it have lower numbers. (The snapshot's xmax will not do: it is the last *completed* one and 1,
-- and others beyond it may be running.) The newest rating is asked for by its index: EXISTS reads the whole table.
SELECT swept::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       CASE WHEN $1::bool AND (SELECT parked_by FROM parked_rating ORDER BY parked_by DESC LIMIT 1) >= swept
            THEN pg_current_xact_id()::text::bigint ELSE 0 END
FROM parked_sweep
