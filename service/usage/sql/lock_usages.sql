-- The existing usages that the batch's ratings touch, locked and read by one statement.
SELECT id, content, deleted_at IS NOT NULL, revision, status, description, rated_product_usage, rated, document
FROM usage_row
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE
