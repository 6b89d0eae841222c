/* io/http: a real server on a free port of 127.0.0.1, spoken to over raw sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static bool app_now(void *arg, struct http_request *request, struct http_response *response)
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

static void app_work(void *arg, void *context, struct http_request *request,
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
}

static void *app_context_new(void *arg, int worker)
{
    struct app *app = arg;
    (void)worker;
    pthread_mutex_lock(&app->lock);
    app->contexts++;
    pthread_mutex_unlock(&app->lock);
    return &app->contexts;
}

static void app_context_free(void *arg, void *context)
{
    struct app *app = arg;
    assert_ptr_equal(context, &app->contexts);
    pthread_mutex_lock(&app->lock);
    app->contexts--;
    pthread_mutex_unlock(&app->lock);
}

static void app_refuse(void *arg, int status, const char *message, struct http_response *response)
{
    (void)arg;
    response->status = status;
    response->content_type = "text/plain";
    buf_printf(&response->body, "refused: %s", message);
}

static struct app *start(struct http_options options)
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
    options.now = app_now;
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

static void finish(struct app *app)
{
    if (app->http)
        http_stop(app->http);
    assert_int_equal(app->contexts, 0);
    pthread_cond_destroy(&app->changed);
    pthread_mutex_destroy(&app->lock);
    free(app);
}

static void open_gate(struct app *app)
{
    pthread_mutex_lock(&app->lock);
    app->open = true;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

static void wait_for(struct app *app, const int *what, int value)
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

static int answers_in(const char *text)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, "HTTP/1.1 ")); p++)
        n++;
    return n;
}

/* --- the guard --- */

static void expect_refusal(const char *name, const char *request, int status)
{
    struct app *app = start(roomy);
    struct buf b = whole_conversation(app->port, request, strlen(request));

    char line[16];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    if (strncmp(b.data, line, strlen(line)) != 0 || answers_in(b.data) != 1 ||
        !strstr(b.data, "Connection: close"))
        fail_msg("%s: expected one %d and the end of the connection, got: %s", name, status,
                 b.data);
    buf_fini(&b);
    finish(app);
}

#define SMUGGLED "GET /now HTTP/1.1\r\nHost: test\r\n\r\n"

static void a_request_that_a_proxy_may_read_otherwise_is_400_and_ends_the_connection(void **state)
{
    (void)state;
    expect_refusal("length and coding",
                   "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
                   400);
    expect_refusal(
        "two lengths",
        "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nContent-Length: 34\r\n\r\n" SMUGGLED,
        400);
    expect_refusal(
        "two equal lengths",
        "GET /a HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n" SMUGGLED,
        400);
    expect_refusal("another coding",
                   "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xchunked\r\n\r\n", 400);
    expect_refusal("two codings",
                   "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
                   "chunked\r\nTransfer-Encoding: identity\r\n\r\n",
                   400);
    expect_refusal("coding in 1.0",
                   "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    expect_refusal("blank before the colon",
                   "GET /a HTTP/1.1\r\nHost: t\r\nContent-Length : 34\r\n\r\n" SMUGGLED, 400);
    expect_refusal("no Host", "GET /a HTTP/1.1\r\nX-Test: 1\r\n\r\n", 400);
    expect_refusal("two Hosts", "GET /a HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400);
    expect_refusal("method", "G<T /a HTTP/1.1\r\nHost: t\r\n\r\n", 400);
}

static void a_target_with_characters_that_no_uri_may_hold_is_400(void **state)
{
    (void)state;
    static const char *const bad[] = {"/a b",         "/a?b=<", "/a?b>c", "/\"", "/a{b}",
                                      "/a|b",         "/a\\b",  "/a^",    "/a`", "/a#b",
                                      "/caf\xc3\xa9", "/a\x7f", "/a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char request[128];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", bad[i]);
        expect_refusal(bad[i], request, 400);
    }
}

static struct buf long_request(const char *start, const char *piece, int times)
{
    struct buf b = {0};
    buf_str(&b, start);
    for (int i = 0; i < times; i++)
        buf_str(&b, piece);
    return b;
}

static void a_target_over_the_limit_is_414_however_many_parameters_it_has(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    struct buf b = long_request("GET /a?", "a=1&", 10000);
    buf_str(&b, " HTTP/1.1\r\nHost: t\r\n\r\n");

    struct buf answer = whole_conversation(app->port, b.data, b.len);

    assert_memory_equal(answer.data, "HTTP/1.1 414", 12);
    assert_non_null(strstr(answer.data, "refused: "));
    buf_fini(&answer);
    buf_fini(&b);
    finish(app);
}

static void a_target_within_the_limit_may_have_any_number_of_parameters(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    struct buf b = long_request("GET /a?", "a=1&", 1900);
    buf_str(&b, " HTTP/1.1\r\nHost: t\r\n\r\n");
    int s = dial(app->port);

    say(s, b.data, b.len);
    struct answer a = {0};
    struct buf heard = {0};
    while (heard.len < 7600 && hear(s, &heard))
        ;
    sscanf(buf_text(&heard), "HTTP/1.1 %d", &a.status);

    assert_int_equal(a.status, 200);
    close(s);
    buf_fini(&heard);
    buf_fini(&b);
    finish(app);
}

static void headers_over_the_memory_of_a_connection_are_431_and_a_huge_target_414(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    struct buf head = long_request("GET /a HTTP/1.1\r\nHost: t\r\nX-Long: ", "aaaaaaaaaa", 7000);
    struct buf target = long_request("GET /a?", "aaaaaaaaaa", 20000);

    struct buf first = whole_conversation(app->port, head.data, head.len);
    struct buf second = whole_conversation(app->port, target.data, target.len);

    assert_memory_equal(first.data, "HTTP/1.1 431", 12);
    if (second.len >
        0) /* our client may still have been sending: then the answer is lost in the reset */
        assert_memory_equal(second.data, "HTTP/1.1 414", 12);
    assert_int_equal(fetch(app->port, "/now").status, 200);
    buf_fini(&first);
    buf_fini(&second);
    buf_fini(&head);
    buf_fini(&target);
    finish(app);
}

/* --- the way of a request --- */

static void path_query_and_headers_reach_the_handler_as_they_were_sent(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    int s = dial(app->port);
    const char request[] =
        "GET http://other:80/a%2Fb?x=%41+b&&y HTTP/1.1\r\nHost: t\r\nX-TEST: one two\r\n\r\n";

    say(s, request, strlen(request));
    struct answer a = one_answer(s, true);

    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "GET /a%2Fb ?x=%41+b&&y x=one two");
    assert_non_null(strstr(a.head, "X-Test: yes\r\n"));
    assert_non_null(strstr(a.head, "Content-Type: text/plain\r\n"));
    close(s);
    finish(app);
}

static void head_has_the_headers_of_get_and_no_body(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    int s = dial(app->port);
    const char request[] = "HEAD /a HTTP/1.1\r\nHost: t\r\n\r\n";

    say(s, request, strlen(request));
    struct answer first = one_answer(s, false);
    get(s, "/now");
    struct answer second = one_answer(s, true);

    assert_int_equal(first.status, 200);
    assert_non_null(strstr(first.head, "Content-Length: 12\r\n"));
    assert_string_equal(second.body, "at once");
    close(s);
    finish(app);
}

static void pipelined_requests_are_answered_in_order_on_one_connection(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    int s = dial(app->port);
    struct buf b = {0};
    for (int i = 0; i < 50; i++)
        buf_printf(&b, "GET %s%d HTTP/1.1\r\nHost: t\r\n\r\n", i % 3 ? "/a?" : "/b?", i);

    say(s, b.data, b.len);

    for (int i = 0; i < 50; i++) {
        struct answer a = one_answer(s, true);
        char expected[64];
        snprintf(expected, sizeof expected, "GET %s ?%d x=", i % 3 ? "/a" : "/b", i);
        assert_string_equal(a.body, expected);
    }
    close(s);
    buf_fini(&b);
    finish(app);
}

static void a_body_that_nobody_reads_ends_the_connection_after_the_answer(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    const char request[] = "GET /a HTTP/1.1\r\nHost: t\r\nContent-Length: 34\r\n\r\n" SMUGGLED;

    struct buf b = whole_conversation(app->port, request, strlen(request));

    assert_int_equal(answers_in(b.data), 1);
    assert_memory_equal(b.data, "HTTP/1.1 200", 12);
    buf_fini(&b);
    finish(app);
}

static void three_hundred_connections_are_all_served(void **state)
{
    (void)state;
    struct app *app = start(roomy);
    enum { MANY = 300 };
    int s[MANY];

    for (int i = 0; i < MANY; i++) {
        s[i] = dial(app->port);
        get(s[i], "/a");
    }

    for (int i = 0; i < MANY; i++)
        assert_int_equal(one_answer(s[i], true).status, 200);
    for (int i = 0; i < MANY; i++)
        close(s[i]);
    finish(app);
}

/* --- limits --- */

static void a_full_queue_is_503_with_retry_after_and_what_waits_is_served(void **state)
{
    (void)state;
    struct app *app = start(small);
    int s[4];
    for (int i = 0; i < 3; i++) {
        s[i] = dial(app->port);
        get(s[i], "/gate");
        wait_for(app, &app->seen, i + 1);
        if (i == 0)
            wait_for(app, &app->running, 1);
    }

    s[3] = dial(app->port);
    get(s[3], "/gate");
    struct answer refused = one_answer(s[3], true);
    struct answer at_once = fetch(app->port, "/now");
    open_gate(app);

    assert_int_equal(refused.status, 503);
    assert_non_null(strstr(refused.head, "Retry-After: 1\r\n"));
    assert_string_equal(at_once.body, "at once");
    for (int i = 0; i < 3; i++)
        assert_int_equal(one_answer(s[i], true).status, 200);
    get(s[3], "/a"); /* the refused connection is still good */
    assert_int_equal(one_answer(s[3], true).status, 200);
    for (int i = 0; i < 4; i++)
        close(s[i]);
    finish(app);
}

static void a_request_past_its_deadline_is_503_whether_it_ran_or_waited(void **state)
{
    (void)state;
    struct http_options quick = small;
    quick.request_ms = 100;
    struct app *app = start(quick);
    int running = dial(app->port), waiting = dial(app->port);
    get(running, "/gate");
    wait_for(app, &app->running, 1);
    get(waiting, "/gate");

    struct answer first = one_answer(running, true), second = one_answer(waiting, true);
    get(running, "/now");
    struct answer after = one_answer(running, true);
    open_gate(app);

    assert_int_equal(first.status, 503);
    assert_int_equal(second.status, 503);
    assert_string_equal(after.body, "at once");
    assert_int_equal(fetch(app->port, "/a").status, 200);
    close(running);
    close(waiting);
    finish(app);
}

static void a_slow_client_holds_up_nobody_and_is_served(void **state)
{
    (void)state;
    struct app *app = start(small);
    int slow = dial(app->port);
    const char request[] = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n";

    for (size_t i = 0; i < strlen(request); i++) {
        say(slow, request + i, 1);
        if (i % 8 == 0)
            assert_int_equal(fetch(app->port, "/a").status, 200);
    }

    assert_int_equal(one_answer(slow, true).status, 200);
    close(slow);
    finish(app);
}

static void a_client_that_leaves_harms_nobody(void **state)
{
    (void)state;
    struct app *app = start(small);
    struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 3; i++) {
        int s = dial(app->port);
        get(s, "/gate");
        wait_for(app, &app->seen, i + 1);
        if (i == 0)
            wait_for(app, &app->running, 1);
        if (i == 1)
            setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(s);
    }
    int half = dial(app->port);
    say(half, "GET /a HT", 9);
    close(half);

    open_gate(app);
    wait_for(app, &app->through, 3);

    assert_int_equal(fetch(app->port, "/a").status, 200);
    finish(app);
}

/* --- the end --- */

static void *stop_it(void *arg)
{
    http_stop(((struct app *)arg)->http);
    return NULL;
}

static void a_stop_refuses_what_waits_and_sends_the_answer_of_what_runs(void **state)
{
    (void)state;
    struct app *app = start(small);
    int running = dial(app->port), waiting[2], idle = dial(app->port);
    get(running, "/gate");
    wait_for(app, &app->running, 1);
    for (int i = 0; i < 2; i++) {
        waiting[i] = dial(app->port);
        get(waiting[i], "/gate");
        wait_for(app, &app->seen, i + 2);
    }
    pthread_t stopper;

    pthread_create(&stopper, NULL, stop_it, app);
    struct answer refused[2] = {one_answer(waiting[0], true), one_answer(waiting[1], true)};
    open_gate(app);
    struct answer answered = one_answer(running, true);
    pthread_join(stopper, NULL);
    app->http = NULL;

    assert_int_equal(refused[0].status, 503);
    assert_int_equal(refused[1].status, 503);
    assert_int_equal(answered.status, 200);
    close(idle);
    close(running);
    close(waiting[0]);
    close(waiting[1]);
    finish(app);
}

static void a_stop_under_load_answers_or_closes_and_leaves_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct app *app = start(roomy);
        int s[20];
        for (int i = 0; i < 20; i++) {
            s[i] = dial(app->port);
            for (int j = 0; j < 5; j++)
                get(s[i], "/a");
        }
        wait_for(app, &app->seen, 1 + round);

        finish(app);

        for (int i = 0; i < 20; i++) {
            struct buf b = {0};
            while (hear(s[i], &b))
                ;
            buf_fini(&b);
            close(s[i]);
        }
    }
}

static void a_port_that_is_taken_is_fatal_and_names_setting_address_and_remedy(void **state)
{
    (void)state;
    struct app *app = start(small);
    struct err err = {0};
    struct http_options second = small;
    second.setting = "operate.listen";
    second.listen = app->listen;
    second.name = "second";

    struct http *http = http_start(&second, &err);

    assert_null(http);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "operate.listen"));
    assert_non_null(strstr(err.text, app->listen));
    assert_non_null(strstr(err.text, "choose another port"));
    finish(app);
}

static void without_workers_everything_is_answered_at_once(void **state)
{
    (void)state;
    struct http_options inline_only = small;
    inline_only.workers = 0;
    struct app *app = start(inline_only);

    struct answer now = fetch(app->port, "/now"), other = fetch(app->port, "/a");

    assert_string_equal(now.body, "at once");
    assert_int_equal(other.status, 503);
    finish(app);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_a_proxy_may_read_otherwise_is_400_and_ends_the_connection),
        cmocka_unit_test(a_target_with_characters_that_no_uri_may_hold_is_400),
        cmocka_unit_test(a_target_over_the_limit_is_414_however_many_parameters_it_has),
        cmocka_unit_test(a_target_within_the_limit_may_have_any_number_of_parameters),
        cmocka_unit_test(headers_over_the_memory_of_a_connection_are_431_and_a_huge_target_414),
        cmocka_unit_test(path_query_and_headers_reach_the_handler_as_they_were_sent),
        cmocka_unit_test(head_has_the_headers_of_get_and_no_body),
        cmocka_unit_test(pipelined_requests_are_answered_in_order_on_one_connection),
        cmocka_unit_test(a_body_that_nobody_reads_ends_the_connection_after_the_answer),
        cmocka_unit_test(three_hundred_connections_are_all_served),
        cmocka_unit_test(a_full_queue_is_503_with_retry_after_and_what_waits_is_served),
        cmocka_unit_test(a_request_past_its_deadline_is_503_whether_it_ran_or_waited),
        cmocka_unit_test(a_slow_client_holds_up_nobody_and_is_served),
        cmocka_unit_test(a_client_that_leaves_harms_nobody),
        cmocka_unit_test(a_stop_refuses_what_waits_and_sends_the_answer_of_what_runs),
        cmocka_unit_test(a_stop_under_load_answers_or_closes_and_leaves_nothing),
        cmocka_unit_test(a_port_that_is_taken_is_fatal_and_names_setting_address_and_remedy),
        cmocka_unit_test(without_workers_everything_is_answered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
