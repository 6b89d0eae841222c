/* batch_schema - the writers' schemas of a batch, and the partitions that wait for one.
 *
 * Of a worker's thread. A record whose schema cannot be had yet holds its partition: it is paused,
 * and later sought back to that record.
 */
#pragma once

#include "app/worker.h"

/* What has been asked of the registry for one batch. */
struct batch_look {
    int left_ms; /* one budget of time a batch: garbage may name thousands of ids */
    bool asked;  /* for all ids of the batch */
};

struct batch_look batch_look(void);

/* The schema of the record at `offset`, in slot->schema if it is FOUND. NOT_YET and AWAY: hold it.
 */
enum registry_answer batch_schema_find(struct worker *w, struct slot *slot, int64_t offset,
                                       int32_t id, struct batch_look *look, struct err *why);

/* `why` is said, in the log and in /readyz. */
void batch_schema_hold(struct worker *w, struct slot *slot, struct batch_look *look, int64_t offset,
                       int32_t schema, bool unknown, const char *why);

/* Partitions that wait for a schema: asks again, and lets those go on whose answer is there. */
bool batch_unhold(struct worker *w, struct err *err) MUST_CHECK;
