-- Ratings that have waited too long, and whether their usage is there: of the $2 oldest, without those for $4, what was parked
-- before $1, and $3 bytes of it, with the usage's document, but for the first. None if the oldest of all is young.
SELECT usage_id, topic, partition, record_offset, is_there
FROM (SELECT usage_id, topic, partition, record_offset, parked_at, is_there,
             sum(bytes) OVER (ORDER BY parked_by, usage_id, topic, partition, record_offset ROWS UNBOUNDED PRECEDING) - bytes
                 AS before
      FROM (SELECT o.*, u.id IS NOT NULL AS is_there, o.record + coalesce(octet_length(u.document), 0) AS bytes
            FROM (SELECT usage_id, topic, partition, record_offset, parked_at, parked_by,
                         coalesce(octet_length(value), 0)::bigint + coalesce(octet_length(key), 0)
                             + coalesce(octet_length(headers), 0) AS record
                  FROM parked_rating WHERE usage_id <> ALL ($4::uuid[]) ORDER BY parked_by LIMIT $2::int) AS o
            LEFT JOIN usage_row u ON u.id = o.usage_id) AS weighed) AS summed
WHERE parked_at < $1::timestamptz AND before < $3::bigint
  AND (SELECT parked_at FROM parked_rating ORDER BY parked_by LIMIT 1) < $1::timestamptz
ORDER BY usage_id, topic, partition, record_offset
