/* health - what the service waits for, as /readyz says it; and whether its threads move, for
 * /healthz.
 *
 * Any thread. A reason to wait is named by (key, owner): the owner is the number of the thread that
 * waits, so that two workers can wait for the same thing and each takes back its own word only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum health_key {
    HEALTH_KAFKA,
    HEALTH_POSTGRES,
    HEALTH_REGISTRY,
    HEALTH_TOPICS,
    HEALTH_ASSIGNMENT,
    HEALTH_PARTITIONS,
    HEALTH_KEYS
};

enum { HEALTH_OWNERS_MAX = 72 }; /* workers first, then the other threads */

/* Says that `owner` waits; the text is cut at 400 bytes. Returns true if it was not waiting under
 * this key before: the caller then logs one line. */
bool health_wait(enum health_key key, int owner, const char *text);

/* Takes it back. Returns true if it was waiting: the caller then logs that it goes on. */
bool health_go(enum health_key key, int owner);

bool health_ready(void);
bool health_waits(enum health_key key); /* anyone */

/* {"ready":false,"waiting":{"postgres":"connection refused"}}; several owners' texts are joined by
 * "; ". */
void health_render(struct buf *b);

/* The service cannot go on: the stop is asked for, with exit code 1. Of several threads that find
 * so at once, one has the line. */
void health_end(const struct err *err);

/* A thread that lives calls this at least every few seconds; `owner` as above. */
void health_beat(int owner);
int64_t health_still_ms(int owner);         /* since its last beat */
void health_watch(int owner, int limit_ms); /* from now on a beat is expected at least so often */
void health_unwatch(int owner);

/* False, and who in `b`, when a watched thread has not moved for longer than its limit. */
bool health_alive(struct buf *b);
