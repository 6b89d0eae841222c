#include "io/http_exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    HTTP_ARENA_BLOCK = 4096,
    HTTP_BLOCK =
        32 *
        1024, /* bytes that are given to libmicrohttpd at once; its buffer is half of HTTP_MEMORY */
    HTTP_PIECE = 256 * 1024,        /* bytes of a request's body that are taken at once */
    HTTP_SHORT = 64 * 1024,         /* bytes of an answer that is sent however many there are */
    HTTP_DISCARD = 64 * 1024 * 1024 /* bytes of a refused body that are read before the answer */
};

struct exchange *exchange_new(struct http *http, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    atomic_init(&x->references, 1);
    x->http = http;
    x->connection = connection;
    x->request.arena = arena_new(HTTP_ARENA_BLOCK);
    x->request.route = "other";
    return x;
}

void http_response_fini(struct http_response *r)
{
    buf_fini(&r->body);
    buf_fini(&r->fields);
}

static bool is_read(const struct exchange *x)
{
    return text_is(x->request.method, "GET") || text_is(x->request.method, "HEAD");
}

/* The sum in which the answer is counted. */
static atomic_size_t *answers_of(struct exchange *x)
{
    return &x->http->answers[!is_read(x)];
}

static void exchange_free(struct exchange *x)
{
    atomic_fetch_sub(answers_of(x), x->held);
    if (x->response.over)
        x->response.over(x->http->options.app, &x->request);
    http_response_fini(&x->response);
    if (x->request.over)
        x->request.over(x->http->options.app, &x->request);
    if (x->taking == TAKING_NONE)
        atomic_fetch_sub(&x->http->bodies, x->body.len);
    buf_fini(&x->body);
    arena_free(x->request.arena);
    free(x);
}

void exchange_unref(struct exchange *x)
{
    if (atomic_fetch_sub(&x->references, 1) == 1)
        exchange_free(x);
}

struct turn *exchange_turn(struct exchange *x)
{
    struct turn *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    http_job_init(&t->job);
    atomic_fetch_add(&x->references, 1);
    t->exchange = x;
    x->turn = t;
    return t;
}

void turn_free(struct turn *t)
{
    exchange_unref(t->exchange);
    free(t);
}

/* --- what is read --- */

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

void exchange_take_head(struct exchange *x, const char *method)
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

/* A whole number of a header that MHD has read as one already. Most clients read no answer before
 * they have sent all: what is not much too long is read and thrown away first, unless the client
 * waits for a word (RFC 9110 section 10.1.1). */
bool exchange_says_too_long(const struct exchange *x)
{
    struct text length = http_header(&x->request, "Content-Length");
    unsigned long long n = length.p ? strtoull(length.p, NULL, 10) : 0;
    bool waits = http_header(&x->request, "Expect").p != NULL;
    return n > x->http->options.body_max + (waits ? 0 : HTTP_DISCARD);
}

bool exchange_read_body(struct exchange *x, const char *bytes, size_t n)
{
    struct http *http = x->http;
    size_t max = http->options.body_max;
    if (x->discarded > 0 || x->no_room || n > max - x->body.len) {
        x->discarded += x->no_room ? 0 : n;
        return x->discarded <= HTTP_DISCARD;
    }
    if (atomic_fetch_add(&http->bodies, n) + n > http->options.bodies_max) {
        atomic_fetch_sub(&http->bodies, n);
        x->no_room = true;
        return true;
    }
    buf_add(&x->body, bytes, n);
    return true;
}

bool exchange_gather(struct exchange *x, const char *bytes, size_t n)
{
    buf_add(&x->body, bytes, n);
    return x->body.len >= HTTP_PIECE;
}

bool exchange_discard(struct exchange *x, size_t n)
{
    x->discarded += n;
    return x->discarded <= HTTP_DISCARD;
}

/* --- what is sent --- */

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
    return x->turn && !x->kept && http_job_is_claimed(&x->turn->job);
}

bool http_keep(struct http_request *request)
{
    struct exchange *x = (struct exchange *)((char *)request - offsetof(struct exchange, request));
    x->kept = http_job_claim(&x->turn->job);
    return x->kept;
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

void exchange_refuse(struct exchange *x, int status, const char *message, bool close)
{
    http_response_fini(&x->response);
    x->response = (struct http_response){.status = status, .close = close};
    x->http->options.refuse(x->http->options.app, status, message, &x->response);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        http_add(&x->response, "Retry-After", "1");
}

void exchange_refuse_long(struct exchange *x, bool close)
{
    char message[100];
    snprintf(message, sizeof message, "The body is longer than %zu bytes",
             x->http->options.body_max);
    exchange_refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, message, close);
}

static double seconds_since(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

bool exchange_is_full(struct exchange *x)
{
    size_t max = x->http->options.answers_max;
    return max > 0 && !is_read(x) && atomic_load(answers_of(x)) >= max;
}

/* Counts what libmicrohttpd is to hold until the client has taken it. False: there is no room. */
static bool hold(struct exchange *x)
{
    size_t max = x->http->options.answers_max, n = x->response.body.len;
    if (max == 0 || n <= HTTP_SHORT || x->response.next)
        return true;
    if (atomic_fetch_add(answers_of(x), n) + n > max && is_read(x)) {
        atomic_fetch_sub(answers_of(x), n);
        return false;
    }
    x->held = n;
    return true;
}

static void refuse_page(struct exchange *x)
{
    exchange_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE,
                    "Clients that read slowly have yet to take too many long answers; ask for less "
                    "at once, e.g. with a smaller limit",
                    false);
}

static void let_go(void *cls)
{
    exchange_unref(cls);
}

/* The body stays the exchange's, which libmicrohttpd has a reference to until it is sent. */
static struct MHD_Response *make_whole(struct exchange *x)
{
    struct buf *body = &x->response.body;
    if (body->len == 0)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    atomic_fetch_add(&x->references, 1);
    struct MHD_Response *made =
        MHD_create_response_from_buffer_with_free_callback_cls(body->len, body->data, let_go, x);
    if (!made)
        exchange_unref(x);
    return made;
}

struct source {
    struct exchange *x;
    bool (*more)(struct exchange *x);
};

/* The client must not take the end of the connection for that of the body. Chunks have an end of
 * their own, which is not sent then; without them only a reset tells, and libmicrohttpd would end
 * the connection in order before it closes it. */
static ssize_t cut_off(struct exchange *x)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (x->http_1_0) {
        int fd =
            MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        int rc = connect(fd, &nobody, sizeof nobody);
        (void)rc;
    }
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd has room for more of a body that comes in pieces. */
static ssize_t read_piece(void *cls, uint64_t position, char *out, size_t max)
{
    (void)position;
    const struct source *source = cls;
    struct exchange *x = source->x;
    if (x->broken)
        return cut_off(x);
    size_t n = x->response.body.len - x->sent;
    if (n > max)
        n = max;
    if (n > 0) {
        memcpy(out, x->response.body.data + x->sent, n);
        x->sent += n;
        return (ssize_t)n;
    }
    if (x->last)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return source->more(x) ? 0 : cut_off(x);
}

static struct MHD_Response *make_stream(struct exchange *x, bool (*more)(struct exchange *x))
{
    struct source *source = arena_alloc(x->request.arena, sizeof *source);
    *source = (struct source){x, more};
    struct MHD_Response *made =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_BLOCK, read_piece, source, NULL);
    /* libmicrohttpd 0.9.75 sends the last chunk to HEAD, too, where the client reads it as the
     * begin of the next answer: then none, and the connection ends. */
    if (made && text_is(x->request.method, "HEAD"))
        MHD_set_response_options(made, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    return made;
}

static struct MHD_Response *make_response(struct exchange *x, bool (*more)(struct exchange *x))
{
    struct http_response *r = &x->response;
    struct MHD_Response *made = r->next ? make_stream(x, more) : make_whole(x);
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

enum MHD_Result exchange_send(struct exchange *x, struct MHD_Connection *connection,
                              bool (*more)(struct exchange *x))
{
    const struct http_options *o = &x->http->options;
    if (!hold(x))
        refuse_page(x);
    if (o->observe)
        o->observe(o->app, &x->request, x->response.status, seconds_since(&x->began));
    struct MHD_Response *made = make_response(x, more);
    if (!made)
        return MHD_NO;
    if (x->http->clock && !x->response.next)
        http_clock_sends(x->http->clock, x->place);
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)x->response.status, made);
    MHD_destroy_response(made);
    return queued;
}
