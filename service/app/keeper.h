/* keeper - the one thread, of one process in the group, that works for all: it publishes what was
 * written through the source @http, and sweeps parked ratings.
 *
 * Each process has the thread; a lock in PostgreSQL says whose works. That lock fences nobody (its
 * session may end unnoticed), so whoever gets it makes a new producer under the one transactional
 * id
 * `<group>-http`, which ends and fences the one before, and only then reads how far was published:
 * the committed offset of (topic.create, 0) in the group `<group>-http`, which has no members. The
 * same table as for an inbound partition (verdict.h) says what the two marks mean. After any error
 * all of it is let go, and begins again with the lock (docs/protocol, HttpSource).
 */
#pragma once

#include "app/settings.h"
#include "usage/changes.h"

struct keeper;

/* `owner`: of its thread in health. `changes` is constant and outlives it. */
struct keeper *keeper_start(const struct settings *s, const struct changes_settings *changes,
                            int owner);

/* Waits for its end (after stop_now()). */
void keeper_join(struct keeper *k);
