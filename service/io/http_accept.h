/* http_accept - which of several media types a client likes best (RFC 9110 section 12.5.1). Pure.
 */
#pragma once

#include "io/http.h"

/* `types` as in "text/csv", lower case, ours to offer; the first is what a client gets that does
 * not say, or takes none of them. Of two that it likes alike it gets the one that it has named more
 * exactly, then the one that comes first in `types`. All lines of Accept count. */
int http_accept(const struct http_request *request, const char *const *types, int count);
