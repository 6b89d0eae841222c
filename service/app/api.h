/* api - TMF635 v4 over HTTP: which request is which operation, and who may.
 *
 * Nothing but an import waits for the registry, and for Kafka only that and who registers a
 * listener. api_start() comes after metrics_init(), api_stop() last: its requests may be asked
 * until the end. An api that is stopping answers 503 to what waits; what runs ends with the
 * database's own wait, which sees the stop.
 */
#pragma once

#include "app/settings.h"
#include "base/err.h"
#include "io/registry.h"
#include "usage/changes.h"

struct api;

/* Listens and serves reads; connects to PostgreSQL only when asked. `kafka` is asked for the ends
 * of topics. ERR_FATAL: the text says what to do. What it is given must outlive it. */
struct api *api_start(const struct settings *s, const struct changes_settings *changes,
                      const int32_t *specification_schema, rd_kafka_t *kafka,
                      struct registry *registry, struct err *err);
void api_stop(struct api *api);

/* From now on writes are taken: all schema ids are set. */
void api_take_writes(struct api *api);

/* Reads http.tokens again. */
void api_reload(struct api *api);
