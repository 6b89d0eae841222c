-- The existing usages that the batch's ratings touch, locked and read by one statement. A document longer than $2 is left
-- out: how much they are together must be known before they come. Its length costs nothing, it stands in front of it.
SELECT id, content, deleted_at IS NOT NULL, revision, status, description, rated_product_usage, rated,
       CASE WHEN octet_length(document) <= $2::int THEN document END, octet_length(document)
FROM usage_row
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE
