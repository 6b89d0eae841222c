-- $1 a role: is it there, is it the one that we are, is the outbox its own.
SELECT r.rolname IS NOT NULL, coalesce(r.rolname = current_user, false),
       coalesce(r.oid = (SELECT relowner FROM pg_class WHERE oid = to_regclass('usaged.outbox')), false)
FROM (SELECT $1::text AS name) AS given LEFT JOIN pg_roles AS r ON r.rolname = given.name
