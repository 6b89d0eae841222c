-- The documents that lock_usages.sql has left out; their rows are locked.
SELECT document
FROM usage_row
WHERE id = ANY ($1::uuid[])
ORDER BY id
