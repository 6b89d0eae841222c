-- The usages of the next $2 parked ratings behind $1, 16 bytes each, how many, and whether the session is still the marked one.
SELECT coalesce(current_setting('usaged.parked_filter', true) = 'begun', false), count(*)::int,
       string_agg(uuid_send(usage_id), '')
FROM (SELECT usage_id FROM parked_rating WHERE usage_id > $1::uuid ORDER BY usage_id LIMIT $2::int) AS next
