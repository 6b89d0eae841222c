/* keeper - the one thread, of one process in the group, that works for all: it publishes what was
 * written through the source @http, and sweeps parked ratings.
 *
 * Each process has the thread; a lock in PostgreSQL says whose works. That lock fences nobody (its
 * session may end unnoticed), so whoever gets it takes the published mark (http_mark.h), and only
 * then reads how far was published. The same table as for an inbound partition (verdict.h) says
 * what the two marks mean. After any error all of it is let go, and begins again with the lock
 * (docs/protocol, HttpSource); but a transaction that was ended by its time-out gets twice the time
 * when it is tried again (producer.h).
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

/* Something was written through @http: it need not wait for the next look. Any thread. */
void keeper_wake(void);

/* The marks of @http contradict each other, as far as this process knows: nothing may be written
 * until `usaged offsets --mend` has mended it. Any thread. */
bool keeper_refuses(void);
