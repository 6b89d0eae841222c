/* query_token - after= and before=: the place of a row in an order, as text for a URL.
 *
 * Opaque to clients: base64url of a digest, the row's position and its keys. The digest covers the
 * name of the order, so that a token of another order is none. Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum { QUERY_SORT_MAX = 16, QUERY_TOKEN_MAX = 1000 /* bytes of its text */ };

struct query_token {
    int64_t position; /* rows before it when it was seen: a hint */
    struct text id;
    int count;
    struct text keys[QUERY_SORT_MAX]; /* absent: the row has no such attribute */
};

/* Absent: it would be longer than QUERY_TOKEN_MAX. The text is in the arena. */
struct text query_token_write(const struct query_token *token, struct text order, struct arena *a);

/* False: not one that query_token_write() wrote for this order. Texts are in the arena. */
bool query_token_read(struct text text, struct text order, struct arena *a,
                      struct query_token *out);
