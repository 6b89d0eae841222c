-- The end of the next $3 ratings, about, of those that were parked by [$1, $2).
SELECT coalesce((SELECT greatest(p.parked_by::text::bigint, $1::bigint + 1)
                 FROM parked_rating p
                 WHERE p.parked_by >= $1::bigint::text::xid8 AND p.parked_by < $2::bigint::text::xid8
                 ORDER BY p.parked_by OFFSET $3::int LIMIT 1), $2::bigint)
