-- Ends the backend of ours that holds the row: a worker frozen in a COPY would hold it for ever, since no time-out of
-- PostgreSQL ends a COPY that waits for its client. The holder's transaction stands in the row's xmax.
SELECT pg_terminate_backend(a.pid)
FROM source_offset s
JOIN pg_stat_activity a ON a.backend_xid = s.xmax
WHERE s.topic = $1::text AND s.partition = $2::int AND a.application_name LIKE 'usaged/%' AND a.pid <> pg_backend_pid()
