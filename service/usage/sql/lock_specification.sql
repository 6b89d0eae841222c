SELECT name, revision, updated_at, document FROM usage_specification WHERE id = $1::text FOR UPDATE
