/* http_guard - refuses requests that a proxy in front of us may understand in another way than we
 * do.
 *
 * libmicrohttpd 0.9.75 takes the first of two Content-Length, reads a request with Content-Length
 * and Transfer-Encoding as two, and believes any transfer coding: each is a way to smuggle a
 * request past a proxy. Pure; any thread.
 */
#pragma once

#include "io/http.h"

/* Splits the target, as it stands in the request line, into path and query. The absolute form loses
 * scheme and host. */
void http_guard_target(struct http_request *request, const char *target, size_t n);

/* What is wrong with the head of a request, or NULL. `version` is "HTTP/1.1". */
const char *http_guard_fault(const struct http_request *request, const char *version);

/* Bytes of all names and values of the headers. */
size_t http_guard_head_size(const struct http_request *request);

/* Whether something follows the head; to be asked when there is no fault. */
bool http_guard_has_body(const struct http_request *request);
