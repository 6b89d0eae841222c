/* http - an HTTP/1.1 server on libmicrohttpd, with limits on everything.
 *
 * A request is first shown to now(), on a thread of the server, which must not wait: it routes,
 * checks, and answers what needs no database. What it leaves goes through a bounded queue to
 * work(), on one of K threads that each have a context of their own (a database connection). A full
 * queue answers 503 by itself. Every request has a deadline; work() past it goes on, but its answer
 * is thrown away, unless work() has kept it for itself. A request with a body is shown to now()
 * before that is read: what is answered then ends the connection. Behind libmicrohttpd's parser
 * stands a guard against what would let a proxy and us see two different requests. What the parser
 * itself refuses (a broken line, headers of more than 64 KiB: 431, a target of more: 414) it
 * answers in its own words; all other refusals are worded by refuse().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

struct http;
struct http_response;

struct http_field {
    struct text name, value;
};

/* Lives until it is answered and work() has returned; so do its texts and what is taken from its
 * arena. */
struct http_request {
    struct text method; /* as sent */
    struct text path;   /* as sent, with its escapes; only characters that a URI may hold */
    struct text query;  /* behind the '?', as sent; absent without one */
    struct text body;   /* whole, for work(); absent without one */
    const struct http_field *fields;
    int field_count;
    struct arena *arena;
    const char *route; /* for observe(): a literal that now() sets, else "other" */
    void *state;       /* from now() to work() */
    bool slow; /* set by now(): work() waits for more than the database, so such take a quarter of
                  the threads at most */
    /* Set by now() on a request with a body of any length, which is not kept but taken in pieces as
     * it comes: `take` gets each, on a thread of work() and with its deadline, the first time none
     * (p = NULL) before anything is read. Meanwhile nothing is read, so a client that sends quicker
     * waits; one that does not send holds no thread, and read_ms bounds how long nothing comes.
     * Behind the last piece comes work(). False: the response is the answer, and the rest of the
     * body is thrown away; libmicrohttpd sends nothing before the body is whole. */
    void *taking; /* for take() and over() */
    bool (*take)(void *app, void *context, struct http_request *request, struct text piece,
                 struct http_response *response);
    void (*over)(void *app, struct http_request *request); /* behind all, however it ended; any
                                                              thread; may be NULL */
};

/* A header's value; absent if there is none. Names in any case. */
struct text http_header(const struct http_request *request, const char *name);

/* True when work() may stop: the deadline has passed or the server ends, somebody else has
 * answered. */
bool http_unwanted(const struct http_request *request);

/* For work(), once, before it does what the client must hear of: from here on no deadline answers
 * in its place, so what is still to come needs limits of its own. False: unwanted. */
bool http_keep(struct http_request *request) MUST_CHECK;

enum http_piece {
    HTTP_PIECE_MORE,
    HTTP_PIECE_LAST,
    HTTP_PIECE_BROKEN /* the connection is closed such that the client sees that there was more */
};

struct http_response {
    int status;
    const char *content_type; /* a literal; NULL: none */
    struct buf body, fields;
    bool close; /* the connection */
    /* Not NULL: `body` is the first piece of one of any length. `next` writes another one, on a
     * thread of work(), when the client has taken what was before; a client that does not read
     * holds no thread. A piece has the deadline of work(), the whole has none; pieces take half of
     * the threads at most. */
    enum http_piece (*next)(void *app, void *context, struct http_request *request,
                            struct buf *piece);
    void (*over)(void *app, struct http_request *request); /* once, behind the last next(), however
                                                              it ended; any thread; may be NULL */
};

void http_add(struct http_response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void http_response_fini(struct http_response *response);

struct http_options {
    const char *name;    /* of its threads, in log lines */
    const char *setting; /* names `listen` in errors */
    const char *listen;  /* "127.0.0.1:8635", "[::1]:8635", "*:8635" */
    int loops;           /* threads that speak HTTP */
    int workers;         /* threads that run work(); 0: now() answers everything */
    int connections_max, queue_max;
    int idle_ms;       /* a connection on which nothing moves for so long is closed */
    int request_ms;    /* deadline of work(), from the moment that the request was complete */
    size_t target_max; /* bytes; a longer one is 414 */
    size_t
        body_max; /* bytes; a longer one is 413. 0: bodies are not read, and end the connection */
    size_t bodies_max; /* bytes, of all bodies together; what does not fit is 503 */
    /* Bytes, of all bodies of answers together that clients have yet to take, but for those of up
     * to 64 KiB and those that come in pieces: an answer to GET that does not fit is 503 instead.
     * All other requests have as much for themselves, and are 503 before work() once that is full.
     * 0: any number. */
    size_t answers_max;
    int read_ms; /* a request must be whole by then: 408; 0: any time */
    int send_ms; /* an answer must be taken whole by then, but for one in pieces: else the
                    connection is closed; 0, or read_ms 0: any time */
    void *app;
    bool (*now)(void *app, struct http_request *request,
                struct http_response *response); /* false: work() */
    void (*work)(void *app, void *context, struct http_request *request,
                 struct http_response *response);
    void *(*context_new)(void *app, int worker); /* both on the worker's thread; may be NULL */
    void (*context_free)(void *app, void *context);
    void (*refuse)(void *app, int status, const char *message,
                   struct http_response *response); /* any thread */
    void (*observe)(void *app, const struct http_request *request, int status,
                    double seconds); /* may be NULL */
};

/* Copies the options, not what they point to. ERR_FATAL: the text names setting, address and
 * remedy. */
struct http *http_start(const struct http_options *options, struct err *err);

/* Accepts no more, refuses what waits (503), lets work() that runs come to its end, sends the
 * answers (for at most a second), cuts off bodies that come in pieces, closes the connections. */
void http_stop(struct http *http);
