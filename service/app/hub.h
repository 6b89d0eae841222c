/* hub - the one thread, of each process, that tells listeners what the outbound topics say
 * (HTTP contract section 8).
 *
 * The group `<group>-hub` divides the partitions among the processes. Whoever has a partition tells
 * it to every listener, each in the order of the partition and each at its own pace; how far each
 * is, PostgreSQL knows (usage/hub_store.h). Without a listener there is no consumer.
 */
#pragma once

#include "app/settings.h"

/* The five topics of events. */
enum { HUB_TOPICS = EVENT_TYPES + 1 };
void hub_topics(const struct settings *s, const char *out[HUB_TOPICS]);

struct hub;

/* `owner`: of its thread in health. */
struct hub *hub_start(const struct settings *s, int owner);

/* Waits for its end (after stop_now()). */
void hub_join(struct hub *h);

/* Listeners have come or gone: it need not wait for the next look. Any thread. */
void hub_wake(void);
