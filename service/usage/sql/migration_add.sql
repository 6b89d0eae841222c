-- $1 number, $2 file, $3 checksum: applied, in the transaction of the migration itself.
INSERT INTO usaged.schema_migration (number, name, checksum) VALUES ($1::int, $2::text, $3::text)
