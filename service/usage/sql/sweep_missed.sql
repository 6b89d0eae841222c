-- Usages that are there although ratings that were parked by [$1, $2) wait for them: at most $3, and $4 bytes of documents
-- but for the first.
SELECT usage_id
FROM (SELECT usage_id, sum(bytes) OVER (ORDER BY usage_id) - bytes AS before
      FROM (SELECT DISTINCT p.usage_id, octet_length(u.document)::bigint AS bytes
            FROM parked_rating p JOIN usage_row u ON u.id = p.usage_id
            WHERE p.parked_by >= $1::bigint::text::xid8 AND p.parked_by < $2::bigint::text::xid8
            ORDER BY p.usage_id
            LIMIT $3::int) AS missed) AS summed
WHERE before < $4::bigint
ORDER BY usage_id
