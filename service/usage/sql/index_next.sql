-- The next step towards indexes on the values of just these characteristics ($1): what to say, what to run, what to run
-- after it, and whether it runs beside all others; no row once all is as it should be. A partition's index is built by
-- itself and then attached, so nothing that was built is lost when this ends halfway.
WITH part AS (
    SELECT c.oid, c.relname AS name
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'usaged.usage_row'::regclass
), made AS (
    SELECT c.relname AS name, c.oid, x.indrelid AS of, x.indisvalid AS valid, h.inhparent AS parent,
           substring(pg_get_indexdef(c.oid) FROM 'usage_characteristic_values\(document, ''([^'']*)''::text\)') AS characteristic
    FROM pg_index x
    JOIN pg_class c ON c.oid = x.indexrelid
    LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
    WHERE x.indrelid = 'usaged.usage_row'::regclass OR x.indrelid IN (SELECT oid FROM part)
), whole AS (
    SELECT * FROM made WHERE of = 'usaged.usage_row'::regclass AND characteristic IS NOT NULL
), alone AS ( -- a partition's index that is not attached
    SELECT * FROM made WHERE of <> 'usaged.usage_row'::regclass AND parent IS NULL AND characteristic IS NOT NULL
), step AS (
    SELECT 1 AS rank, characteristic, name AS at, 'dropping the index on ' || characteristic AS say,
           format('DROP INDEX usaged.%I', name) AS run, NULL AS after, false AS beside
    FROM whole
    WHERE characteristic <> ALL ($1::text[])
    UNION ALL
    SELECT 2, characteristic, name, 'dropping what was left of an index on ' || characteristic,
           format('DROP INDEX CONCURRENTLY usaged.%I', name), NULL, true
    FROM alone
    WHERE NOT valid OR characteristic <> ALL ($1::text[])
       OR EXISTS (SELECT FROM made m WHERE m.of = alone.of AND m.parent IS NOT NULL AND m.characteristic = alone.characteristic)
    UNION ALL
    SELECT 3, wanted, '', 'making an index on ' || wanted,
           format('CREATE INDEX ON ONLY usaged.usage_row USING gin (usaged.usage_characteristic_values(document, %L)) '
                  'WITH (fastupdate = off)', wanted), NULL, false
    FROM unnest($1::text[]) AS wanted
    WHERE wanted NOT IN (SELECT characteristic FROM whole)
    UNION ALL
    SELECT 4, whole.characteristic, alone.name, NULL,
           format('ALTER INDEX usaged.%I ATTACH PARTITION usaged.%I', whole.name, alone.name), NULL, false
    FROM whole JOIN alone USING (characteristic)
    UNION ALL
    SELECT 5, whole.characteristic, part.name, 'building the index on ' || whole.characteristic || ' of ' || part.name,
           format('CREATE INDEX CONCURRENTLY ON usaged.%I USING gin (usaged.usage_characteristic_values(document, %L)) '
                  'WITH (fastupdate = off)', part.name, whole.characteristic),
           format('ANALYZE usaged.%I', part.name), true
    FROM whole CROSS JOIN part
    WHERE NOT EXISTS (SELECT FROM made m WHERE m.of = part.oid AND m.characteristic = whole.characteristic)
)
SELECT say, run, after, beside FROM step ORDER BY rank, characteristic, at LIMIT 1
