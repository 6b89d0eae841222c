-- Would PostgreSQL take an ordinary usage? A copy of the newest under another id of the same moment; of an empty table, one
-- that is made up. Always rolled back.
INSERT INTO usage_row (id, usage_date, usage_type, status, description, specification_id, party_id, other_party_ids,
                       rated_product_usage, revision, created_at, updated_at, content, rated, document)
SELECT overlay(id::text PLACING right(gen_random_uuid()::text, 12) FROM 25)::uuid, usage_date, usage_type, status, description,
       specification_id, party_id, other_party_ids, rated_product_usage, revision, created_at, updated_at, content, rated,
       document
FROM (
    (SELECT 0 AS made_up, * FROM usage_row WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1)
    UNION ALL
    SELECT 1, id_floor(now()), now(), 'VOICE', 'received', NULL, 'default', 'customer', NULL, NULL, 1, now(), now(), NULL, 0,
           NULL, '{"@type":"Usage","usageType":"VOICE","usageSpecification":{"id":"default"}}'
) AS ordinary
ORDER BY made_up
LIMIT 1
