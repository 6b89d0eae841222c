/* api_read - GET of usages and specifications: the question is read on HTTP's thread, the answer
 * comes from PostgreSQL.
 *
 * The first part never waits; what it leaves in request->state the second part answers, on a thread
 * that has a connection.
 */
#pragma once

#include "app/settings.h"
#include "io/http.h"
#include "usage/read.h"

/* Constant while requests are served. */
struct api_reader {
    const struct settings *settings;
    struct query_limits limits;
};

struct api_reader api_reader_of(const struct settings *s);

/* True: answered, refused. The id is as it stands in the path. */
bool api_read_list(const struct api_reader *reader, struct http_request *request,
                   struct http_response *response);
bool api_read_one(const struct api_reader *reader, struct text raw_id, struct http_request *request,
                  struct http_response *response);
bool api_read_specifications(const struct api_reader *reader, struct http_request *request,
                             struct http_response *response);
bool api_read_specification(const struct api_reader *reader, struct text raw_id,
                            struct http_request *request, struct http_response *response);

/* False: the database failed (io/db.h), nothing is answered; it may be asked again. */
bool api_read_answer(const struct api_reader *reader, struct db *db, struct http_request *request,
                     struct http_response *response, struct err *err) MUST_CHECK;
