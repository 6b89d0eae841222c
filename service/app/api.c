#include "app/api.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/api_error.h"
#include "app/api_link.h"
#include "app/metrics.h"
#include "base/instant.h"
#include "base/log.h"
#include "io/http.h"
#include "io/http_listen.h"
#include "usage/id.h"
#include "usage/read.h"

#define API_BASE "/tmf-api/usageManagement/v4"

enum {
    API_LOOPS = 2,
    API_WORKERS = 4, /* connections to PostgreSQL */
    API_CONNECTIONS = 1000,
    API_QUEUE = 512, /* more than one user's 500 connections */
    API_IDLE_MS = 30000,
    API_TARGET = 8192,   /* bytes */
    API_SPARE_MS = 3000, /* of a request beyond its statements: connecting, rendering */
    API_AGAIN_MS = 1000  /* a read that failed sooner is tried once more on a new connection */
};

static const char allowed[] = "GET, HEAD, OPTIONS";

struct api {
    const struct settings *settings;
    struct http *http;
    char application_name[320];
    struct query_limits limits;
    atomic_bool away; /* said so in the log */
};

/* What now() leaves for work(). */
struct task {
    bool one; /* GET /usage/{id}; else GET /usage */
    struct usage_id id;
    struct render_fields fields; /* of one */
    struct query query;          /* of the list */
};

/* --- on the threads of HTTP: routes, checks
 * ------------------------------------------------------------- */

static void not_found(struct http_response *response, const char *what, struct text name)
{
    char quoted[TEXT_QUOTED], message[TEXT_QUOTED + 64];
    snprintf(message, sizeof message, "%s %s", what, text_quote(name, quoted));
    api_error(response, 404, message);
}

static bool starts_with(struct text t, const char *prefix)
{
    size_t n = strlen(prefix);
    return t.n >= n && memcmp(t.p, prefix, n) == 0;
}

/* True: answered already, it is no read. */
static bool method_answers(const struct http_request *request, struct http_response *response)
{
    if (text_is(request->method, "GET") || text_is(request->method, "HEAD"))
        return false;
    if (text_is(request->method, "OPTIONS"))
        response->status = 204;
    else
        api_error(response, 405, "Only GET, HEAD and OPTIONS are allowed here");
    http_add(response, "Allow", "%s", allowed);
    return true;
}

static bool refused(const struct err *err, struct http_response *response)
{
    api_error(response, err->code, err->text);
    return true;
}

static bool take_list(struct api *api, struct http_request *request, struct http_response *response)
{
    struct err err;
    request->route = "/usage";
    if (method_answers(request, response))
        return true;
    struct task *task = arena_zero(request->arena, sizeof *task);
    if (!query_parse(request->query, &api->limits, request->arena, &task->query, &err))
        return refused(&err, response);
    request->state = task;
    return false;
}

static bool take_one(struct text raw_id, struct http_request *request,
                     struct http_response *response)
{
    struct err err;
    struct text id;
    request->route = "/usage/{id}";
    if (method_answers(request, response))
        return true;
    struct task *task = arena_zero(request->arena, sizeof *task);
    task->one = true;
    if (!query_parse_fields(request->query, request->arena, &task->fields, &err))
        return refused(&err, response);
    bool decoded = query_decode(raw_id, false, request->arena, &id);
    if (!decoded || !id_parse(id, &task->id)) {
        not_found(response, "No usage with id", decoded ? id : raw_id);
        return true;
    }
    request->state = task;
    return false;
}

static bool now(void *app, struct http_request *request, struct http_response *response)
{
    struct api *api = app;
    struct text path = request->path;
    if (text_is(path, API_BASE "/usage"))
        return take_list(api, request, response);
    if (starts_with(path, API_BASE "/usage/")) {
        size_t skip = strlen(API_BASE "/usage/");
        struct text id = {path.p + skip, path.n - skip};
        if (id.n > 0 && !memchr(id.p, '/', id.n))
            return take_one(id, request, response);
    }
    not_found(response, "No resource at", path);
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

/* --- on the threads of the database
 * ---------------------------------------------------------------------- */

static void render_one(struct api *api, const struct task *task, const struct db_rows *rows,
                       struct http_response *response)
{
    char id[ID_CHARS];
    if (rows->count == 0) {
        id_print(&task->id, id);
        not_found(response, "No usage with id", text_of(id));
        return;
    }
    struct render_row row;
    read_row(rows, 0, &row);
    render_usage(&response->body, &row, api->settings->http_base_url, &task->fields);
    response->status = 200;
    response->content_type = api_json;
    http_add(response, "ETag", "\"%" PRId64 "\"", read_revision(rows, 0));
}

static bool answer_one(struct api *api, struct db *db, const struct task *task,
                       struct http_response *response, struct err *err)
{
    struct db_rows rows = {0};
    bool ok = read_usage(db, &task->id, &rows, err);
    if (ok)
        render_one(api, task, &rows, response);
    db_rows_fini(&rows);
    return ok;
}

static void render_list(struct api *api, const struct http_request *request, const struct query *q,
                        const struct db_rows *rows, const struct read_total *total,
                        struct http_response *response)
{
    struct buf *b = &response->body;
    buf_byte(b, '[');
    for (int i = 0; i < rows->count; i++) {
        struct render_row row;
        if (i > 0)
            buf_byte(b, ',');
        read_row(rows, i, &row);
        render_usage(b, &row, api->settings->http_base_url, &q->fields);
    }
    buf_byte(b, ']');
    response->status = 200;
    response->content_type = api_json;
    http_add(response, "X-Total-Count", "%" PRId64, total->count);
    http_add(response, "X-Result-Count", "%d", rows->count);
    if (total->estimated)
        http_add(response, "X-Total-Count-Estimated", "true");
    struct api_page page = {q->offset, q->limit, rows->count, total->count, total->estimated};
    struct buf link = {0};
    if (api_link(api->settings->http_base_url, request->query, &page, request->arena, &link))
        http_add(response, "Link", "%s", buf_text(&link));
    buf_fini(&link);
}

/* A page that is not full is the last one: then the total is known without counting. */
static bool find_total(struct api *api, struct db *db, const struct query *q, int rows,
                       struct read_total *total, struct err *err)
{
    int64_t seen = rows > 0 ? q->offset + rows : 0;
    *total = (struct read_total){.count = seen};
    if (rows < q->limit && (rows > 0 || q->offset == 0))
        return true;
    return read_count(db, q, api->settings->http_count_timeout_ms, seen, total, err);
}

static bool answer_list(struct api *api, struct db *db, const struct http_request *request,
                        const struct query *q, struct http_response *response, struct err *err)
{
    struct db_rows rows = {0};
    struct read_total total;
    bool ok = (q->limit == 0 || read_page(db, q, &rows, err)) && !http_unwanted(request) &&
              find_total(api, db, q, rows.count, &total, err);
    if (ok)
        render_list(api, request, q, &rows, &total, response);
    db_rows_fini(&rows);
    return ok;
}

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
            log_line(LOG_WARNING, "HTTP reads wait for the database", "sqlstate=%s reason=\"%s\"",
                     err->state, err->text);
        return;
    }
    api_error(response, 500, "The request could not be answered; the service's log says why");
    log_line(LOG_ERROR, "HTTP read failed", "sqlstate=%s reason=\"%s\"", err->state, err->text);
}

/* The connection is of no more use: dead, or the server is about to end it. */
static bool is_lost(const struct db *db, const struct err *err)
{
    return !db_is_open(db) || strncmp(err->state, "57P", 3) == 0 ||
           strncmp(err->state, "08", 2) == 0;
}

static void work(void *app, void *context, struct http_request *request,
                 struct http_response *response)
{
    struct api *api = app;
    struct db *db = context;
    const struct task *task = request->state;
    struct err err = {0};
    int64_t began = instant_ticks();
    /* A connection may have died since its last request, as all do when PostgreSQL is started
     * again. Reading twice harms nobody, and the client need not know. */
    for (bool again = true; again;) {
        again = db_is_open(db);
        bool answered = db_open(db, &err) &&
                        (task->one ? answer_one(api, db, task, response, &err)
                                   : answer_list(api, db, request, &task->query, response, &err));
        if (answered) {
            if (atomic_exchange(&api->away, false))
                log_line(LOG_INFO, "HTTP reads go on", "database=back");
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

static void *context_new(void *app, int worker)
{
    (void)worker;
    struct api *api = app;
    int statement_ms = api->settings->http_statement_timeout_ms,
        count_ms = api->settings->http_count_timeout_ms;
    struct db_options options = {
        .url = api->settings->database_url,
        .application_name = api->application_name,
        .deadline_ms = (statement_ms > count_ms ? statement_ms : count_ms) + API_SPARE_MS / 2,
        .statement_timeout_ms = statement_ms,
        .read_only = true,
    };
    return db_new(&options);
}

static void context_free(void *app, void *context)
{
    (void)app;
    db_free(context);
}

struct api *api_start(const struct settings *s, struct err *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api)
        abort();
    api->settings = s;
    api->limits = (struct query_limits){s->http_limit_default, s->http_limit_max};
    snprintf(api->application_name, sizeof api->application_name, "usaged/%s", s->instance_id);
    struct http_options options = {
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
        .app = api,
        .now = now,
        .work = work,
        .context_new = context_new,
        .context_free = context_free,
        .refuse = refuse,
        .observe = observe,
    };
    api->http = http_start(&options, err);
    if (!api->http) {
        free(api);
        return NULL;
    }
    if (!http_listen_is_loopback(s->http_listen))
        log_line(LOG_WARNING, "anyone who reaches this address may read all usages",
                 "setting=http.listen address=%s", s->http_listen);
    log_line(LOG_INFO, "HTTP serves", "address=%s base=%s", s->http_listen, API_BASE);
    return api;
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    http_stop(api->http);
    free(api);
}
