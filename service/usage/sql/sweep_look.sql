-- How far was swept, at least to $2; below the second number all transactions are over. The third, if $1 and there is anything
-- to sweep, is one that begins now: all before it have lower numbers. (The snapshot's xmax will not do: it is the last
-- *completed* one and 1, and others beyond it may be running.) The highest number is looked up in the index; whether there is
-- one beyond the mark would be looked for in all the table.
SELECT swept::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       CASE WHEN $1::bool AND (SELECT parked_by FROM parked_rating ORDER BY parked_by DESC LIMIT 1) >= swept
            THEN pg_current_xact_id()::text::bigint ELSE 0 END
FROM (SELECT greatest(swept, $2::bigint::text::xid8) AS swept FROM parked_sweep) AS mark
