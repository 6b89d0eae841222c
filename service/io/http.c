#include "io/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "io/http_exchange.h"
#include "io/http_guard.h"
#include "io/http_listen.h"

enum {
    HTTP_MEMORY = 64 * 1024, /* of a connection: its request's head, and what is being sent */
    HTTP_HEAD = 32 * 1024,   /* of a request's headers: longer ones are refused in our words, but
                                libmicrohttpd refuses by itself what the memory does not hold */
    HTTP_BACKLOG = 1024,     /* connections that the system keeps until we take them */
    HTTP_DRAIN_MS = 1000     /* at the end, for answers on their way */
};

static struct turn *turn_of(struct http_job *job)
{
    return (struct turn *)((char *)job - offsetof(struct turn, job));
}

/* The pool's side. Only who has claimed the job touches x->response and wakes the connection. */

/* The piece before was sent, and nobody else looks at this one before the claim. */
static void run_piece(void *app, void *context, struct exchange *x, struct http_job *job)
{
    struct buf *piece = &x->response.body;
    buf_reset(piece);
    enum http_piece got = x->response.next(app, context, &x->request, piece);
    if (!http_job_claim(job))
        return;
    x->sent = 0;
    x->last = got == HTTP_PIECE_LAST;
    x->broken = got == HTTP_PIECE_BROKEN;
    MHD_resume_connection(x->connection);
}

static bool is_taking(const struct exchange *x)
{
    return x->taking != TAKING_NONE && !x->taken;
}

/* What its body has brought is done already: the answer to it is owed. */
static bool has_begun(const struct exchange *x)
{
    return x->answered || x->taking != TAKING_NONE;
}

/* A piece of the request's body; the connection reads no more before it is woken. */
static void run_take(void *app, void *context, struct exchange *x, struct http_job *job)
{
    struct text piece = {0};
    struct http_response response = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    if (x->taking != TAKING_BEGIN)
        piece = (struct text){x->body.data, x->body.len};
    bool more = x->request.take(app, context, &x->request, piece, &response);
    if (!http_job_claim(job)) {
        http_response_fini(&response);
        return;
    }
    buf_reset(&x->body);
    if (more)
        http_response_fini(&response);
    else
        x->response = response;
    /* From here on a client that has gone is seen by the clock: libmicrohttpd may not tell. */
    bool in_time = !x->http->clock || http_clock_moves(x->http->clock, x->place, true);
    x->cut = x->cut || !in_time;
    atomic_store(&x->busy, false);
    MHD_resume_connection(x->connection);
}

static void run(void *app, void *context, struct http_job *job)
{
    struct exchange *x = turn_of(job)->exchange;
    if (is_taking(x)) {
        run_take(app, context, x, job);
        return;
    }
    if (x->answered) {
        run_piece(app, context, x, job);
        return;
    }
    struct http_response response = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    x->http->options.work(app, context, &x->request, &response);
    bool kept = x->kept;
    x->kept = false;
    if (!kept && !http_job_claim(job)) {
        if (response.over)
            response.over(app, &x->request);
        http_response_fini(&response);
        return;
    }
    x->response = response;
    x->answered = true;
    MHD_resume_connection(x->connection);
}

static void expire(void *app, struct http_job *job, enum http_pool_end end)
{
    (void)app;
    struct exchange *x = turn_of(job)->exchange;
    if (!http_job_claim(job))
        return;
    bool begin = x->taking == TAKING_BEGIN && !x->taken;
    if (is_taking(x) && !begin)
        x->cut = true; /* nothing can be answered before the body is whole */
    else if (x->answered)
        x->broken = true; /* a piece of a body whose begin is sent */
    else if (end == HTTP_POOL_LATE)
        exchange_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE,
                        begin ? "The request could not be begun in time"
                              : "No answer from the database in time",
                        begin);
    else
        exchange_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "The service is stopping", true);
    if (is_taking(x))
        atomic_store(&x->busy, false);
    else
        x->answered = true;
    MHD_resume_connection(x->connection);
}

static void drop(void *app, struct http_job *job)
{
    (void)app;
    turn_free(turn_of(job));
}

/* libmicrohttpd's side. */

/* Called when the request line is there, before libmicrohttpd has changed it: the one moment at
 * which the target can be read as it was sent. Its text lies in the connection's own memory, and
 * libmicrohttpd would now cut the query into parameters at 64 bytes each, so that a long one ends
 * as its own 431. We read the query ourselves: ending the text behind the '?' leaves it nothing to
 * cut. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http *http = cls;
    struct exchange *x = exchange_new(http, connection);
    if (http->clock) {
        x->place =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        http_clock_reads(http->clock, x->place);
    }
    size_t n = strlen(target);
    x->too_long = n > http->options.target_max;
    if (!x->too_long)
        http_guard_target(&x->request, arena_copy(x->request.arena, target, n), n);
    char *query = strchr(target, '?');
    if (query)
        query[1] = 0;
    return x;
}

static void see_request(struct exchange *x, const char *method, const char *version)
{
    struct http *http = x->http;
    x->seen = true;
    clock_gettime(CLOCK_MONOTONIC, &x->began);
    exchange_take_head(x, method);
    x->http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    x->fault = http_guard_fault(&x->request, version);
    x->fault_status = MHD_HTTP_BAD_REQUEST;
    if (!x->fault && http_guard_head_size(&x->request) > HTTP_HEAD) {
        x->fault = "The headers are too long: 32768 bytes of names and values are taken";
        x->fault_status = MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    }
    pthread_mutex_lock(&http->lock);
    http->unanswered++;
    pthread_mutex_unlock(&http->lock);
}

static bool is_stopping(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    bool stopping = http->stopping;
    pthread_mutex_unlock(&http->lock);
    return stopping;
}

/* True: the response is ready. */
static bool ask_now(struct exchange *x)
{
    struct http *http = x->http;
    if (x->too_long)
        exchange_refuse(x, MHD_HTTP_URI_TOO_LONG, "The request target is too long", true);
    else if (x->fault)
        exchange_refuse(x, x->fault_status, x->fault, true);
    else if (is_stopping(http))
        exchange_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "The service is stopping", true);
    else
        return http->options.now(http->options.app, &x->request, &x->response);
    return true;
}

/* In this order: a thread may have the answer, and resume, before push returns. */
static void push(struct exchange *x)
{
    struct http_pool *pool = x->http->pool;
    struct turn *t = exchange_turn(x);
    t->job.begun = has_begun(x);
    t->job.slow = x->request.slow;
    MHD_suspend_connection(x->connection);
    http_pool_push(pool, &t->job);
    http_job_unref(pool, &t->job);
}

/* False: the service is stopping. */
static bool push_piece(struct exchange *x)
{
    if (!http_pool_reserve(x->http->pool, true))
        return false;
    push(x);
    return true;
}

static void refuse_crowded(struct exchange *x)
{
    bool stopping = is_stopping(x->http);
    exchange_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE,
                    stopping ? "The service is stopping" : "Too many requests are waiting",
                    stopping);
}

/* True: the response is ready. False: the pool has the request now, and the connection is
 * suspended. */
static bool take_request(struct exchange *x)
{
    struct http *http = x->http;
    if (!x->asked && ask_now(x))
        return true;
    if (x->discarded > 0) {
        exchange_refuse_long(x, false);
    } else if (x->no_room || (x->taking == TAKING_NONE && exchange_is_full(x)) || !http->pool ||
               !http_pool_reserve(http->pool, has_begun(x))) {
        refuse_crowded(x);
    } else {
        if (x->taking == TAKING_NONE)
            x->request.body = (struct text){x->body.data, x->body.len};
        push(x);
        return false;
    }
    return true;
}

/* True: what follows the head is to be read; else the response is ready. */
static bool wants_body(struct exchange *x)
{
    x->asked = true;
    if (ask_now(x))
        return false;
    if (x->request.take || !exchange_says_too_long(x))
        return true;
    exchange_refuse_long(x, true);
    return false;
}

/* Suspends the connection until the piece is taken. */
static enum MHD_Result push_taking(struct exchange *x, enum exchange_taking taking)
{
    struct http *http = x->http;
    if (!http_pool_reserve(http->pool, true))
        return MHD_NO;
    x->taking = taking;
    atomic_store(&x->busy, true);
    if (http->clock && !http_clock_moves(http->clock, x->place, false))
        return MHD_NO;
    push(x);
    return MHD_YES;
}

enum step { STEP_ON, STEP_WHOLE, STEP_END };

static enum step go_on(enum MHD_Result result)
{
    return result == MHD_YES ? STEP_ON : STEP_END;
}

/* A call of on_request() for a body that is taken in pieces. WHOLE: an answer is due. */
static enum step take_body(struct exchange *x, const char *upload, size_t *upload_size)
{
    struct http *http = x->http;
    if (atomic_load(&x->busy))
        return STEP_ON;
    bool refused = x->response.status != 0;
    size_t n = *upload_size;
    if (x->cut || (http->clock && !http_clock_moves(http->clock, x->place, true)))
        return STEP_END;
    if (x->taking == TAKING_BEGIN) {
        x->taking = TAKING_BODY;
        return refused ? STEP_WHOLE : STEP_ON;
    }
    *upload_size = 0;
    if (n > 0 && refused)
        return exchange_discard(x, n) ? STEP_ON : STEP_END;
    if (n > 0)
        return exchange_gather(x, upload, n) ? go_on(push_taking(x, TAKING_BODY)) : STEP_ON;
    if (x->body.len > 0 && !refused)
        return go_on(push_taking(x, TAKING_END));
    return STEP_WHOLE;
}

/* Called with the request's head, with each piece of its body, once more when the request is
 * complete, and again when a suspended connection was resumed. What is answered at the first call
 * ends the connection: so are refused requests, and where bodies are not read, those with one. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct http *http = cls;
    (void)url;
    struct exchange *x = *state;
    if (!x)
        return MHD_NO;
    if (!x->seen) {
        see_request(x, method, version);
        bool sound = !x->fault && !x->too_long, body = http_guard_has_body(&x->request);
        if (sound && (!body || (http->options.body_max > 0 && wants_body(x))))
            return x->request.take ? push_taking(x, TAKING_BEGIN) : MHD_YES;
    } else if (is_taking(x)) {
        enum step step = take_body(x, upload, upload_size);
        if (step != STEP_WHOLE)
            return step == STEP_ON ? MHD_YES : MHD_NO;
    } else if (*upload_size > 0) {
        size_t n = *upload_size;
        *upload_size = 0;
        return exchange_read_body(x, upload, n) ? MHD_YES : MHD_NO;
    }
    if (!x->taken) {
        x->taken = true;
        if (http->clock && !http_clock_has_read(http->clock, x->place))
            return MHD_NO;
        bool ready = x->response.status != 0 || take_request(x);
        return ready ? exchange_send(x, connection, push_piece) : MHD_YES;
    }
    return x->answered ? exchange_send(x, connection, push_piece) : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    struct http *http = cls;
    struct exchange *x = *state;
    *state = NULL;
    if (!x)
        return;
    if (http->clock)
        http_clock_answered(http->clock, x->place);
    if (x->seen) {
        pthread_mutex_lock(&http->lock);
        if (--http->unanswered == 0)
            pthread_cond_signal(&http->drained);
        pthread_mutex_unlock(&http->lock);
    }
    exchange_unref(x);
}

/* Instead of MHD_quiesce_daemon(), which with epoll and threads ends the process now and then: it
 * and the loop both take the socket out of the loop's set, and who comes second panics ("Failed to
 * remove listen FD from epoll set", 0.9.75). */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t length)
{
    (void)address;
    (void)length;
    return is_stopping(cls) ? MHD_NO : MHD_YES;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = cls;
    if (!http->clock)
        return;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *context = http_clock_enter(
            http->clock,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    else
        http_clock_leave(http->clock, *context);
}

/* The clock's answer, past libmicrohttpd, which can answer only what it has read. */
static void on_late(void *app, struct buf *answer)
{
    struct http *http = app;
    const struct http_options *o = &http->options;
    struct http_response r = {.status = MHD_HTTP_REQUEST_TIMEOUT};
    struct http_request unread = {.route = "other"};
    char message[100];
    snprintf(message, sizeof message, "The request was not whole after %d ms", o->read_ms);
    o->refuse(o->app, r.status, message, &r);
    buf_printf(answer, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n");
    if (r.content_type)
        buf_printf(answer, "Content-Type: %s\r\n", r.content_type);
    buf_printf(answer, "Content-Length: %zu\r\n\r\n", r.body.len);
    buf_add(answer, r.body.data, r.body.len);
    http_response_fini(&r);
    if (o->observe)
        o->observe(o->app, &unread, MHD_HTTP_REQUEST_TIMEOUT, o->read_ms / 1e3);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format,
                                                         va_list args)
{
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    log_line(LOG_DEBUG, "libmicrohttpd", "server=%s text=\"%s\"", (const char *)cls, text);
}

/* Not strict in libmicrohttpd's sense: strict, 0.9.75 closes on a blank in the target without an
 * answer, and checks no more than the guard does. */
static struct MHD_Daemon *start_daemon(struct http *http, int socket)
{
    const struct http_options *o = &http->options;
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, on_accept,
        http, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)o->name,
        MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)(o->loops > 1 ? o->loops : 0), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((o->idle_ms + 999) / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_END);
}

static void http_free(struct http *http)
{
    http_pool_free(http->pool);
    http_clock_free(http->clock);
    pthread_cond_destroy(&http->drained);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

static bool start_clock(struct http *http, struct err *err)
{
    const struct http_options *o = &http->options;
    if (o->read_ms == 0)
        return true;
    http->clock = http_clock_new(&(struct http_clock_options){.name = o->name,
                                                              .request_ms = o->read_ms,
                                                              .answer_ms = o->send_ms,
                                                              .app = http,
                                                              .late = on_late},
                                 err);
    return http->clock != NULL;
}

static bool start_pool(struct http *http, struct err *err)
{
    const struct http_options *o = &http->options;
    if (o->workers == 0)
        return true;
    struct http_pool_options pool = {
        .name = o->name,
        .threads = o->workers,
        .queue_max = o->queue_max,
        .deadline_ms = o->request_ms,
        .app = o->app,
        .context_new = o->context_new,
        .context_free = o->context_free,
        .run = run,
        .expire = expire,
        .drop = drop,
    };
    http->pool = http_pool_new(&pool, err);
    return http->pool != NULL;
}

struct http *http_start(const struct http_options *options, struct err *err)
{
    int socket;
    if (!http_listen(options->setting, options->listen, HTTP_BACKLOG, &socket, err))
        return NULL;
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        abort();
    http->options = *options;
    pthread_mutex_init(&http->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&http->drained, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start_clock(http, err) && start_pool(http, err)) {
        http->daemon = start_daemon(http, socket);
        if (http->daemon)
            return http;
        err_set(err, ERR_FATAL,
                "%s %s: the HTTP server does not start: look at the limits of open files and "
                "processes (ulimit -a)",
                options->setting, options->listen);
        if (http->pool)
            http_pool_stop(http->pool);
    }
    close(socket);
    http_free(http);
    return NULL;
}

/* The answers that are ready have a moment to be sent: stopping libmicrohttpd cuts them. */
static void drain(struct http *http)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += HTTP_DRAIN_MS / 1000;
    pthread_mutex_lock(&http->lock);
    int waited = 0;
    while (http->unanswered > 0 && waited == 0)
        waited = pthread_cond_timedwait(&http->drained, &http->lock, &until);
    pthread_mutex_unlock(&http->lock);
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_mutex_unlock(&http->lock);
    if (http->pool)
        http_pool_stop(http->pool); /* resumes every connection: none may be suspended at the end */
    drain(http);
    MHD_stop_daemon(http->daemon);
    http_free(http);
}
