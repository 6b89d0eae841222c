/* specification_store - usage_specification: one change in one transaction with its message, as
 * usage/store_http.h does it for usages. One thread.
 *
 * ERR_DATA: refused, the HTTP status in err->code; ERR_RETRY: the database.
 */
#pragma once

#include "usage/changes.h"
#include "usage/idempotency.h"
#include "usage/specification.h"

struct specification_store;

struct specification_store_settings {
    struct db *db;
    const char *base_url;
    int64_t event_max;        /* event.max-bytes */
    const int32_t *schema_id; /* of the event union; set before the first write */
};

struct specification_store *
specification_store_new(const struct specification_store_settings *settings);
void specification_store_free(struct specification_store *s);

/* Valid until the next call. */
struct specification_answer {
    struct text json, href;
    int64_t revision;
};

bool specification_create(struct specification_store *s, struct text json,
                          const struct idempotency *key, struct specification_answer *out,
                          struct err *err) MUST_CHECK;
bool specification_patch(struct specification_store *s, struct text id, struct text patch,
                         struct text if_match, struct specification_answer *out,
                         struct err *err) MUST_CHECK;
bool specification_delete(struct specification_store *s, struct text id, struct text if_match,
                          struct err *err) MUST_CHECK;
