/* offsets - `usaged offsets`: where each inbound partition stands in Kafka and in PostgreSQL, and
 * what a takeover would find. */
#pragma once

#include "app/settings.h"

/* Prints a line a partition: topic, partition, low, high, stored, published, outbox rows, verdict;
 * "-" for what there is not. Changes nothing. Returns the exit code: 0 also when partitions are
 * refused. */
int offsets_run(const struct settings *s);
