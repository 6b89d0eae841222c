/* io/http: long answers that clients do not take, from a real server, over raw sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_app.h"
#include "http_seen.h"

/* LONG is more than the system keeps of an answer that nobody reads. */
enum { LONG = 12 * 1024 * 1024, SHORT = 64 * 1024, AGAIN_MS = 20, DRIP_MS = 40 };

/* "/COUNT" is answered with so many bytes. */
static void work(void *app, void *context, struct http_request *request,
                 struct http_response *response)
{
    (void)app;
    (void)context;
    size_t n = strtoul(request->path.p + 1, NULL, 10);
    count(&seen.pieces);
    response->status = 200;
    if (n > 0)
        memset(buf_room(&response->body, n), 'a', n);
    response->body.len = n;
}

/* With room for two. */
static struct http_options options(void)
{
    struct http_options o = roomy;
    o.work = work;
    o.body_max = o.bodies_max = 64;
    o.answers_max = (size_t)LONG * 2;
    return o;
}

static struct app *serve(struct http_options o)
{
    forget_seen();
    return start(o);
}

/* A request, and the begin of its answer. */
static int begin(const struct app *app, const char *method, int size, int *status)
{
    struct buf b = {0}, head = {0};
    int s = dial(app->port), few = 4096;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    buf_printf(&b, "%s /%d HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", method, size);
    say(s, b.data, b.len);
    while (head.len < 512 && !(head.len > 0 && strstr(buf_text(&head), "\r\n\r\n")))
        assert_true(hear(s, &head));
    assert_int_equal(sscanf(buf_text(&head), "HTTP/1.1 %d", status), 1);
    if (*status == 503)
        assert_non_null(strstr(head.data, "Retry-After: 1\r\n"));
    buf_fini(&b);
    buf_fini(&head);
    return s;
}

static int status_of(const struct app *app, const char *method, int size)
{
    int status;
    close(begin(app, method, size, &status));
    return status;
}

static void wait_for_room(const struct app *app, const char *method)
{
    int waited = 0;
    for (; status_of(app, method, LONG) != 200 && waited < PATIENCE_MS; waited += AGAIN_MS)
        usleep(AGAIN_MS * 1000);
    assert_true(waited < PATIENCE_MS);
}

static void answers_that_nobody_takes_are_bounded_and_short_ones_pass(void **state)
{
    (void)state;
    struct app *app = serve(options());
    int status[2], s[] = {begin(app, "GET", LONG, &status[0]), begin(app, "GET", LONG, &status[1])};
    assert_true(status[0] == 200 && status[1] == 200);

    assert_int_equal(status_of(app, "GET", LONG), 503);
    assert_int_equal(status_of(app, "GET", SHORT + 1), 503);
    assert_int_equal(status_of(app, "GET", SHORT), 200);
    assert_int_equal(status_of(app, "GET", 0), 200);

    close(s[0]);
    wait_for_room(app, "GET");
    close(s[1]);
    finish(app);
}

/* What it has changed is changed by then. */
static void the_answer_to_a_change_is_not_refused_when_it_is_made(void **state)
{
    (void)state;
    struct app *app = serve(options());
    int status, s[4];
    for (int i = 0; i < 4; i++) {
        s[i] = begin(app, i < 2 ? "GET" : "POST", LONG, &status);
        assert_int_equal(status, 200);
    }
    int worked = seen.pieces;

    assert_int_equal(status_of(app, "POST", 1), 503);
    assert_int_equal(seen.pieces, worked);

    close(s[0]);
    wait_for_room(app, "GET");
    assert_int_equal(status_of(app, "POST", 1), 503);
    close(s[2]);
    wait_for_room(app, "POST");
    close(s[1]);
    close(s[3]);
    finish(app);
}

/* They read all the time, so that no idle time ends them. */
static void answers_that_are_taken_too_slowly_are_cut_off(void **state)
{
    (void)state;
    char few[100];
    struct http_options o = options();
    o.read_ms = o.send_ms = 3000;
    struct app *app = serve(o);
    int status, s[] = {begin(app, "GET", LONG, &status), begin(app, "GET", LONG, &status)};
    assert_int_equal(status_of(app, "GET", LONG), 503);

    for (int waited = 0; status_of(app, "GET", LONG) != 200; waited += DRIP_MS) {
        assert_true(waited < PATIENCE_MS);
        for (int k = 0; k < 2; k++)
            assert_int_equal(recv(s[k], few, sizeof few, MSG_WAITALL), sizeof few);
        usleep(DRIP_MS * 1000);
    }

    close(s[0]);
    close(s[1]);
    finish(app);
}

/* Longer than that in all. */
static void a_client_has_that_time_for_each_answer(void **state)
{
    (void)state;
    struct http_options o = options();
    o.read_ms = o.send_ms = 2000;
    struct app *app = serve(o);
    int s = dial(app->port);
    for (int i = 0; i < 11; i++) {
        get(s, "/1");
        assert_int_equal(one_answer(s, true).status, 200);
        usleep(250 * 1000);
    }
    close(s);
    finish(app);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_nobody_takes_are_bounded_and_short_ones_pass),
        cmocka_unit_test(the_answer_to_a_change_is_not_refused_when_it_is_made),
        cmocka_unit_test(answers_that_are_taken_too_slowly_are_cut_off),
        cmocka_unit_test(a_client_has_that_time_for_each_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
