-- Transaction numbers that this server has not given out yet come from another one, whose dump was restored: such ratings
-- are parked anew.
WITH begun AS (
    UPDATE parked_sweep SET swept = '0' WHERE swept > pg_snapshot_xmax(pg_current_snapshot())
)
UPDATE parked_rating SET parked_by = pg_current_xact_id() WHERE parked_by >= pg_snapshot_xmax(pg_current_snapshot())
