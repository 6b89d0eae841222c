-- Usages that are there although ratings that were parked by [$1, $2) wait for them, without $5: at most $3, and $4 bytes of
-- documents and of all that waits for them but for the first.
WITH weighed AS MATERIALIZED (
    SELECT usage_id,
           document + (SELECT sum(coalesce(octet_length(w.value), 0) + coalesce(octet_length(w.key), 0)
                                  + coalesce(octet_length(w.headers), 0))
                       FROM parked_rating w WHERE w.usage_id = missed.usage_id) AS bytes
    FROM (SELECT DISTINCT p.usage_id, octet_length(u.document)::bigint AS document
          FROM parked_rating p JOIN usage_row u ON u.id = p.usage_id
          WHERE p.parked_by >= $1::bigint::text::xid8 AND p.parked_by < $2::bigint::text::xid8
            AND p.usage_id <> ALL ($5::uuid[])
          ORDER BY p.usage_id
          LIMIT $3::int) AS missed
)
SELECT usage_id
FROM (SELECT usage_id, sum(bytes) OVER (ORDER BY usage_id) - bytes AS before FROM weighed) AS summed
WHERE before < $4::bigint
ORDER BY usage_id
