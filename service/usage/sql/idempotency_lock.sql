-- Until the transaction ends: false while another one has this key. $1 the key's digest.
SELECT pg_try_advisory_xact_lock(('x' || encode(substr($1::bytea, 1, 8), 'hex'))::bit(64)::bigint)
