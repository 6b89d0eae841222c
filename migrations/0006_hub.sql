-- Why: listeners of the hub, and how far each has been told what the outbound topics say.

CREATE TABLE hub_listener (
    id           uuid PRIMARY KEY,
    callback     text NOT NULL,
    query        text,
    token        text NOT NULL, -- the name of who registered it, '' without tokens
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz -- its backlog was too long: nothing is sent to it any more
);

-- A listener's place in a partition: all before next_offset is delivered, or is none of its business. It only grows, so
-- that a process which has lost the partition and does not know it yet can do no harm. high_offset: how far the partition
-- has been read; what lies between is the backlog. failures, retry_at: the back-off of what stands at next_offset.
-- Written every second, so that rows leave room for their next version.
CREATE TABLE hub_position (
    listener    uuid NOT NULL REFERENCES hub_listener (id) ON DELETE CASCADE,
    topic       text COLLATE "C" NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    high_offset bigint NOT NULL,
    failures    integer NOT NULL DEFAULT 0,
    retry_at    timestamptz,
    PRIMARY KEY (listener, topic, partition)
) WITH (fillfactor = 50);
