#include "app/api.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/api_error.h"
#include "app/api_export.h"
#include "app/api_hub.h"
#include "app/api_import.h"
#include "app/api_read.h"
#include "app/api_write.h"
#include "app/metrics.h"
#include "app/tokens.h"
#include "base/embed.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"
#include "io/http.h"
#include "io/http_listen.h"

#define API_BASE "/tmf-api/usageManagement/v4"

enum {
    API_LOOPS = 2,
    API_WORKERS = 4, /* each with two connections to PostgreSQL: one reads, one writes */
    API_CONNECTIONS = 1000,
    API_QUEUE = 512, /* more than one user's 500 connections */
    API_IDLE_MS = 30000,
    API_TARGET = 8192,               /* bytes */
    API_BODIES = 64 * 1024 * 1024,   /* bytes of all bodies that are being read */
    API_ANSWERS = 256 * 1024 * 1024, /* bytes of all pages that clients have yet to take */
    API_SEND = 10,         /* times as long as to send a request a client may take over an answer */
    API_SPARE_MS = 3000,   /* of a request beyond its statements: connecting, rendering */
    API_AGAIN_MS = 1000,   /* a read that failed sooner is tried once more on a new connection */
    API_RESTART_MS = 3000, /* for so long an export waits for PostgreSQL */
    API_LOOK_MS = 200,
    API_IMPORT_MS = 5000, /* for so long a line waits for Kafka: less than a request may take */
    API_METHODS = 64
};

struct api {
    const struct settings *settings;
    struct http *http;
    char application_name[320];
    struct api_reader reader;
    struct api_exporter exporter;
    struct api_writer writer;
    struct api_hub hub;
    struct api_imports imports;
    struct tokens *tokens; /* NULL: nobody is asked for one */
    atomic_bool away;      /* said so in the log */
};

/* Of one thread that answers from the database. */
struct context {
    struct db *reading;
    struct api_write_store writing;
};

/* --- operations ------------------------------------------------------------------------------ */

struct operation {
    const char *route; /* below API_BASE; "{id}" at its end stands for one name */
    const char *method;
    enum tokens_right right;
    /* On HTTP's thread. True: answered. */
    bool (*take)(struct api *api, struct text id, struct http_request *request,
                 struct http_response *response);
    /* On a thread of the database. False: that failed. */
    bool (*answer)(struct api *api, struct context *context, const char *who,
                   struct http_request *request, struct http_response *response, struct err *err);
    bool writes;
};

/* What now() leaves for work(). */
struct call {
    const struct operation *operation;
    void *state; /* take()'s */
    char who[TOKENS_NAME];
};

static bool list_usages(struct api *api, struct text id, struct http_request *request,
                        struct http_response *response)
{
    (void)id;
    return api_export_format(request) == EXPORT_JSON
               ? api_read_list(&api->reader, request, response)
               : api_export_take(&api->exporter, request, response);
}

static bool one_usage(struct api *api, struct text id, struct http_request *request,
                      struct http_response *response)
{
    return api_read_one(&api->reader, id, request, response);
}

static bool list_specifications(struct api *api, struct text id, struct http_request *request,
                                struct http_response *response)
{
    (void)id;
    return api_read_specifications(&api->reader, request, response);
}

static bool one_specification(struct api *api, struct text id, struct http_request *request,
                              struct http_response *response)
{
    return api_read_specification(&api->reader, id, request, response);
}

static bool answer_read(struct api *api, struct context *context, const char *who,
                        struct http_request *request, struct http_response *response,
                        struct err *err)
{
    (void)who;
    return db_open(context->reading, err) &&
           api_read_answer(&api->reader, context->reading, request, response, err);
}

static enum http_piece next_piece(void *app, void *arg, struct http_request *request,
                                  struct buf *piece);

/* A page, or a stream. */
static bool answer_usages(struct api *api, struct context *context, const char *who,
                          struct http_request *request, struct http_response *response,
                          struct err *err)
{
    if (api_export_format(request) == EXPORT_JSON)
        return answer_read(api, context, who, request, response, err);
    if (!db_open(context->reading, err) ||
        !api_export_answer(&api->exporter, context->reading, request, response, err))
        return false;
    if (response->over)
        response->next = next_piece;
    return true;
}

#define WRITE(name, kind, specification)                                                           \
    static bool name(struct api *api, struct text id, struct http_request *request,                \
                     struct http_response *response)                                               \
    {                                                                                              \
        return api_write_take(&api->writer, kind, specification, id, request, response);           \
    }
WRITE(patch_usage, API_PATCH, false)
WRITE(delete_usage, API_DELETE, false)
WRITE(create_specification, API_CREATE, true)
WRITE(patch_specification, API_PATCH, true)
WRITE(delete_specification, API_DELETE, true)
#undef WRITE

static bool take_piece(void *app, void *context, struct http_request *request, struct text piece,
                       struct http_response *response);

/* One, or a stream. */
static bool create_usage(struct api *api, struct text id, struct http_request *request,
                         struct http_response *response)
{
    if (!api_import_is(request))
        return api_write_take(&api->writer, API_CREATE, false, id, request, response);
    if (api_import_take(&api->imports, request, response))
        return true;
    request->take = take_piece;
    return false;
}

static bool answer_write(struct api *api, struct context *context, const char *who,
                         struct http_request *request, struct http_response *response,
                         struct err *err)
{
    return api_write_answer(&api->writer, &context->writing, who, request, response, err);
}

static bool add_listener(struct api *api, struct text id, struct http_request *request,
                         struct http_response *response)
{
    (void)api;
    (void)id;
    return api_hub_take_add(request, response);
}

static bool remove_listener(struct api *api, struct text id, struct http_request *request,
                            struct http_response *response)
{
    (void)api;
    return api_hub_take_remove(id, request, response);
}

static bool answer_add(struct api *api, struct context *context, const char *who,
                       struct http_request *request, struct http_response *response,
                       struct err *err)
{
    return api_hub_add(&api->hub, context->writing.db, who, request, response, err);
}

static bool answer_remove(struct api *api, struct context *context, const char *who,
                          struct http_request *request, struct http_response *response,
                          struct err *err)
{
    (void)api;
    return api_hub_remove(context->writing.db, who, request, response, err);
}

static bool answer_create(struct api *api, struct context *context, const char *who,
                          struct http_request *request, struct http_response *response,
                          struct err *err)
{
    if (!request->take)
        return answer_write(api, context, who, request, response, err);
    api_import_answer(request, response);
    return true;
}

static bool describe(struct api *api, struct text id, struct http_request *request,
                     struct http_response *response)
{
    (void)api;
    (void)id;
    (void)request;
    buf_str(&response->body, embed_text(embed_schemas, "openapi.json"));
    response->status = 200;
    response->content_type = api_json;
    return true;
}

/* HEAD is as GET; OPTIONS and Allow come of this table. */
static const struct operation operations[] = {
    {"/usage", "GET", TOKENS_READ, list_usages, answer_usages, false},
    {"/usage", "POST", TOKENS_WRITE, create_usage, answer_create, true},
    {"/usage/{id}", "GET", TOKENS_READ, one_usage, answer_read, false},
    {"/usage/{id}", "PATCH", TOKENS_WRITE, patch_usage, answer_write, true},
    {"/usage/{id}", "DELETE", TOKENS_WRITE, delete_usage, answer_write, true},
    {"/usageSpecification", "GET", TOKENS_READ, list_specifications, answer_read, false},
    {"/usageSpecification", "POST", TOKENS_WRITE, create_specification, answer_write, true},
    {"/usageSpecification/{id}", "GET", TOKENS_READ, one_specification, answer_read, false},
    {"/usageSpecification/{id}", "PATCH", TOKENS_WRITE, patch_specification, answer_write, true},
    {"/usageSpecification/{id}", "DELETE", TOKENS_WRITE, delete_specification, answer_write, true},
    {"/hub", "POST", TOKENS_WRITE, add_listener, answer_add, true},
    {"/hub/{id}", "DELETE", TOKENS_WRITE, remove_listener, answer_remove, true},
    {"/openapi.json", "GET", TOKENS_READ, describe, NULL, false},
};

enum { OPERATIONS = sizeof operations / sizeof *operations };

/* --- on the threads of HTTP: routes, rights --------------------------------------------------- */

static bool is_path(const struct operation *o, struct text path, struct text *id)
{
    static const char name[] = "{id}";
    size_t n = strlen(o->route), base = sizeof API_BASE - 1;
    bool with_id = n > 4 && strcmp(o->route + n - 4, name) == 0;
    *id = (struct text){0};
    if (with_id)
        n -= 4;
    if (path.n < base + n || memcmp(path.p, API_BASE, base) != 0 ||
        memcmp(path.p + base, o->route, n) != 0)
        return false;
    struct text rest = {path.p + base + n, path.n - base - n};
    if (!with_id)
        return rest.n == 0;
    *id = rest;
    return rest.n > 0 && !memchr(rest.p, '/', rest.n);
}

static bool is_method(const struct operation *o, struct text method)
{
    return text_is(method, o->method) || (text_is(method, "HEAD") && strcmp(o->method, "GET") == 0);
}

/* "GET, HEAD, OPTIONS, POST", of all operations on one path. */
static void allowed(const char *route, char out[API_METHODS])
{
    size_t n = 0;
    for (size_t i = 0; i < OPERATIONS; i++)
        if (strcmp(operations[i].route, route) == 0)
            n += (size_t)snprintf(out + n, API_METHODS - n, "%s%s", operations[i].method,
                                  strcmp(operations[i].method, "GET") == 0 ? ", HEAD, " : ", ");
    snprintf(out + n, API_METHODS - n, "OPTIONS");
}

/* False: answered, 401 or 403. */
static bool may(struct api *api, const struct operation *o, const struct http_request *request,
                char who[TOKENS_NAME], struct http_response *response)
{
    who[0] = 0;
    if (!api->tokens)
        return true;
    enum tokens_right right = tokens_of(api->tokens, http_header(request, "Authorization"), who);
    if (right == TOKENS_NONE) {
        api_error(response, 401,
                  http_header(request, "Authorization").p
                      ? "This is no bearer token that is known: Authorization: Bearer TOKEN"
                      : "A bearer token is needed: Authorization: Bearer TOKEN");
        http_add(response, "WWW-Authenticate", "Bearer");
    } else if (right < o->right) {
        api_error(response, 403, "This token may read, but not write");
    }
    return right >= o->right;
}

/* True: answered. */
static bool take(struct api *api, const struct operation *o, struct text id,
                 struct http_request *request, struct http_response *response)
{
    struct call *call = arena_zero(request->arena, sizeof *call);
    if (!may(api, o, request, call->who, response) || o->take(api, id, request, response))
        return true;
    call->operation = o;
    call->state = request->state;
    request->state = call;
    return false;
}

static bool now(void *app, struct http_request *request, struct http_response *response)
{
    struct api *api = app;
    char methods[API_METHODS];
    struct text id;
    const struct operation *there = NULL;
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *o = &operations[i];
        if (!is_path(o, request->path, &id))
            continue;
        request->route = o->route;
        there = o;
        if (is_method(o, request->method))
            return take(api, o, id, request, response);
    }
    if (!there) {
        api_not_found(response, "No resource at", request->path);
        return true;
    }
    allowed(there->route, methods);
    if (text_is(request->method, "OPTIONS")) {
        response->status = 204;
    } else {
        char message[API_METHODS + 64];
        snprintf(message, sizeof message, "Only %s are allowed here", methods);
        api_error(response, 405, message);
    }
    http_add(response, "Allow", "%s", methods);
    return true;
}

static void refuse(void *app, int status, const char *message, struct http_response *response)
{
    (void)app;
    api_error(response, status, message);
}

static void observe(void *app, const struct http_request *request, int status, double seconds)
{
    (void)app;
    static const char *const known[] = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"};
    const char *method = "other"; /* a label's values are few, whatever clients send */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_is(request->method, known[i]))
            method = known[i];
    metrics_http(method, request->route, status, seconds);
}

/* --- on the threads of the database ----------------------------------------------------------- */

/* Words for the client; SQL and what the server said are for the log. */
static void failed(struct api *api, const struct err *err, struct http_response *response)
{
    static const char *const away[] = {"08", "25", "28", "40", "53", "55", "57"};
    if (strcmp(err->state, "57014") == 0) {
        api_error(response, 503,
                  "The query took longer than http.statement-timeout-ms; ask for less, e.g. with "
                  "usageDate.gte and usageDate.lt");
        return;
    }
    bool is_away = err->state[0] == 0;
    for (size_t i = 0; i < sizeof away / sizeof *away; i++)
        is_away = is_away || strncmp(err->state, away[i], 2) == 0;
    if (is_away) {
        api_error(response, 503, "The database is away");
        http_add(response, "Retry-After", "1");
        if (!atomic_exchange(&api->away, true))
            log_line(LOG_WARNING, "HTTP waits for the database", "sqlstate=%s reason=\"%s\"",
                     err->state, err->text);
        return;
    }
    api_error(response, 500, "The request could not be answered; the service's log says why");
    log_line(LOG_ERROR, "HTTP request failed", "sqlstate=%s reason=\"%s\"", err->state, err->text);
}

/* The connection is of no more use: dead, or the server is about to end it. */
static bool is_lost(const struct db *db, const struct err *err)
{
    return !db_is_open(db) || strncmp(err->state, "57P", 3) == 0 ||
           strncmp(err->state, "08", 2) == 0;
}

/* An import asks nothing of PostgreSQL, and the body of a change may be refused before it does. */
static bool comes_from_database(const struct operation *o, const struct http_request *request,
                                const struct http_response *response)
{
    int status = response->status;
    return !o->writes ||
           (!request->take && (status < 300 || status == 404 || status == 409 || status == 412));
}

/* A connection may have died since its last request, as all do when PostgreSQL is started again.
 * Reading twice harms nobody, and the client need not know; a change is not tried again, since it
 * may have been made. */
static void work(void *app, void *arg, struct http_request *request, struct http_response *response)
{
    struct api *api = app;
    struct context *context = arg;
    const struct call *call = request->state;
    struct db *db = call->operation->writes ? context->writing.db : context->reading;
    struct err err = {0};
    int64_t began = instant_ticks();
    request->state = call->state;
    for (bool again = true; again;) {
        again = !call->operation->writes && db_is_open(db);
        if (call->operation->answer(api, context, call->who, request, response, &err)) {
            if (comes_from_database(call->operation, request, response) &&
                atomic_exchange(&api->away, false))
                log_line(LOG_INFO, "HTTP goes on", "database=back");
            return;
        }
        bool lost = is_lost(db, &err);
        if (lost)
            db_close(db);
        again = again && lost && instant_ticks() - began < API_AGAIN_MS && !http_unwanted(request);
    }
    if (!http_unwanted(request))
        failed(api, &err, response);
}

static bool take_piece(void *app, void *context, struct http_request *request, struct text piece,
                       struct http_response *response)
{
    (void)app;
    (void)context;
    const struct call *call = request->state;
    return api_import_piece(call->who, request, piece, response);
}

/* A stream whose begin is sent can only be cut off when the database fails. Its slices are
 * questions of their own, so one is asked again: for less when it took too long, and on new
 * connections for about as long as a restart takes. */
static enum http_piece next_piece(void *app, void *arg, struct http_request *request,
                                  struct buf *piece)
{
    (void)app;
    struct db *db = ((struct context *)arg)->reading;
    struct err err = {0};
    bool last;
    int64_t began = instant_ticks();
    for (bool first = true, again = true; again; first = false) {
        if (db_open(db, &err) && api_export_next(db, request, piece, &last, &err))
            return last ? HTTP_PIECE_LAST : HTTP_PIECE_MORE;
        bool lost = is_lost(db, &err);
        if (lost)
            db_close(db);
        else
            api_export_shrink(request);
        again =
            first || (lost && instant_ticks() - began < API_RESTART_MS && !stop_wait(API_LOOK_MS));
        again = again && !http_unwanted(request);
    }
    log_line(LOG_WARNING, "an export is cut off", "usages=%lld sqlstate=%s reason=\"%s\"",
             (long long)api_export_rows(request), err.state, err.text);
    return HTTP_PIECE_BROKEN;
}

static void *context_new(void *app, int worker)
{
    (void)worker;
    struct api *api = app;
    struct context *context = calloc(1, sizeof *context);
    if (!context)
        abort();
    int statement_ms = api->settings->http_statement_timeout_ms,
        count_ms = api->settings->http_count_timeout_ms;
    struct db_options options = {
        .url = api->settings->database_url,
        .application_name = api->application_name,
        .deadline_ms = (statement_ms > count_ms ? statement_ms : count_ms) + API_SPARE_MS / 2,
        .statement_timeout_ms = statement_ms,
        .read_only = true,
    };
    context->reading = db_new(&options);
    api_write_store_init(&api->writer, api->application_name, &context->writing);
    return context;
}

static void context_free(void *app, void *arg)
{
    (void)app;
    struct context *context = arg;
    db_free(context->reading);
    api_write_store_fini(&context->writing);
    free(context);
}

/* --- begin and end ---------------------------------------------------------------------------- */

static struct http_options http_options_of(struct api *api)
{
    const struct settings *s = api->settings;
    return (struct http_options){
        .name = "http",
        .setting = "http.listen",
        .listen = s->http_listen,
        .loops = API_LOOPS,
        .workers = API_WORKERS,
        .connections_max = API_CONNECTIONS,
        .queue_max = API_QUEUE,
        .idle_ms = API_IDLE_MS,
        .request_ms = s->http_statement_timeout_ms + s->http_count_timeout_ms + API_SPARE_MS,
        .target_max = API_TARGET,
        .body_max = (size_t)s->http_max_body,
        .bodies_max = (size_t)(s->http_max_body > API_BODIES ? s->http_max_body : API_BODIES),
        .answers_max = API_ANSWERS,
        .read_ms = s->http_timeout_ms,
        .send_ms = s->http_timeout_ms * API_SEND,
        .app = api,
        .now = now,
        .work = work,
        .context_new = context_new,
        .context_free = context_free,
        .refuse = refuse,
        .observe = observe,
    };
}

struct api *api_start(const struct settings *s, const struct changes_settings *changes,
                      const int32_t *specification_schema, rd_kafka_t *kafka,
                      struct registry *registry, struct err *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api)
        abort();
    api->settings = s;
    api->reader = api_reader_of(s);
    api_exporter_init(&api->exporter, s);
    api->hub = api_hub_of(s, kafka);
    api->writer.settings = s;
    api->writer.changes = changes;
    api->writer.specification_schema = specification_schema;
    api->writer.mapping = settings_mapping(s);
    snprintf(api->application_name, sizeof api->application_name, "usaged/%s", s->instance_id);
    struct http_options options = http_options_of(api);
    api->imports.settings = s;
    api->imports.importer = importer_new(s, registry, API_IMPORT_MS);
    bool good = !s->http_tokens || (api->tokens = tokens_open(s->http_tokens, err));
    if (!good || !(api->http = http_start(&options, err))) {
        importer_free(api->imports.importer);
        tokens_close(api->tokens);
        free(api);
        return NULL;
    }
    if (!api->tokens && !http_listen_is_loopback(s->http_listen))
        log_line(LOG_WARNING, "anyone who reaches this address may read and write all usages",
                 "setting=http.open address=%s", s->http_listen);
    log_line(LOG_INFO, "HTTP serves", "address=%s base=%s tokens=%s", s->http_listen, API_BASE,
             api->tokens ? s->http_tokens : "none");
    return api;
}

void api_take_writes(struct api *api)
{
    atomic_store(&api->writer.open, true);
}

void api_reload(struct api *api)
{
    struct err err;
    if (!api->tokens)
        return;
    if (tokens_reload(api->tokens, &err))
        log_line(LOG_INFO, "tokens read again", "file=%s", api->settings->http_tokens);
    else
        log_line(LOG_ERROR, "tokens not read again, those from before hold", "why=\"%s\"",
                 err.text);
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    http_stop(api->http);
    importer_free(api->imports.importer);
    tokens_close(api->tokens);
    free(api);
}
