-- Why: what is written over HTTP beside usages: specifications, and the answers that an Idempotency-Key brings back.

-- `document` is the TMF635 JSON without id, href and lastUpdate, which are put in when it is read.
CREATE TABLE usage_specification (
    id         text COLLATE "C" PRIMARY KEY,
    name       text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    document   text COMPRESSION lz4 NOT NULL
);
CREATE INDEX usage_specification_name ON usage_specification (name, id);

-- The first answer to a key, until it is too old. `key` and `request` are digests (SHA-256): of the token's name and the
-- key, of the path and the body.
CREATE TABLE idempotency (
    key        bytea PRIMARY KEY,
    request    bytea NOT NULL,
    created_at timestamptz NOT NULL,
    location   text NOT NULL,
    revision   bigint NOT NULL,
    body       text COMPRESSION lz4 NOT NULL
);
CREATE INDEX idempotency_age ON idempotency (created_at);
