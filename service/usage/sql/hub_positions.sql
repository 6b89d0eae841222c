SELECT listener, topic, partition, next_offset, high_offset, failures, retry_at
FROM hub_position
JOIN hub_listener ON id = listener
WHERE suspended_at IS NULL
