/* post - many HTTP POSTs at once, each with a deadline, to addresses that are checked (libcurl).
 *
 * A poster belongs to one thread. Every connection is checked when its socket is opened, on the
 * very address that it goes to: what a name meant a moment ago does not count. Redirections are not
 * followed, proxies of the environment not used, certificates verified, and what is answered is
 * read up to POST_ANSWER_MAX bytes and thrown away.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "io/network.h"

enum { POST_ANSWER_MAX = 64 * 1024, POST_URL_MAX = 2048 };

struct poster_options {
    const struct network *allowed; /* beside the public ones */
    size_t allowed_count;
    int timeout_ms;      /* of one POST */
    const char *ca_file; /* NULL: the system's */
};

struct poster;
struct post;

struct poster *poster_new(const struct poster_options *options); /* copies the options only */
void poster_free(struct poster *p);                              /* drops what is under way */

enum { POST_MORE_MAX = 2 };

struct post_request {
    const char *url;
    const void *body;
    size_t n;
    const char *more[POST_MORE_MAX]; /* further headers, "name: value"; NULL: none */
};

/* Begins one. The body must stay until it is done or dropped; nothing else need. */
struct post *poster_send(struct poster *p, const struct post_request *request, void *arg);

/* Nothing more is heard of it; a connection that it had is closed. */
void poster_drop(struct poster *p, struct post *post);

/* Lets them go on, for at most wait_ms, or until one moves or one of `fds` (two at most) is
 * readable. */
void poster_run(struct poster *p, int wait_ms, const int *fds, size_t n);
bool poster_is_idle(const struct poster *p); /* nothing is under way */

struct post_result {
    void *arg;
    int status;     /* of HTTP; 0: no answer */
    char text[256]; /* what went wrong then, without the URL */
};

/* The next one that is done; false: none. */
bool poster_done(struct poster *p, struct post_result *out);

/* Is it a URL that can be posted to? http or https, a host, no user, query, fragment. ERR_DATA: the
 * text says what is wrong, beginning with "is" or "has". `origin`: "https://host:port", for logs.
 */
bool post_check_url(const char *url, struct buf *origin, struct err *err) MUST_CHECK;

/* Has the file a certificate, as `ca_file` needs? ERR_FATAL: the text names the file. */
bool post_check_ca(const char *file, struct err *err) MUST_CHECK;

enum post_look { POST_LOOK_GOOD, POST_LOOK_FORBIDDEN, POST_LOOK_UNKNOWN, POST_LOOK_LATE };

/* Where would it go? Resolves the host, within wait_ms, and connects to nothing. FORBIDDEN: one of
 * its addresses may not be connected to, the text has it; UNKNOWN: there is no such name. Any
 * thread. */
enum post_look post_look(const char *url, const struct network *allowed, size_t n, int wait_ms,
                         char text[256]);
