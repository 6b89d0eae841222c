-- Usages for which a rating has waited too long. $1 it was parked before; of the $2 oldest, and of $3 bytes of them but for
-- the first. None if the oldest is young.
SELECT DISTINCT usage_id
FROM (SELECT usage_id, parked_at, sum(bytes) OVER (ORDER BY parked_by, usage_id ROWS UNBOUNDED PRECEDING) - bytes AS before
      FROM (SELECT usage_id, parked_at, parked_by, octet_length(value)::bigint AS bytes
            FROM parked_rating ORDER BY parked_by LIMIT $2::int) AS oldest) AS summed
WHERE parked_at < $1::timestamptz AND before < $3::bigint
  AND (SELECT parked_at FROM parked_rating ORDER BY parked_by LIMIT 1) < $1::timestamptz
ORDER BY usage_id
