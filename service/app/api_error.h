/* api_error - TMF635's Error as the body of a response. Any thread. */
#pragma once

#include "base/jsonw.h"
#include "io/http.h"

extern const char api_json[]; /* the one media type of all bodies */

/* Sets status, type and body; what was in the body is dropped, headers stay. The message is for a
 * person and must be UTF-8. */
void api_error(struct http_response *response, int status, const char *message);

/* Error as a JSON value, for an answer that is not one error. */
void api_error_write(struct jsonw *w, int status, const char *message);

/* 404: "WHAT NAME", the name quoted. */
void api_not_found(struct http_response *response, const char *what, struct text name);
