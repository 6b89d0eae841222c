-- Whoever has the source @http has found its marks sound: what was said before (http_source_refuse()) counts no more. The session of
-- another process is ended, since nothing else takes its lock away.
SELECT CASE l.pid WHEN pg_backend_pid() THEN pg_advisory_unlock(k.key) ELSE pg_terminate_backend(l.pid) END
FROM pg_locks l
CROSS JOIN (SELECT hashtextextended('usaged.http.refused', 0) AS key) AS k
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.mode = 'ExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = k.key
