/* fetch - one HTTP request after the other, each with a deadline, prompt at the stop (libcurl).
 *
 * A handle belongs to one thread, fetch_cancel() apart. It keeps its connection for the next
 * request. Certificates are verified; a redirection never leaves https.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum { FETCH_CONNECT_MS = 3000, FETCH_TOTAL_MS = 10000, FETCH_BODY_MAX = 8 << 20 };

struct fetch;

struct fetch_answer {
    long status;
    char type[64]; /* media type in lower case, without parameters; "" if there is none */
    struct buf body;
    bool too_long; /* the body is cut: it has more than FETCH_BODY_MAX bytes */
};

struct fetch *fetch_new(const char *user, const char *password); /* both may be NULL */
void fetch_free(struct fetch *f);

/* GET, or POST of `body` when it is not NULL. Any status is an answer. ERR_RETRY: there was none
 * (refused, timed out, a bad certificate, the stop); the text says which,
 * without the URL. The caller ends `answer` with fetch_answer_fini() either way. */
bool fetch_run(struct fetch *f, const char *url, const char *accept, const char *body,
               const char *body_type, struct fetch_answer *answer, struct err *err) MUST_CHECK;
void fetch_answer_fini(struct fetch_answer *answer);

/* Lets a running request fail, and all later ones; from any thread. */
void fetch_cancel(struct fetch *f);

/* `text` with %XX where a URL's path needs it, at the end of `b`. */
void fetch_escape(struct buf *b, const char *text);
