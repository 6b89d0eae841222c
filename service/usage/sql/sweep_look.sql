-- What is due: below `safe`, every transaction that has parked a rating is over, so that whoever stores its usage from
-- now on sees it. $1 how many ratings to look at, about.
SELECT swept::text,
       coalesce((SELECT greatest(p.parked_by::text::numeric, swept::text::numeric + 1)::text::xid8
                 FROM parked_rating p
                 WHERE p.parked_by >= swept AND p.parked_by < safe
                 ORDER BY p.parked_by OFFSET $1::int LIMIT 1), safe)::text,
       safe::text
FROM parked_sweep CROSS JOIN pg_snapshot_xmin(pg_current_snapshot()) AS safe
