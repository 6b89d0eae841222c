/* ingest - a worker's life: poll, decode and map, store, publish.
 *
 * ingest.c is the story of a batch. What is done where: batch.c polls and decodes, usage/store.c is
 * the PostgreSQL transaction, publish.c the Kafka transaction, rebalance.c the place in the group,
 * takeover.c how partitions become ours, recover.c the way back after any error.
 */
#pragma once

#include "app/settings.h"
#include "io/registry.h"
#include "usage/changes.h"

struct ingest;

/* Starts `workers` threads. `changes` is constant and outlives them. */
struct ingest *ingest_start(const struct settings *s, const struct changes_settings *changes,
                            struct registry *registry);

/* Waits for their end (after stop_now()). */
void ingest_join(struct ingest *in);
