-- Which partition has the most rows, as the statistics say.
SELECT c.relname::text, c.reltuples::bigint
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'usaged.usage_row'::regclass
ORDER BY c.reltuples DESC
LIMIT 1
