/* io/http: bodies, and the time that a whole request may take; a real server, raw sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_app.h"

enum { BODY_MAX = 64, READ_MS = 2000 };

static struct http_options reading(void)
{
    struct http_options o = small;
    o.queue_max = 16;
    o.body_max = BODY_MAX;
    o.bodies_max = (size_t)3 * BODY_MAX;
    return o;
}

static void ask(int s, const char *request)
{
    say(s, request, strlen(request));
}

/* --- bodies --- */

static void a_body_reaches_the_handler_and_the_connection_stays(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s = dial(app->port);

    for (int i = 0; i < 3; i++)
        ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");

    for (int i = 0; i < 3; i++)
        assert_string_equal(one_answer(s, true).body, "POST /a ? x= body=hello");
    close(s);
    finish(app);
}

static void a_body_in_chunks_is_one_body(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s = dial(app->port);

    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n");
    ask(s, "2\r\nlo\r\n0\r\n\r\n");

    assert_string_equal(one_answer(s, true).body, "POST /a ? x= body=hello");
    get(s, "/b");
    assert_string_equal(one_answer(s, true).body, "GET /b ? x=");
    close(s);
    finish(app);
}

static void what_is_answered_before_the_body_ends_the_connection(void **state)
{
    (void)state;
    struct app *app = start(reading());
    const char request[] = "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\n";

    struct buf b = whole_conversation(app->port, request, strlen(request));

    assert_non_null(strstr(b.data, "at once"));
    buf_fini(&b);
    finish(app);
}

static void a_body_that_says_it_is_much_too_long_is_413_before_it_is_read(void **state)
{
    (void)state;
    struct app *app = start(reading());
    const char request[] = "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 67108929\r\n\r\n";

    struct buf b = whole_conversation(app->port, request, strlen(request));

    assert_memory_equal(b.data, "HTTP/1.1 413", 12);
    assert_non_null(strstr(b.data, "The body is longer than 64 bytes"));
    buf_fini(&b);
    finish(app);
}

static void a_client_that_waits_for_a_word_hears_413_before_it_has_sent_its_body(void **state)
{
    (void)state;
    struct app *app = start(reading());
    const char request[] =
        "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 65\r\nExpect: 100-continue\r\n\r\n";

    struct buf b = whole_conversation(app->port, request, strlen(request));

    assert_memory_equal(b.data, "HTTP/1.1 413", 12);
    buf_fini(&b);
    finish(app);
}

/* Its client reads nothing before it has sent all, as most do. */
static void a_body_that_is_far_too_long_is_read_and_then_413(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s = dial(app->port);
    enum { LONG = 8 * 1024 * 1024 };
    char *body = malloc(LONG);
    memset(body, 'x', LONG);
    struct buf b = {0};
    buf_printf(&b, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", LONG);

    say(s, b.data, b.len);
    say(s, body, LONG);

    assert_int_equal(one_answer(s, true).status, 413);
    close(s);
    free(body);
    buf_fini(&b);
    finish(app);
}

static void a_body_of_the_longest_length_is_taken(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s = dial(app->port);
    char body[BODY_MAX + 1];
    struct buf b = {0};
    memset(body, 'x', BODY_MAX);
    body[BODY_MAX] = 0;
    buf_printf(&b, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%s", BODY_MAX, body);

    say(s, b.data, b.len);

    assert_non_null(strstr(one_answer(s, true).body, body));
    close(s);
    buf_fini(&b);
    finish(app);
}

static void chunks_that_are_too_long_together_are_413(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s = dial(app->port);

    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < BODY_MAX + 1; i++)
        ask(s, "1\r\nx\r\n");
    ask(s, "0\r\n\r\n");

    assert_int_equal(one_answer(s, true).status, 413);
    get(s, "/b"); /* all of it was read: the connection is good */
    assert_int_equal(one_answer(s, true).status, 200);
    close(s);
    finish(app);
}

static void chunks_without_an_end_end_the_connection(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s = dial(app->port);
    struct buf b = {0};

    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    enum { CHUNK = 0x100000 };
    char *chunk = malloc(CHUNK + 16);
    int head = snprintf(chunk, 16, "%x\r\n", CHUNK);
    memset(chunk + head, 'x', CHUNK);
    for (int i = 0; i < 1000 && send(s, chunk, (size_t)head + CHUNK, MSG_NOSIGNAL) > 0 &&
                    send(s, "\r\n", 2, MSG_NOSIGNAL) == 2;
         i++)
        assert_int_not_equal(i, 999);
    while (hear(s, &b))
        ;

    assert_int_equal(fetch(app->port, "/a").status, 200);
    close(s);
    free(chunk);
    buf_fini(&b);
    finish(app);
}

/* Three bodies of the greatest length fit; they wait for their last byte. */
static void bodies_that_are_too_much_together_are_503_and_give_their_room_back(void **state)
{
    (void)state;
    struct app *app = start(reading());
    int s[5];
    char body[BODY_MAX];
    struct buf head = {0};
    buf_printf(&head, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    memset(body, 'x', sizeof body);
    for (int i = 0; i < 4; i++) {
        s[i] = dial(app->port);
        say(s[i], head.data, head.len);
        say(s[i], body, BODY_MAX - 1);
        assert_int_equal(fetch(app->port, "/a").status, 200); /* one loop: it has been read */
    }

    say(s[3], body, 1);
    int refused = one_answer(s[3], true).status;
    for (int i = 0; i < 3; i++)
        say(s[i], body, 1);

    assert_int_equal(refused, 503);
    for (int i = 0; i < 3; i++)
        assert_int_equal(one_answer(s[i], true).status, 200);
    for (int i = 0; i < 4; i++)
        close(s[i]);
    s[4] = dial(app->port);
    say(s[4], head.data, head.len);
    say(s[4], body, BODY_MAX);
    assert_int_equal(one_answer(s[4], true).status, 200);
    close(s[4]);
    buf_fini(&head);
    finish(app);
}

static void a_client_that_leaves_in_its_body_harms_nobody(void **state)
{
    (void)state;
    struct app *app = start(reading());
    for (int i = 0; i < 10; i++) {
        int s = dial(app->port);
        ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 60\r\n\r\nhalf");
        assert_int_equal(fetch(app->port, "/a").status, 200);
        close(s);
    }

    int s = dial(app->port);
    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(one_answer(s, true).status, 200);
    close(s);
    finish(app);
}

/* --- time --- */

static struct http_options hurried(void)
{
    struct http_options o = reading();
    o.read_ms = READ_MS;
    return o;
}

/* Says the rest byte by byte, slower than may be, until the server ends the connection. */
static struct buf drip(struct app *app, const char *at_once, const char *request)
{
    struct buf b = {0};
    int s = dial(app->port);
    ask(s, at_once);
    for (size_t i = 0; request[i]; i++) {
        struct pollfd p = {.fd = s, .events = POLLIN};
        say(s, request + i, 1);
        if (poll(&p, 1, READ_MS / 8) == 1)
            break;
        assert_int_equal(fetch(app->port, "/a").status, 200); /* others are served */
    }
    while (hear(s, &b))
        ;
    close(s);
    buf_text(&b);
    return b;
}

static void a_body_that_drips_is_408(void **state)
{
    (void)state;
    struct app *app = start(hurried());
    int s = dial(app->port);
    struct buf b = {0};
    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 60\r\n\r\nhalf");

    while (hear(s, &b))
        ;

    assert_memory_equal(buf_text(&b), "HTTP/1.1 408", 12);
    assert_non_null(strstr(b.data, "refused: The request was not whole after 2000 ms"));
    assert_int_equal(fetch(app->port, "/a").status, 200);
    close(s);
    buf_fini(&b);
    finish(app);
}

static void a_head_that_drips_is_408(void **state)
{
    (void)state;
    struct app *app = start(hurried());

    struct buf b = drip(app, "GET / HTTP/1.1\r\n", "Host: t\r\nX-Long: aaaaaaaaaaaaaa");

    assert_memory_equal(b.data, "HTTP/1.1 408", 12);
    buf_fini(&b);
    finish(app);
}

static void a_request_line_that_drips_ends_the_connection(void **state)
{
    (void)state;
    struct app *app = start(hurried());

    struct buf b =
        drip(app, "", "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

    assert_int_equal(b.len, 0);
    buf_fini(&b);
    finish(app);
}

/* Only reading counts: the answer may take longer, and each request has its own time. */
static void each_request_has_its_own_time_and_work_is_not_part_of_it(void **state)
{
    (void)state;
    struct app *app = start(hurried());
    int s = dial(app->port), silent = dial(app->port);
    struct pollfd ended = {.fd = silent, .events = POLLIN};
    do { /* longer than READ_MS in all */
        get(s, "/a");
        assert_int_equal(one_answer(s, true).status, 200);
    } while (poll(&ended, 1, READ_MS / 8) == 0);
    get(s, "/gate");
    wait_for(app, &app->running, 1);
    outlast(app);
    open_gate(app);

    assert_int_equal(one_answer(s, true).status, 200);
    close(s);
    close(silent);
    finish(app);
}

/* A client that keeps its connection and has said nothing for a while has its whole time still. */
static void the_silence_before_a_request_is_no_part_of_it(void **state)
{
    (void)state;
    struct http_options o = hurried();
    o.read_ms = 3000;
    struct app *app = start(o);
    struct buf b = {0};
    int s = dial(app->port);
    get(s, "/a");
    assert_int_equal(one_answer(s, true).status, 200);
    int silent = dial(app->port);
    usleep(1500 * 1000);
    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe");

    assert_false(hear(silent, &b)); /* from the answer on it would be late now */
    ask(s, "llo");

    assert_string_equal(one_answer(s, true).body, "POST /a ? x= body=hello");
    close(s);
    close(silent);
    buf_fini(&b);
    finish(app);
}

static void a_second_request_that_drips_is_408_too(void **state)
{
    (void)state;
    struct app *app = start(hurried());
    int s = dial(app->port);
    struct buf b = {0};
    get(s, "/a");
    assert_int_equal(one_answer(s, true).status, 200);
    ask(s, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 60\r\n\r\nhalf");

    while (hear(s, &b))
        ;

    assert_memory_equal(buf_text(&b), "HTTP/1.1 408", 12);
    close(s);
    buf_fini(&b);
    finish(app);
}

static void *stop(void *http)
{
    http_stop(http);
    return NULL;
}

/* The stop waits for what is at the gate. */
static void a_body_that_is_whole_after_the_stop_is_told_of_it(void **state)
{
    (void)state;
    struct app *app = start(reading());
    pthread_t thread;
    int gate = dial(app->port), half = dial(app->port), other = dial(app->port);
    ask(half, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe");
    get(gate, "/gate");
    wait_for(app, &app->running, 1);
    wait_for(app, &app->seen, 2);
    assert_int_equal(pthread_create(&thread, NULL, stop, app->http), 0);
    app->http = NULL;
    do
        get(other, "/now");
    while (one_answer(other, true).status == 200);

    ask(half, "llo");

    struct answer a = one_answer(half, true);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.body, "refused: The service is stopping");
    open_gate(app);
    pthread_join(thread, NULL);
    close(gate);
    close(half);
    close(other);
    finish(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_reaches_the_handler_and_the_connection_stays),
        cmocka_unit_test(a_body_in_chunks_is_one_body),
        cmocka_unit_test(what_is_answered_before_the_body_ends_the_connection),
        cmocka_unit_test(a_body_that_says_it_is_much_too_long_is_413_before_it_is_read),
        cmocka_unit_test(a_client_that_waits_for_a_word_hears_413_before_it_has_sent_its_body),
        cmocka_unit_test(a_body_that_is_far_too_long_is_read_and_then_413),
        cmocka_unit_test(a_body_of_the_longest_length_is_taken),
        cmocka_unit_test(chunks_that_are_too_long_together_are_413),
        cmocka_unit_test(chunks_without_an_end_end_the_connection),
        cmocka_unit_test(bodies_that_are_too_much_together_are_503_and_give_their_room_back),
        cmocka_unit_test(a_client_that_leaves_in_its_body_harms_nobody),
        cmocka_unit_test(a_body_that_drips_is_408),
        cmocka_unit_test(a_head_that_drips_is_408),
        cmocka_unit_test(a_request_line_that_drips_ends_the_connection),
        cmocka_unit_test(each_request_has_its_own_time_and_work_is_not_part_of_it),
        cmocka_unit_test(the_silence_before_a_request_is_no_part_of_it),
        cmocka_unit_test(a_second_request_that_drips_is_408_too),
        cmocka_unit_test(a_body_that_is_whole_after_the_stop_is_told_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
