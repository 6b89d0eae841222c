/* io/http: a real server on a free port of 127.0.0.1, spoken to over raw sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_app.h"

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

/* The deadline counts from the push, and what is to be done by it has two seconds. */
static struct http_options quick(void)
{
    struct http_options o = small;
    o.request_ms = 2000;
    return o;
}

static void a_request_past_its_deadline_is_503_whether_it_ran_or_waited(void **state)
{
    (void)state;
    struct app *app = start(quick());
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

static bool kept, unwanted;

/* "/gate?before" keeps the answer before it waits, "/gate?after" behind it. */
static void keeping_work(void *app, void *context, struct http_request *request,
                         struct http_response *response)
{
    if (text_is(request->query, "before"))
        kept = http_keep(request);
    app_work(app, context, request, response);
    if (text_is(request->query, "after"))
        kept = http_keep(request);
    unwanted = http_unwanted(request);
}

static void an_answer_that_work_has_kept_is_sent_past_the_deadline(void **state)
{
    (void)state;
    struct http_options keeping = quick();
    keeping.work = keeping_work;
    struct app *app = start(keeping);
    int s = dial(app->port);

    get(s, "/gate?before");
    wait_for(app, &app->running, 1);
    assert_int_equal(fetch(app->port, "/gate").status, 503); /* by its deadline, a later one */
    open_gate(app);

    assert_string_equal(one_answer(s, true).body, "GET /gate ?before x=");
    assert_true(kept && !unwanted);
    get(s, "/now");
    assert_string_equal(one_answer(s, true).body, "at once");
    close(s);
    finish(app);
}

static void an_answer_that_the_deadline_has_taken_is_not_kept(void **state)
{
    (void)state;
    struct http_options keeping = quick();
    keeping.work = keeping_work;
    struct app *app = start(keeping);
    int s = dial(app->port);
    kept = true;

    get(s, "/gate?after");
    wait_for(app, &app->running, 1);
    struct answer answer = one_answer(s, true);
    open_gate(app);

    assert_int_equal(answer.status, 503);
    assert_int_equal(fetch(app->port, "/a").status, 200); /* by the one thread, behind the other */
    close(s);
    finish(app);
    assert_false(kept);
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
        cmocka_unit_test(path_query_and_headers_reach_the_handler_as_they_were_sent),
        cmocka_unit_test(head_has_the_headers_of_get_and_no_body),
        cmocka_unit_test(pipelined_requests_are_answered_in_order_on_one_connection),
        cmocka_unit_test(a_body_that_nobody_reads_ends_the_connection_after_the_answer),
        cmocka_unit_test(three_hundred_connections_are_all_served),
        cmocka_unit_test(a_full_queue_is_503_with_retry_after_and_what_waits_is_served),
        cmocka_unit_test(a_request_past_its_deadline_is_503_whether_it_ran_or_waited),
        cmocka_unit_test(an_answer_that_work_has_kept_is_sent_past_the_deadline),
        cmocka_unit_test(an_answer_that_the_deadline_has_taken_is_not_kept),
        cmocka_unit_test(a_slow_client_holds_up_nobody_and_is_served),
        cmocka_unit_test(a_client_that_leaves_harms_nobody),
        cmocka_unit_test(a_stop_refuses_what_waits_and_sends_the_answer_of_what_runs),
        cmocka_unit_test(a_stop_under_load_answers_or_closes_and_leaves_nothing),
        cmocka_unit_test(a_port_that_is_taken_is_fatal_and_names_setting_address_and_remedy),
        cmocka_unit_test(without_workers_everything_is_answered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
