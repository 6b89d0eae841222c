/* takeover - how a worker becomes the owner of partitions.
 *
 * The order is that of service/ARCHITECTURE.md: the own transaction is ended; PostgreSQL is asked
 * (and the owner set); then Kafka; then both watermarks are compared, row by row of one table
 * (verdict.h), and what died between the two commits is published.
 */
#pragma once

#include "app/worker.h"

/* All slots of the worker: running or refused afterwards. On false nothing may be read or published
 * before another try. */
bool takeover_all(struct worker *w, struct err *err) MUST_CHECK;

/* Says again, once a minute, which partitions are refused. */
void takeover_remind(struct worker *w);
