/* http_exchange - one request on its way: what is read of it, and what is sent. Private to http*.c.
 */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <time.h>

#include "io/http.h"
#include "io/http_clock.h"
#include "io/http_pool.h"

struct http {
    struct http_options options;
    struct MHD_Daemon *daemon;
    struct http_pool *pool;   /* NULL: now() answers everything */
    struct http_clock *clock; /* NULL: a request may take any time */
    atomic_size_t bodies;     /* bytes of all that is read */
    atomic_size_t answers[2]; /* bytes of all that is sent: to GET, and to what may change things */
    pthread_mutex_t lock;     /* guards the two below */
    pthread_cond_t drained;
    int unanswered; /* requests that were seen and whose answers are not sent */
    bool stopping;
};

/* A turn of an exchange on a thread of work(): the request itself, or the next piece of its
 * answer's body. Each is a job of its own, since a thread may still have to do with the one before
 * when the next is pushed. */
struct turn {
    struct http_job job;
    struct exchange *exchange; /* a reference */
};

enum exchange_taking {
    TAKING_NONE,
    TAKING_BEGIN, /* before the first byte */
    TAKING_BODY,
    TAKING_END /* the last piece */
};

/* One request on its way. The connection holds a reference, and so does each turn. */
struct exchange {
    atomic_int references;
    struct http *http;
    struct turn *turn; /* the last one */
    struct MHD_Connection
        *connection; /* only touched by its own thread, or while suspended by who has claimed */
    struct http_request request;
    struct http_response response;
    struct timespec began;
    const char *fault; /* what the guard found */
    int fault_status;
    struct http_clock_place *place;
    struct buf body;
    size_t discarded; /* bytes of a body that is too long */
    bool seen, asked, taken, too_long, no_room;
    size_t held;   /* bytes of response.body that are counted */
    bool kept;     /* work() has claimed the job before it is done */
    bool answered; /* by who has claimed the job */
    /* Of a request's body that is taken in pieces: `body` is the next one. */
    enum exchange_taking taking;
    atomic_bool busy; /* a thread takes it: libmicrohttpd shows the next chunk of its buffer all the
                         same, which is left there */
    bool cut;         /* it was not taken in time: nothing more is read or sent */
    /* Of a body that comes in pieces: response.body is the one that is being sent. */
    size_t sent;       /* bytes of it */
    bool last, broken; /* no more to come; to be cut off */
    bool http_1_0;     /* which has no chunks */
};

struct exchange *exchange_new(struct http *http, struct MHD_Connection *connection);
void exchange_unref(struct exchange *x);

/* The connection is to be suspended, and then the turn to be pushed, which takes its reference. */
struct turn *exchange_turn(struct exchange *x);
void turn_free(struct turn *t);

/* Method and headers: copied, since the connection may be gone before work() is done with them. */
void exchange_take_head(struct exchange *x, const char *method);

/* By Content-Length: so long, or of a client that waits for a word, that the answer goes out
 * without it. Else what is too long is read and thrown away first. */
bool exchange_says_too_long(const struct exchange *x);

/* Bytes of a body that is taken in pieces; true: a piece is there. */
bool exchange_gather(struct exchange *x, const char *bytes, size_t n);

/* The same for one of which the rest is thrown away. False: it does not end. */
bool exchange_discard(struct exchange *x, size_t n) MUST_CHECK;

/* A piece of the body. False: far too much; the connection is to be closed without an answer. */
bool exchange_read_body(struct exchange *x, const char *bytes, size_t n) MUST_CHECK;

void exchange_refuse(struct exchange *x, int status, const char *message, bool close);
void exchange_refuse_long(struct exchange *x, bool close);

/* True: the request may change something, so that its answer must not be refused afterwards, and
 * there is no room for a long one. */
bool exchange_is_full(struct exchange *x);

/* `more` fetches the next piece of a body that comes in pieces: false, there is none to be had. */
enum MHD_Result exchange_send(struct exchange *x, struct MHD_Connection *connection,
                              bool (*more)(struct exchange *x));
