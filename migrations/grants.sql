-- Why: the run-time role owns nothing but the outbox, and may do what the service does, no more. Run after the migrations,
-- each time. {{role}} is replaced by the role's name, quoted.
GRANT USAGE ON SCHEMA usaged TO {{role}};
GRANT SELECT ON usaged.schema_migration, usaged.usage TO {{role}};
GRANT SELECT, INSERT, UPDATE ON usaged.usage_row, usaged.source_offset, usaged.source_outcome, usaged.parked_outcome
    TO {{role}};
GRANT SELECT, INSERT, UPDATE, DELETE ON usaged.parked_rating TO {{role}};
GRANT SELECT, INSERT, UPDATE ON usaged.offset_mend TO {{role}};
GRANT SELECT, INSERT, UPDATE, DELETE ON usaged.usage_specification TO {{role}};
GRANT SELECT, INSERT, DELETE, UPDATE ON usaged.idempotency TO {{role}};
GRANT SELECT, UPDATE ON usaged.parked_sweep TO {{role}};
GRANT SELECT, INSERT, UPDATE, DELETE ON usaged.hub_listener, usaged.hub_position TO {{role}};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA usaged TO {{role}};

-- The outbox is the role's own, since only an owner may VACUUM, and without that it grows by gigabytes. Giving it away
-- takes membership in the role, for which CREATEROLE will do; whoever has neither grants the rest and is warned.
DO $$
DECLARE
    role regrole := '{{role}}';
BEGIN
    IF role = (SELECT relowner FROM pg_class WHERE oid = 'usaged.outbox'::regclass) THEN
        RETURN;
    END IF;
    -- The new owner needs the right to create in the schema, at this moment only.
    IF role <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'usaged') THEN
        GRANT CREATE ON SCHEMA usaged TO {{role}};
    END IF;
    -- Whoever gives it away keeps what a dump reads, and what `usaged offsets --mend` needs.
    BEGIN
        ALTER TABLE usaged.outbox OWNER TO {{role}};
        GRANT SELECT, UPDATE, DELETE ON usaged.outbox TO CURRENT_USER;
    EXCEPTION WHEN insufficient_privilege THEN
        BEGIN
            GRANT {{role}} TO CURRENT_USER;
            ALTER TABLE usaged.outbox OWNER TO {{role}};
            GRANT SELECT, UPDATE, DELETE ON usaged.outbox TO CURRENT_USER;
            REVOKE {{role}} FROM CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN
            GRANT ALL ON usaged.outbox TO {{role}};
            RAISE WARNING 'usaged.outbox is not %''s own, so it cannot VACUUM it; as a superuser: ALTER TABLE usaged.outbox OWNER TO {{role}}', role;
        END;
    END;
    IF role <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'usaged') THEN
        REVOKE CREATE ON SCHEMA usaged FROM {{role}};
    END IF;
END $$;
