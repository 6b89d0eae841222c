-- At most $2 answers of before $1. One that is being looked at is left for the next time.
DELETE FROM idempotency
WHERE key IN (SELECT key FROM idempotency WHERE created_at < $1::timestamptz ORDER BY created_at LIMIT $2::int
              FOR UPDATE SKIP LOCKED)
