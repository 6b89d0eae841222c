-- Places of a suspended listener stay as they are, to be seen.
WITH late AS (
    SELECT listener, sum(greatest(high_offset - next_offset, 0))::bigint AS backlog
    FROM hub_position
    GROUP BY listener
    HAVING sum(greatest(high_offset - next_offset, 0)) > $1::bigint
)
UPDATE hub_listener
SET suspended_at = now()
FROM late
WHERE id = late.listener AND suspended_at IS NULL
RETURNING id, callback, query, true, late.backlog
