/* api - TMF635 v4 over HTTP: reads of usages. Nothing here waits for Kafka or the registry.
 *
 * api_start() comes after metrics_init(), api_stop() last: its requests may be asked until the end.
 * An api that is stopping answers 503 to what waits; reads that run end with the database's own
 * wait, which sees the stop.
 */
#pragma once

#include "app/settings.h"
#include "base/err.h"

struct api;

/* Listens and serves; connects to PostgreSQL only when asked. ERR_FATAL: the text says what to do.
 * The settings must outlive it. */
struct api *api_start(const struct settings *s, struct err *err);
void api_stop(struct api *api);
