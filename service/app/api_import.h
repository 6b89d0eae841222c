/* api_import - POST usage with application/x-ndjson: lines of any number go to topic.import, and a
 * line of the answer says what became of each (HTTP contract section 9).
 *
 * libmicrohttpd answers only once it has read the body, so the answer waits in a spool. A line is
 * `queued` once the brokers have it; while they have not, nothing more is read.
 */
#pragma once

#include <stdatomic.h>

#include "app/importer.h"
#include "io/http.h"

enum { API_IMPORTS_MAX = 16 }; /* at once */

/* One for all threads. */
struct api_imports {
    const struct settings *settings;
    struct importer *importer;
    atomic_int streams;
};

bool api_import_is(const struct http_request *request);

/* On HTTP's thread. True: answered, refused. Else request->take is to be set to what calls
 * api_import_piece(). */
bool api_import_take(struct api_imports *i, struct http_request *request,
                     struct http_response *response);

/* request->take; `who`: the token's name, "" without one. */
bool api_import_piece(const char *who, struct http_request *request, struct text piece,
                      struct http_response *response) MUST_CHECK;

/* The answer, once the body is whole. */
void api_import_answer(struct http_request *request, struct http_response *response);
