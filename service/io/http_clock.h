/* http_clock - a time for the whole of a request, and for its answer, however slowly bytes drip.
 *
 * libmicrohttpd knows only how long nothing has moved. Here each connection is in one of four
 * states: it waits for a request, reads one, is past it, or sends an answer whose length is known;
 * past the deadline its socket is shut, but for the third, and one whose request line is there gets
 * an answer first (408). A thread of its own looks on. What libmicrohttpd's threads call never
 * waits.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct http_clock;
struct http_clock_place; /* a connection's */

struct http_clock_options {
    const char *name; /* of the thread, in log lines */
    int request_ms; /* from the connection's begin; of a later request, from when its line is there,
                       which may take as long after the answer before it */
    int answer_ms;  /* from when the answer is there; 0: any time */
    void *app;
    void (*late)(void *app, struct buf *answer); /* writes a whole response, head and body */
};

struct http_clock *http_clock_new(const struct http_clock_options *options, struct err *err);
void http_clock_free(struct http_clock *clock); /* when no connection is left */

struct http_clock_place *http_clock_enter(struct http_clock *clock, int socket);
void http_clock_leave(struct http_clock *clock, struct http_clock_place *place);

/* The request's line is there. */
void http_clock_reads(struct http_clock *clock, struct http_clock_place *place);
/* The request is whole. False: too late, the connection was given up, and nothing may be sent. */
bool http_clock_has_read(struct http_clock *clock, struct http_clock_place *place) MUST_CHECK;
/* Of a request whose body has no length: a piece came, and the time begins anew; reading false: it
 * is taken now, which takes the time that it takes. False: too late, as above. */
bool http_clock_moves(struct http_clock *clock, struct http_clock_place *place,
                      bool reading) MUST_CHECK;
/* An answer is there, and it is to be whole by the deadline. */
void http_clock_sends(struct http_clock *clock, struct http_clock_place *place);
void http_clock_answered(struct http_clock *clock, struct http_clock_place *place);
