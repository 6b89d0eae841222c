/* api_export - GET of usages as a stream of CSV or JSON lines (HTTP contract section 9).
 *
 * The question is read on HTTP's thread, each piece comes from PostgreSQL on a thread that has a
 * connection, when the client has taken the one before. A stream has neither Link nor counts:
 * counting would cost as much as sending. What fits one piece is a body like any other.
 */
#pragma once

#include <stdatomic.h>

#include "app/export.h"
#include "app/settings.h"
#include "io/http.h"

/* Each may hold two pieces of READ_SLICE_BYTES, and a usage. */
enum { API_EXPORTS_MAX = 32 };

struct api_exporter {
    const struct settings *settings;
    struct query_limits limits;
    atomic_int streams; /* that are not over */
};

void api_exporter_init(struct api_exporter *e, const struct settings *s);

/* What the client likes best; EXPORT_JSON: a page. */
enum export_format api_export_format(const struct http_request *request);

/* True: answered, refused. */
bool api_export_take(struct api_exporter *e, struct http_request *request,
                     struct http_response *response);

/* The first piece. False: the database failed (io/db.h), nothing is answered; it may be asked
 * again. If the response has an `over`, more pieces are to come. */
bool api_export_answer(struct api_exporter *e, struct db *db, struct http_request *request,
                       struct http_response *response, struct err *err) MUST_CHECK;

/* Another piece; *last: there is none behind it. False: as above. */
bool api_export_next(struct db *db, struct http_request *request, struct buf *piece, bool *last,
                     struct err *err) MUST_CHECK;

/* That slice took too long: the next try asks for less. */
void api_export_shrink(struct http_request *request);

/* How many usages were sent. */
int64_t api_export_rows(const struct http_request *request);
