-- Why: what stands before every migration, and is run before each `usaged migrate`: the schema and its ledger.
DO $$
BEGIN
    -- CREATE SCHEMA IF NOT EXISTS asks for a right on the database even where the schema is there.
    IF to_regnamespace('usaged') IS NULL THEN
        CREATE SCHEMA usaged;
    END IF;
    IF to_regclass('usaged.schema_migration') IS NULL THEN
        CREATE TABLE usaged.schema_migration (
            number     int PRIMARY KEY,
            name       text NOT NULL,
            checksum   text NOT NULL, -- SHA-256 of the file, hexadecimal
            applied_at timestamptz NOT NULL DEFAULT now()
        );
    END IF;
END $$;
