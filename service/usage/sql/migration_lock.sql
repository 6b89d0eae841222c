-- One `usaged migrate` at a time; held until the connection ends.
SELECT pg_try_advisory_lock(hashtextextended('usaged.migrate', 0))
