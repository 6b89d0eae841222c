/* store_http - one change of a usage over HTTP, in one transaction with its message
 * (HTTP contract section 6).
 *
 * The usage's row is locked first and looked at only then, so that two changes at once cannot both
 * pass one check; the last statement before COMMIT is the next number of the source @http
 * (usage/http_source.h). Nothing of a change that is refused is stored: ERR_DATA, the HTTP status
 * in err->code, words for the client in the text. ERR_RETRY is the database's. One thread.
 */
#pragma once

#include "usage/body.h"
#include "usage/changes.h"
#include "usage/idempotency.h"

struct store_http;

struct store_http_settings {
    struct db *db;
    const char *interval; /* partition.interval */
    const struct changes_settings *changes;
    const struct mapping_settings *mapping;
};

struct store_http *store_http_new(const struct store_http_settings *settings);
void store_http_free(struct store_http *s);

/* Valid until the next call. */
struct store_http_answer {
    struct text json; /* the whole resource, absent after a deletion */
    struct text href;
    int64_t revision;
    const struct changes *created; /* what a creation has done, for the counters; else NULL */
};

/* POST. 400: what the body says cannot be; 409: its natural key is there already, or
 * idempotency_look()'s answers. */
bool store_http_create(struct store_http *s, struct text json, const struct idempotency *key,
                       struct store_http_answer *out, struct err *err) MUST_CHECK;

/* `if_match`: the header, absent without one. 404, 412, and of PATCH 400 and 409. A patch that
 * changes nothing stores nothing. */
bool store_http_patch(struct store_http *s, const struct usage_id *id, struct text patch,
                      struct text if_match, struct store_http_answer *out,
                      struct err *err) MUST_CHECK;
bool store_http_delete(struct store_http *s, const struct usage_id *id, struct text if_match,
                       struct err *err) MUST_CHECK;
