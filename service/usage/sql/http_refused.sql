-- Does a process say that the marks of the source @http contradict each other? Asked of pg_locks, since a session's own lock
-- is in nobody's way but others'.
SELECT EXISTS (
    SELECT 1 FROM pg_locks l
    CROSS JOIN (SELECT hashtextextended('usaged.http.refused', 0) AS key) AS k
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.mode = 'ExclusiveLock'
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (l.classid::bigint << 32 | l.objid::bigint) = k.key)
