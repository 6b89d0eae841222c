-- The last statement before COMMIT of whatever writes through the source @http: the next number, under the lock of its
-- row, together with what is to be published. So numbers are committed in their order, without a gap.
WITH numbered AS (
    UPDATE source_offset SET next_offset = next_offset + 1
    WHERE (topic, partition) = ('@http', 0)
    RETURNING next_offset
)
INSERT INTO outbox (topic, partition, from_offset, to_offset, format, messages)
SELECT '@http', 0, next_offset - 1, next_offset, $1::int, $2::bytea FROM numbered
