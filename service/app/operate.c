#include "app/operate.h"

#include <stdlib.h>

#include "app/health.h"
#include "app/metrics.h"
#include "io/http.h"

enum { OPERATE_CONNECTIONS = 64, OPERATE_IDLE_MS = 10000, OPERATE_TARGET = 1024 };

static const char plain[] = "text/plain;charset=utf-8";

struct operate {
    struct http *http;
};

static void refuse(void *app, int status, const char *message, struct http_response *response)
{
    (void)app;
    response->status = status;
    response->content_type = plain;
    buf_printf(&response->body, "%s\n", message);
}

static void healthz(struct http_response *response)
{
    response->content_type = plain;
    response->status = health_alive(&response->body) ? 200 : 503;
    if (response->status == 200)
        buf_str(&response->body, "ok\n");
}

static void readyz(struct http_response *response)
{
    response->content_type = "application/json;charset=utf-8";
    response->status = health_ready() ? 200 : 503;
    health_render(&response->body);
}

static void metrics(struct http_response *response)
{
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    response->status = 200;
    metrics_render(&response->body);
}

static bool now(void *app, struct http_request *request, struct http_response *response)
{
    static const struct {
        const char *path;
        void (*answer)(struct http_response *response);
    } routes[] = {{"/healthz", healthz}, {"/readyz", readyz}, {"/metrics", metrics}};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!text_is(request->path, routes[i].path))
            continue;
        if (text_is(request->method, "GET") || text_is(request->method, "HEAD")) {
            routes[i].answer(response);
        } else {
            refuse(app, 405, "only GET and HEAD are allowed here", response);
            http_add(response, "Allow", "GET, HEAD");
        }
        return true;
    }
    refuse(app, 404, "here are /healthz, /readyz and /metrics", response);
    return true;
}

struct operate *operate_start(const struct settings *s, struct err *err)
{
    struct http_options options = {
        .name = "operate",
        .setting = "operate.listen",
        .listen = s->operate_listen,
        .loops = 1,
        .connections_max = OPERATE_CONNECTIONS,
        .idle_ms = OPERATE_IDLE_MS,
        .target_max = OPERATE_TARGET,
        .now = now,
        .refuse = refuse,
    };
    struct http *http = http_start(&options, err);
    if (!http)
        return NULL;
    struct operate *operate = calloc(1, sizeof *operate);
    if (!operate)
        abort();
    operate->http = http;
    return operate;
}

void operate_stop(struct operate *operate)
{
    if (!operate)
        return;
    http_stop(operate->http);
    free(operate);
}
