-- Why: a rating and its usage, stored at once by two transactions, may each miss the other. The sweep joins them, and ends
-- ratings whose usage does not come.

-- In the order in which they were parked: what is not swept yet stands at the end, what is too old at the beginning.
CREATE INDEX parked_rating_by ON parked_rating (parked_by);

-- Ratings that were parked by transactions below this one have been swept. One row.
CREATE TABLE parked_sweep (
    swept xid8 NOT NULL,
    one   bool PRIMARY KEY DEFAULT true CHECK (one)
) WITH (fillfactor = 50);
INSERT INTO parked_sweep (swept) VALUES ('0');
