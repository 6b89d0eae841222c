/* The server that the tests of io/http speak to: real, on a free port of 127.0.0.1. Include after
 * cmocka. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "http_client.h"
#include "io/http.h"

/* What the server serves: /now at once, everything else in the pool, where /gate waits for the gate
 * to open. */
struct app {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int seen, running,
        through; /* requests that now() has seen; that wait at the gate; that have passed it */
    int contexts;
    struct http *http;
    char listen[32];
    int port;
};

static inline bool app_now(void *arg, struct http_request *request, struct http_response *response)
{
    struct app *app = arg;
    pthread_mutex_lock(&app->lock);
    app->seen++;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
    if (!text_is(request->path, "/now"))
        return false;
    response->status = 200;
    response->content_type = "text/plain";
    buf_str(&response->body, "at once");
    return true;
}

static inline void app_work(void *arg, void *context, struct http_request *request,
                            struct http_response *response)
{
    struct app *app = arg;
    assert_ptr_equal(context, &app->contexts);
    if (text_is(request->path, "/gate")) {
        pthread_mutex_lock(&app->lock);
        app->running++;
        pthread_cond_broadcast(&app->changed);
        while (!app->open)
            pthread_cond_wait(&app->changed, &app->lock);
        app->running--;
        app->through++;
        pthread_cond_broadcast(&app->changed);
        pthread_mutex_unlock(&app->lock);
    }
    response->status = 200;
    response->content_type = "text/plain";
    http_add(response, "X-Test", "%s", "yes");
    struct text test = http_header(request, "x-test");
    buf_printf(&response->body, "%.*s %.*s ?%.*s x=%.*s", TEXT_ARGS(request->method),
               TEXT_ARGS(request->path), TEXT_ARGS(request->query), TEXT_ARGS(test));
    if (request->body.n > 0)
        buf_printf(&response->body, " body=%.*s", TEXT_ARGS(request->body));
}

static inline void *app_context_new(void *arg, int worker)
{
    struct app *app = arg;
    (void)worker;
    pthread_mutex_lock(&app->lock);
    app->contexts++;
    pthread_mutex_unlock(&app->lock);
    return &app->contexts;
}

static inline void app_context_free(void *arg, void *context)
{
    struct app *app = arg;
    assert_ptr_equal(context, &app->contexts);
    pthread_mutex_lock(&app->lock);
    app->contexts--;
    pthread_mutex_unlock(&app->lock);
}

static inline void app_refuse(void *arg, int status, const char *message,
                              struct http_response *response)
{
    (void)arg;
    response->status = status;
    response->content_type = "text/plain";
    buf_printf(&response->body, "refused: %s", message);
}

static inline struct app *start(struct http_options options)
{
    struct app *app = calloc(1, sizeof *app);
    struct err err = {0};
    pthread_mutex_init(&app->lock, NULL);
    pthread_cond_init(&app->changed, NULL);
    app->port = free_port();
    snprintf(app->listen, sizeof app->listen, "127.0.0.1:%d", app->port);
    options.name = "test";
    options.setting = "http.listen";
    options.listen = app->listen;
    options.app = app;
    if (!options.now)
        options.now = app_now;
    if (!options.work)
        options.work = app_work;
    options.context_new = app_context_new;
    options.context_free = app_context_free;
    options.refuse = app_refuse;
    app->http = http_start(&options, &err);
    if (!app->http)
        fail_msg("%s", err.text);
    return app;
}

/* One loop, so that requests are seen in the order in which they were sent. */
static const struct http_options small = {.loops = 1,
                                          .workers = 1,
                                          .connections_max = 300,
                                          .queue_max = 2,
                                          .idle_ms = 30000,
                                          .request_ms = 60000,
                                          .target_max = 8192};

static const struct http_options roomy = {.loops = 2,
                                          .workers = 4,
                                          .connections_max = 1000,
                                          .queue_max = 512,
                                          .idle_ms = 30000,
                                          .request_ms = 60000,
                                          .target_max = 8192};

static inline void finish(struct app *app)
{
    if (app->http)
        http_stop(app->http);
    assert_int_equal(app->contexts, 0);
    pthread_cond_destroy(&app->changed);
    pthread_mutex_destroy(&app->lock);
    free(app);
}

static inline void open_gate(struct app *app)
{
    pthread_mutex_lock(&app->lock);
    app->open = true;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

static inline void wait_for(struct app *app, const int *what, int value)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&app->lock);
    int rc = 0;
    while (*what < value && rc == 0)
        rc = pthread_cond_timedwait(&app->changed, &app->lock, &until);
    pthread_mutex_unlock(&app->lock);
    assert_int_equal(rc, 0);
}

/* Waits until the server has ended a connection of now, for its silence: all of read_ms has passed
 * then for an older one, too, and the clock has looked at it. */
static inline void outlast(const struct app *app)
{
    struct buf b = {0};
    int silent = dial(app->port);
    assert_false(hear(silent, &b));
    close(silent);
    buf_fini(&b);
}

static inline int answers_in(const char *text)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, "HTTP/1.1 ")); p++)
        n++;
    return n;
}

/* A second request, behind one whose end is in doubt. */
#define SMUGGLED "GET /now HTTP/1.1\r\nHost: test\r\n\r\n"
