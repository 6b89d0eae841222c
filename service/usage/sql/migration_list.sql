-- What has been applied.
SELECT number, name, checksum FROM usaged.schema_migration ORDER BY number
