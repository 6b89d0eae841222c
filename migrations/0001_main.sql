-- Why: the tables of the main job: usages, the two watermarks' PostgreSQL side, the outbox, parked ratings.
-- Everything is in schema usaged, which `usaged migrate` makes and puts on the search_path.

-- The usages. The id begins with usageDate in milliseconds, so a date window is an id range, ORDER BY id is time
-- order and partitions are ranges of id. `document` is the TMF635 JSON without what a rating changes (id, href, status,
-- description, ratedProductUsage); the view below puts them together.
CREATE TABLE usage_row (
    id                  uuid NOT NULL,
    usage_date          timestamptz NOT NULL,
    usage_type          text COLLATE "C",
    status              text COLLATE "C" NOT NULL,
    description         text COLLATE "C",
    specification_id    text COLLATE "C" NOT NULL,
    party_id            text COLLATE "C",
    other_party_ids     text[] COLLATE "C",   -- null for a usage with one party, which is the usual one
    rated_product_usage text COMPRESSION lz4, -- JSON array
    revision            bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    deleted_at          timestamptz,
    content             bigint NOT NULL,      -- digest of the raw part
    rated               bytea,                -- digests of the last 32 rated records applied, 8 bytes each
    document            text COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE INDEX usage_row_party ON usage_row (party_id, id);

-- What others may read.
CREATE VIEW usage AS
SELECT id, usage_date, usage_type, status, description, specification_id, party_id, revision, created_at, updated_at,
       ('{"id":"' || id
        || coalesce('","description":' || to_json(description), '"')
        || ',"status":"' || status || '",'
        || substr(document, 2, length(document) - 2)
        || coalesce(',"ratedProductUsage":' || rated_product_usage, '')
        || '}')::json AS usage_json
FROM usage_row
WHERE deleted_at IS NULL;

-- How far each source partition is stored, and who may go on. Its rows are updated once a batch.
CREATE TABLE source_offset (
    topic       text COLLATE "C" NOT NULL,
    partition   int NOT NULL,
    next_offset bigint NOT NULL,
    owner       uuid NOT NULL,
    cluster_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- The account: what became of each record, by partition, written in the batch's own transaction.
CREATE TABLE source_outcome (
    topic     text COLLATE "C" NOT NULL,
    partition int NOT NULL,
    outcome   text COLLATE "C" NOT NULL,
    records   bigint NOT NULL,
    PRIMARY KEY (topic, partition, outcome)
) WITH (fillfactor = 50);

-- What has been stored and is not yet known to be published: one row a batch and source partition.
CREATE TABLE outbox (
    topic       text COLLATE "C" NOT NULL,
    partition   int NOT NULL,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,
    format      smallint NOT NULL,
    messages    bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (topic, partition, from_offset)
);

-- Ratings whose usage has not come: the record as it came, and decoded, so that applying it needs no registry.
CREATE TABLE parked_rating (
    usage_id            uuid NOT NULL,
    topic               text COLLATE "C" NOT NULL,
    partition           int NOT NULL,
    record_offset       bigint NOT NULL,
    parked_at           timestamptz NOT NULL DEFAULT now(),
    parked_by           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    key                 bytea,
    value               bytea COMPRESSION lz4,
    headers             bytea,
    record_ms           bigint NOT NULL,
    status              text COLLATE "C" NOT NULL,
    description         text,
    rated_product_usage text COMPRESSION lz4,
    rated               bigint NOT NULL,
    PRIMARY KEY (usage_id, topic, partition, record_offset)
);

-- What became of parked ratings, by the source whose transaction ended them.
CREATE TABLE parked_outcome (
    topic     text COLLATE "C" NOT NULL,
    partition int NOT NULL,
    outcome   text COLLATE "C" NOT NULL,
    records   bigint NOT NULL,
    PRIMARY KEY (topic, partition, outcome)
) WITH (fillfactor = 50);

-- Moves a partition's stored mark, or ends the transaction: whoever lost the partition must fail before it has
-- written anything. SQLSTATE UC001 means "taken over by another".
CREATE FUNCTION claim(p_topic text, p_partition int, p_owner uuid, p_from bigint, p_to bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE source_offset SET next_offset = p_to
    WHERE topic = p_topic AND partition = p_partition AND owner = p_owner AND next_offset = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'partition %[%] is no longer ours at offset %', p_topic, p_partition, p_from
            USING ERRCODE = 'UC001';
    END IF;
END $$;

-- The least id of a moment.
CREATE FUNCTION id_floor(p_time timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM p_time) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The bounds of each partition, in milliseconds since 1970, read from the catalogue so that a dropped or
-- hand-made partition is seen as it is.
CREATE FUNCTION usage_partitions() RETURNS TABLE (name text, low_ms bigint, high_ms bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.relname::text,
           ('x' || translate(left(bound[1], 13), '-', ''))::bit(48)::bigint,
           ('x' || translate(left(bound[2], 13), '-', ''))::bit(48)::bigint
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                    'FROM \(''([0-9a-f-]+)''\) TO \(''([0-9a-f-]+)''\)') AS bound
    WHERE i.inhparent = 'usaged.usage_row'::regclass AND bound IS NOT NULL
$$;

-- Makes the partition that holds a moment unless there is one; answers its bounds in milliseconds. Made apart and
-- attached, so that neither readers nor other writers wait. A changed interval holds past what exists: a new
-- partition is cut at its neighbours. SECURITY DEFINER, since the run-time role owns no table.
CREATE FUNCTION ensure_partition(p_time timestamptz, p_interval text, OUT low_ms bigint, OUT high_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = usaged, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    at_ms bigint := floor(extract(epoch FROM p_time) * 1000);
    low   timestamptz := date_trunc(p_interval, p_time);
    high  timestamptz;
    name  text;
BEGIN
    IF p_interval NOT IN ('hour', 'day', 'month') THEN
        RAISE EXCEPTION 'partition interval "%" is none of hour, day, month', p_interval;
    END IF;
    high := low + ('1 ' || p_interval)::interval;
    PERFORM pg_advisory_xact_lock(hashtextextended('usaged.ensure_partition', 0));
    SELECT u.low_ms, u.high_ms INTO low_ms, high_ms
    FROM usage_partitions() u WHERE u.low_ms <= at_ms AND at_ms < u.high_ms;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT greatest(max(u.high_ms) FILTER (WHERE u.high_ms <= at_ms), extract(epoch FROM low)::bigint * 1000),
           least(min(u.low_ms) FILTER (WHERE u.low_ms > at_ms), extract(epoch FROM high)::bigint * 1000)
    INTO low_ms, high_ms
    FROM usage_partitions() u;
    low_ms := greatest(low_ms, 0);
    name := 'usage_row_' || to_char(to_timestamp(low_ms / 1000.0), 'YYYYMMDD_HH24MISS');
    IF to_regclass('usaged.' || name) IS NOT NULL THEN -- one that was detached and is still there
        name := name || '_' || substr(md5(clock_timestamp()::text), 1, 6);
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE usage_row INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE usage_row ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                   id_floor(to_timestamp(low_ms / 1000.0)), id_floor(to_timestamp(high_ms / 1000.0)));
END $$;
REVOKE ALL ON FUNCTION ensure_partition(timestamptz, text) FROM PUBLIC;
