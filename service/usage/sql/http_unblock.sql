-- Ends the session that holds the lock of the source @http when its process stands still: it asks something several
-- times a second. $1 for how many milliseconds it may be silent; a statement or transaction may take 30 s.
SELECT pg_terminate_backend(a.pid)
FROM pg_locks l
JOIN pg_stat_activity a USING (pid)
CROSS JOIN (SELECT hashtextextended('usaged.http', 0) AS key) AS k
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database
                                                                                WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = k.key
  AND a.application_name LIKE 'usaged/%' AND a.pid <> pg_backend_pid()
  AND a.state_change < clock_timestamp() - CASE a.state WHEN 'idle' THEN $1::int ELSE 30000 END * interval '1 ms'
