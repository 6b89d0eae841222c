/* api_write - POST, PATCH and DELETE of usages and specifications: headers are judged on HTTP's
 * thread before the body is read, the change is made on a thread that has a connection. */
#pragma once

#include <stdatomic.h>

#include "app/settings.h"
#include "io/http.h"
#include "usage/specification_store.h"
#include "usage/store_http.h"

/* One for all threads. */
struct api_writer {
    const struct settings *settings;
    const struct changes_settings *changes;
    struct mapping_settings mapping;
    const int32_t *specification_schema;
    atomic_bool open; /* the outbound schemas are known: events can be written */
};

/* One for each thread that has a connection. */
struct api_write_store {
    struct db *db;
    struct store_http *usages;
    struct specification_store *specifications;
};

void api_write_store_init(const struct api_writer *w, const char *application_name,
                          struct api_write_store *out);
void api_write_store_fini(struct api_write_store *s);

/* A header without its parameters, such as charset=utf-8. */
bool api_write_is_type(struct text header, const char *type);

/* A Content-Encoding, none of which is taken. */
bool api_write_is_packed(const struct http_request *request);

/* True: answered, 415, since the body is not JSON, or packed. On HTTP's thread. */
bool api_write_not_json(const struct http_request *request, struct http_response *response);

enum api_write_kind { API_CREATE, API_PATCH, API_DELETE };

/* True: answered, refused. `raw_id` is as it stands in the path, absent for a creation. */
bool api_write_take(const struct api_writer *w, enum api_write_kind kind, bool specification,
                    struct text raw_id, struct http_request *request,
                    struct http_response *response);

/* `who`: the token's name, "" without one. False: the database failed (io/db.h), nothing is
 * answered; whether the change was made is not known. */
bool api_write_answer(const struct api_writer *w, struct api_write_store *s, const char *who,
                      struct http_request *request, struct http_response *response,
                      struct err *err) MUST_CHECK;
