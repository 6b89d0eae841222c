/* tokens - who may: the bearer tokens of the file http.tokens (RFC 6750, section 2.1).
 *
 * A line each: the token's SHA-256 in hex, a name for the log, `read` or `write` (which may read,
 * too); '#' begins a comment line. The file holds no token itself, so whoever reads it cannot use
 * it. Any thread may ask, while another reads the file again.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"

enum { TOKENS_MAX = 10000, TOKENS_NAME = 128 };

struct tokens;

enum tokens_right { TOKENS_NONE, TOKENS_READ, TOKENS_WRITE };

/* ERR_FATAL: the text names file, line and remedy. */
struct tokens *tokens_open(const char *file, struct err *err);
void tokens_close(struct tokens *t);

/* Reads the file again; what was read before stays if it cannot be. */
bool tokens_reload(struct tokens *t, struct err *err) MUST_CHECK;

/* `authorization`: the header, absent without one. The name is copied into `name`. TOKENS_NONE: no
 * token, or one that is not known. */
enum tokens_right tokens_of(struct tokens *t, struct text authorization, char name[TOKENS_NAME]);
