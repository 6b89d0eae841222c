SELECT id, callback, query, suspended_at IS NOT NULL,
       coalesce((SELECT sum(greatest(high_offset - next_offset, 0)) FROM hub_position WHERE listener = id), 0)::bigint
FROM hub_listener
ORDER BY created_at, id
