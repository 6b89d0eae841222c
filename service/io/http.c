#include "io/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "io/http_guard.h"
#include "io/http_listen.h"
#include "io/http_pool.h"

enum {
    HTTP_MEMORY = 64 * 1024, /* of a connection: its request's head, and what is being sent */
    HTTP_BACKLOG = 1024,     /* connections that the system keeps until we take them */
    HTTP_DRAIN_MS = 1000,    /* at the end, for answers on their way */
    HTTP_ARENA_BLOCK = 4096
};

struct http {
    struct http_options options;
    struct MHD_Daemon *daemon;
    struct http_pool *pool; /* NULL: now() answers everything */
    pthread_mutex_t lock;   /* guards the two below */
    pthread_cond_t drained;
    int unanswered; /* requests that were seen and whose answers are not sent */
    bool stopping;
};

/* One request on its way. The connection holds a reference, and so do the queue and whoever works
 * on it. */
struct exchange {
    struct http_job job;
    struct http *http;
    struct MHD_Connection
        *connection; /* only touched by its own thread, or while suspended by who has claimed */
    struct http_request request;
    struct http_response response;
    struct timespec began;
    const char *fault; /* what the guard found */
    bool seen, taken, too_long;
    bool answered; /* by who has claimed the job */
};

static struct exchange *exchange_of(struct http_job *job)
{
    return (struct exchange *)((char *)job - offsetof(struct exchange, job));
}

static void response_fini(struct http_response *r)
{
    buf_fini(&r->body);
    buf_fini(&r->fields);
}

static void exchange_free(struct exchange *x)
{
    response_fini(&x->response);
    arena_free(x->request.arena);
    free(x);
}

struct text http_header(const struct http_request *request, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < request->field_count; i++) {
        const struct http_field *f = &request->fields[i];
        if (f->name.n == n && strncasecmp(f->name.p, name, n) == 0)
            return f->value;
    }
    return (struct text){0};
}

bool http_unwanted(const struct http_request *request)
{
    const struct exchange *x =
        (const struct exchange *)((const char *)request - offsetof(struct exchange, request));
    return http_job_is_claimed(&x->job);
}

void http_add(struct http_response *response, const char *name, const char *format, ...)
{
    char value[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    buf_add(&response->fields, name, strlen(name) + 1);
    buf_add(&response->fields, value, strlen(value) + 1);
}

static void refuse(struct exchange *x, int status, const char *message, bool close)
{
    response_fini(&x->response);
    x->response = (struct http_response){.status = status, .close = close};
    x->http->options.refuse(x->http->options.app, status, message, &x->response);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        http_add(&x->response, "Retry-After", "1");
}

static double seconds_since(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static struct MHD_Response *make_response(struct http_response *r)
{
    struct MHD_Response *made;
    if (r->body.len == 0) {
        made = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else {
        made = MHD_create_response_from_buffer(r->body.len, r->body.data, MHD_RESPMEM_MUST_FREE);
        if (made)
            r->body = (struct buf){0};
    }
    if (!made)
        return NULL;
    if (r->content_type)
        MHD_add_response_header(made, "Content-Type", r->content_type);
    for (const char *p = r->fields.data, *end = p + r->fields.len; p < end;) {
        const char *value = p + strlen(p) + 1;
        MHD_add_response_header(made, p, value);
        p = value + strlen(value) + 1;
    }
    if (r->close)
        MHD_add_response_header(made, "Connection", "close");
    return made;
}

static enum MHD_Result send_response(struct exchange *x, struct MHD_Connection *connection)
{
    const struct http_options *o = &x->http->options;
    if (o->observe)
        o->observe(o->app, &x->request, x->response.status, seconds_since(&x->began));
    struct MHD_Response *made = make_response(&x->response);
    if (!made)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)x->response.status, made);
    MHD_destroy_response(made);
    return queued;
}

/* The pool's side. Only who has claimed the job touches x->response and wakes the connection. */

static void run(void *app, void *context, struct http_job *job)
{
    struct exchange *x = exchange_of(job);
    struct http_response response = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    x->http->options.work(app, context, &x->request, &response);
    if (!http_job_claim(job)) {
        response_fini(&response);
        return;
    }
    x->response = response;
    x->answered = true;
    MHD_resume_connection(x->connection);
}

static void expire(void *app, struct http_job *job, enum http_pool_end end)
{
    (void)app;
    struct exchange *x = exchange_of(job);
    if (!http_job_claim(job))
        return;
    if (end == HTTP_POOL_LATE)
        refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "No answer from the database in time", false);
    else
        refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "The service is stopping", true);
    x->answered = true;
    MHD_resume_connection(x->connection);
}

static void drop(void *app, struct http_job *job)
{
    (void)app;
    exchange_free(exchange_of(job));
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
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    http_job_init(&x->job);
    x->http = http;
    x->connection = connection;
    x->request.arena = arena_new(HTTP_ARENA_BLOCK);
    x->request.route = "other";
    size_t n = strlen(target);
    x->too_long = n > http->options.target_max;
    if (!x->too_long)
        http_guard_target(&x->request, arena_copy(x->request.arena, target, n), n);
    char *query = strchr(target, '?');
    if (query)
        query[1] = 0;
    return x;
}

static enum MHD_Result take_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                  size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct http_request *r = cls;
    struct http_field *f = (struct http_field *)r->fields + r->field_count++;
    f->name = (struct text){arena_copy(r->arena, name, name_size), name_size};
    f->value = (struct text){arena_copy(r->arena, value ? value : "", value_size), value_size};
    return MHD_YES;
}

/* Copied, since the connection may be gone before work() is done with them. */
static void take_head(struct exchange *x, const char *method)
{
    struct http_request *r = &x->request;
    size_t n = strlen(method);
    r->method = (struct text){arena_copy(r->arena, method, n), n};
    int count = MHD_get_connection_values(x->connection, MHD_HEADER_KIND, NULL, NULL);
    if (count <= 0)
        return;
    r->fields = arena_zero(r->arena, (size_t)count * sizeof *r->fields);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, take_field, r);
}

static void see_request(struct exchange *x, const char *method, const char *version)
{
    struct http *http = x->http;
    x->seen = true;
    clock_gettime(CLOCK_MONOTONIC, &x->began);
    take_head(x, method);
    x->fault = http_guard_fault(&x->request, version);
    pthread_mutex_lock(&http->lock);
    http->unanswered++;
    pthread_mutex_unlock(&http->lock);
}

/* True: the response is ready. False: the pool has the request now, and the connection is
 * suspended. */
static bool take_request(struct exchange *x)
{
    struct http *http = x->http;
    pthread_mutex_lock(&http->lock);
    bool stopping = http->stopping;
    pthread_mutex_unlock(&http->lock);
    if (x->too_long) {
        refuse(x, MHD_HTTP_URI_TOO_LONG, "The request target is too long", true);
    } else if (x->fault) {
        refuse(x, MHD_HTTP_BAD_REQUEST, x->fault, true);
    } else if (stopping) {
        refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "The service is stopping", true);
    } else if (http->options.now(http->options.app, &x->request, &x->response)) {
        return true;
    } else if (!http->pool || !http_pool_reserve(http->pool)) {
        refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many requests are waiting", false);
    } else {
        /* In this order: a thread may have the answer, and resume, before push returns. */
        MHD_suspend_connection(x->connection);
        http_pool_push(http->pool, &x->job);
        return false;
    }
    return true;
}

/* Called with the request's head, once more when the request is complete, and again when a
 * suspended connection was resumed. What is answered at the first call ends the connection: so are
 * refused requests, and those with a body, since bodies are not read. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    (void)cls;
    (void)url;
    (void)upload;
    (void)upload_size;
    struct exchange *x = *state;
    if (!x)
        return MHD_NO;
    if (!x->seen) {
        see_request(x, method, version);
        if (!x->fault && !x->too_long && !http_guard_has_body(&x->request))
            return MHD_YES;
    }
    if (!x->taken) {
        x->taken = true;
        return take_request(x) ? send_response(x, connection) : MHD_YES;
    }
    return x->answered ? send_response(x, connection) : MHD_NO;
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
    if (x->seen) {
        pthread_mutex_lock(&http->lock);
        if (--http->unanswered == 0)
            pthread_cond_signal(&http->drained);
        pthread_mutex_unlock(&http->lock);
    }
    if (http->pool)
        http_job_unref(http->pool, &x->job);
    else
        exchange_free(x);
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
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)o->name,
        MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)(o->loops > 1 ? o->loops : 0), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((o->idle_ms + 999) / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
}

static void http_free(struct http *http)
{
    http_pool_free(http->pool);
    pthread_cond_destroy(&http->drained);
    pthread_mutex_destroy(&http->lock);
    free(http);
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
    if (start_pool(http, err)) {
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
    MHD_socket listening = MHD_quiesce_daemon(http->daemon);
    if (listening != MHD_INVALID_SOCKET)
        close(listening);
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_mutex_unlock(&http->lock);
    if (http->pool)
        http_pool_stop(http->pool); /* resumes every connection: none may be suspended at the end */
    drain(http);
    MHD_stop_daemon(http->daemon);
    http_free(http);
}
