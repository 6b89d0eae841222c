-- Why: whoever mends a refused partition skips records, repeats them or gives events up; who did so, when and how far
-- must be found years later. A row is written before anything is changed, and gets `finished_at` with the change itself.
CREATE TABLE offset_mend (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic                  text COLLATE "C" NOT NULL,
    partition              int NOT NULL,
    at                     bigint NOT NULL, -- as asked for
    stored_before          bigint,          -- null: there was none
    stored_after           bigint NOT NULL,
    published_before       bigint,
    published_after        bigint,
    outbox_rows_given_up   bigint NOT NULL,
    messages_given_up      bigint NOT NULL,
    verdict                text NOT NULL,   -- what `usaged offsets` said of it
    mended_by              text NOT NULL,   -- user of the system @ instance.id
    begun_at               timestamptz NOT NULL DEFAULT now(),
    finished_at            timestamptz      -- null: it died in between; what it left is refused again, or mended
);
