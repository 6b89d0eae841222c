-- The rights that the service needs and this role has not, as "INSERT on usaged.usage_row". As in migrations/grants.sql.
SELECT r || ' on usaged.' || t
FROM (VALUES ('usage', 'SELECT'), ('usage_row', 'SELECT'), ('usage_row', 'INSERT'), ('usage_row', 'UPDATE'),
             ('source_offset', 'SELECT'), ('source_offset', 'INSERT'), ('source_offset', 'UPDATE'),
             ('source_outcome', 'SELECT'), ('source_outcome', 'INSERT'), ('source_outcome', 'UPDATE'),
             ('parked_outcome', 'SELECT'), ('parked_outcome', 'INSERT'), ('parked_outcome', 'UPDATE'),
             ('parked_rating', 'SELECT'), ('parked_rating', 'INSERT'), ('parked_rating', 'UPDATE'),
             ('parked_rating', 'DELETE'), ('parked_sweep', 'SELECT'), ('parked_sweep', 'UPDATE'),
             ('offset_mend', 'SELECT'), ('offset_mend', 'INSERT'), ('offset_mend', 'UPDATE'),
             ('usage_specification', 'SELECT'), ('usage_specification', 'INSERT'), ('usage_specification', 'UPDATE'),
             ('usage_specification', 'DELETE'), ('idempotency', 'SELECT'), ('idempotency', 'INSERT'),
             ('idempotency', 'UPDATE'), ('idempotency', 'DELETE'),
             ('hub_listener', 'SELECT'), ('hub_listener', 'INSERT'), ('hub_listener', 'UPDATE'),
             ('hub_listener', 'DELETE'), ('hub_position', 'SELECT'), ('hub_position', 'INSERT'),
             ('hub_position', 'UPDATE'), ('hub_position', 'DELETE'),
             ('outbox', 'SELECT'), ('outbox', 'INSERT'), ('outbox', 'DELETE')) AS needed (t, r)
WHERE NOT has_table_privilege('usaged.' || t, r)
UNION ALL
SELECT 'EXECUTE on ' || oid::regprocedure
FROM pg_proc
WHERE pronamespace = 'usaged'::regnamespace AND NOT has_function_privilege(oid, 'EXECUTE')
