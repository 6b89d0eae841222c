-- The trace of a mend, before anything is changed. $1 topic, $2 partition, $3 at, $4 and $5 stored before and after, $6 and
-- $7 published before and after, $8 outbox rows and $9 messages given up, $10 verdict, $11 by whom.
INSERT INTO offset_mend (topic, partition, at, stored_before, stored_after, published_before, published_after,
                         outbox_rows_given_up, messages_given_up, verdict, mended_by)
VALUES ($1::text, $2::int, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::text,
        $11::text)
RETURNING id
