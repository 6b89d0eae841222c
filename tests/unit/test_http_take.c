/* io/http: bodies of requests that are taken in pieces, by a real server, from clients that are
 * quick, slow, or leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "http_app.h"
#include "http_seen.h"

/* "/take" counts the letters of its body; "?first" is refused before it is read, "?later" at the
 * second piece, "?gate" waits at the gate with each piece but the first, "?begin" with that. */
struct taken {
    int pieces;
    size_t bytes, largest;
    uint64_t sum; /* of each byte and its place: no piece is lost, doubled or in another order */
};

static void over(void *app, struct http_request *request)
{
    (void)app;
    free(request->taking);
    count(&seen.over);
}

static bool take(void *app, void *context, struct http_request *request, struct text piece,
                 struct http_response *response)
{
    struct app *a = app;
    struct taken *t = request->taking;
    assert_ptr_equal(context, &a->contexts);
    bool first = !piece.p && text_is(request->query, "first"),
         later = piece.p && t->pieces == 1 && text_is(request->query, "later");
    if (first || later) {
        response->status = 503;
        buf_str(&response->body, "not now");
        return false;
    }
    if (!piece.p && text_is(request->query, "begin"))
        pass_gate();
    if (!piece.p)
        return true;
    if (text_is(request->query, "gate"))
        pass_gate();
    for (size_t i = 0; i < piece.n; i++)
        t->sum += (uint64_t)piece.p[i] * (t->bytes + i + 1);
    t->bytes += piece.n;
    t->largest = piece.n > t->largest ? piece.n : t->largest;
    t->pieces++;
    count(&seen.pieces);
    return true;
}

static bool now(void *app, struct http_request *request, struct http_response *response)
{
    request->slow = text_is(request->path, "/gate") && text_is(request->query, "slow");
    if (!text_is(request->path, "/take"))
        return app_now(app, request, response);
    request->taking = calloc(1, sizeof(struct taken));
    request->take = take;
    request->over = over;
    return false;
}

static void work(void *app, void *context, struct http_request *request,
                 struct http_response *response)
{
    if (!request->take) {
        app_work(app, context, request, response);
        return;
    }
    const struct taken *t = request->taking;
    assert_null(request->body.p);
    response->status = 200;
    buf_printf(&response->body, "%zu bytes, sum %llu, largest %s", t->bytes,
               (unsigned long long)t->sum, t->largest <= 300 * 1024 ? "small" : "large");
}

static struct app *serve(struct http_options options)
{
    forget_seen();
    options.now = now;
    options.work = work;
    options.body_max = 1000;
    options.bodies_max = 10000;
    return start(options);
}

static void open_post(int s, const char *query, size_t length)
{
    struct buf b = {0};
    buf_printf(&b, "POST /take%s HTTP/1.1\r\nHost: t\r\n", query);
    if (length)
        buf_printf(&b, "Content-Length: %zu\r\n\r\n", length);
    else
        buf_printf(&b, "Transfer-Encoding: chunked\r\n\r\n");
    say(s, b.data, b.len);
    buf_fini(&b);
}

static char letter(size_t at)
{
    return (char)('a' + at % 23);
}

/* `n` letters from place `at` on. */
static void say_letters(int s, size_t at, size_t n)
{
    char *letters = malloc(n);
    for (size_t i = 0; i < n; i++)
        letters[i] = letter(at + i);
    say(s, letters, n);
    free(letters);
}

static void expect(const struct answer *a, size_t n)
{
    char text[200];
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint64_t)letter(i) * (i + 1);
    snprintf(text, sizeof text, "%zu bytes, sum %llu, largest small", n, (unsigned long long)sum);
    assert_int_equal(a->status, 200);
    assert_string_equal(a->body, text);
}

static void a_body_of_any_length_is_taken_in_order(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    const size_t sizes[] = {1, 1000, 256 * 1024, 256 * 1024 + 1, 5 * 1000 * 1000};
    int s = dial(app->port); /* one connection: what follows a body is the next request */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        open_post(s, "", sizes[i]);
        say_letters(s, 0, sizes[i]);
        struct answer a = one_answer(s, true);
        expect(&a, sizes[i]);
        wait_until(&seen.over, (int)i + 1);
    }
    close(s);
    finish(app);
}

static void a_body_in_chunks_is_taken_as_it_comes(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int s = dial(app->port);
    open_post(s, "", 0);
    for (size_t i = 0; i < 10; i++) {
        char head[20];
        snprintf(head, sizeof head, "%x\r\n", 100000);
        say(s, head, strlen(head));
        say_letters(s, i * 100000, 100000);
        say(s, "\r\n", 2);
    }
    wait_until(&seen.pieces, 3); /* before the end is there */
    say(s, "0\r\n\r\n", 5);
    struct answer a = one_answer(s, true);
    expect(&a, 1000000);
    close(s);
    finish(app);
}

/* Several chunks stand in libmicrohttpd's buffer when a piece goes to be taken. */
static void small_chunks_are_taken_in_order(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    struct buf b = {0};
    int s = dial(app->port);
    open_post(s, "", 0);
    for (size_t i = 0; i < 20000; i++) {
        buf_str(&b, "64\r\n");
        for (size_t k = 0; k < 100; k++)
            buf_byte(&b, (unsigned char)letter(i * 100 + k));
        buf_str(&b, "\r\n");
    }
    buf_str(&b, "0\r\n\r\n");
    say(s, b.data, b.len);
    struct answer a = one_answer(s, true);
    expect(&a, 2000000);
    buf_fini(&b);
    close(s);
    finish(app);
}

static void a_body_without_bytes_is_answered(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int s = dial(app->port);
    open_post(s, "", 0);
    say(s, "0\r\n\r\n", 5);
    struct answer a = one_answer(s, true);
    expect(&a, 0);
    const char *none = "POST /take HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n";
    say(s, none, strlen(none));
    a = one_answer(s, true);
    expect(&a, 0);
    close(s);
    wait_until(&seen.over, 2);
    finish(app);
}

/* How much a client can send while nothing is taken: what the buffers between the two hold. */
static size_t stuff(int s, size_t at)
{
    size_t sent = 0;
    char letters[4096];
    struct pollfd p = {.fd = s, .events = POLLOUT};
    while (poll(&p, 1, 300) == 1) {
        for (size_t i = 0; i < sizeof letters; i++)
            letters[i] = letter(at + sent + i);
        ssize_t n = send(s, letters, sizeof letters, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    return sent;
}

static void while_a_piece_is_not_taken_nothing_more_is_read(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    const size_t whole = 64 * 1024 * 1024;
    int s = dial(app->port), room = 64 * 1024;
    setsockopt(s, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    open_post(s, "?gate", whole);
    say_letters(s, 0, 300 * 1024);
    wait_until(&seen.waiting, 1);

    size_t sent = 300 * 1024;
    sent += stuff(s, sent);
    assert_true(sent < 16 * 1024 * 1024);
    assert_int_equal(seen.pieces, 0);

    let_pass();
    say_letters(s, sent, whole - sent);
    struct answer a = one_answer(s, true);
    expect(&a, whole);
    close(s);
    finish(app);
}

static void what_is_refused_first_is_not_read(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int s = dial(app->port);
    open_post(s, "?first", 100 * 1000 * 1000);
    struct answer a = one_answer(s, true);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.body, "not now");
    struct buf b = {0};
    assert_false(hear(s, &b)); /* the connection ends */
    buf_fini(&b);
    close(s);
    wait_until(&seen.over, 1);
    finish(app);
}

static void a_client_that_asks_first_sends_nothing_that_is_refused(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    const char *request = "POST /take%s HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
                          "Expect: 100-continue\r\n\r\n";
    struct buf b = {0}, heard = {0};
    int s = dial(app->port);
    buf_printf(&b, request, "");
    say(s, b.data, b.len);
    assert_true(hear(s, &heard));
    assert_memory_equal(heard.data, "HTTP/1.1 100", 12);
    say_letters(s, 0, 3);
    struct answer a = one_answer(s, true);
    expect(&a, 3);
    buf_reset(&b);
    buf_printf(&b, request, "?first");
    say(s, b.data, b.len);
    a = one_answer(s, true);
    assert_int_equal(a.status, 503);
    close(s);
    buf_fini(&b);
    buf_fini(&heard);
    finish(app);
}

static void what_is_refused_later_is_answered_once_the_body_is_there(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int s = dial(app->port);
    open_post(s, "?later", 2 * 1000 * 1000);
    say_letters(s, 0, 2 * 1000 * 1000);
    struct answer a = one_answer(s, true);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.body, "not now");
    assert_int_equal(seen.pieces, 1);
    get(s, "/now");
    a = one_answer(s, true);
    assert_string_equal(a.body, "at once");
    close(s);
    finish(app);
}

/* As the service has it: it sees ends that libmicrohttpd misses. */
static struct http_options with_clock(void)
{
    struct http_options options = roomy;
    options.read_ms = 60000;
    return options;
}

static void a_client_that_leaves_ends_it_and_what_it_sent_was_taken(void **state)
{
    (void)state;
    struct app *app = serve(with_clock());
    int s = dial(app->port);
    open_post(s, "", 10 * 1000 * 1000);
    say_letters(s, 0, 1000 * 1000);
    wait_until(&seen.pieces, 3);
    close(s);
    wait_until(&seen.over, 1);
    finish(app);
}

static void a_client_that_leaves_while_its_piece_is_taken_is_forgotten_later(void **state)
{
    (void)state;
    struct app *app = serve(with_clock());
    int s = dial(app->port);
    open_post(s, "?gate", 10 * 1000 * 1000);
    say_letters(s, 0, 300 * 1024);
    wait_until(&seen.waiting, 1);
    close(s);
    assert_int_equal(seen.over, 0);
    let_pass();
    wait_until(&seen.over, 1);
    finish(app);
}

static void only_how_long_nothing_comes_is_bounded(void **state)
{
    (void)state;
    struct http_options options = roomy;
    options.read_ms = 2000;
    struct app *app = serve(options);
    int s = dial(app->port);
    open_post(s, "", 11);
    for (size_t i = 0; i < 10; i++) { /* longer than read_ms in all */
        usleep(250 * 1000);
        say_letters(s, i, 1);
    }
    say_letters(s, 10, 1);
    struct answer a = one_answer(s, true);
    expect(&a, 11);
    open_post(s, "", 2);
    say_letters(s, 0, 1);
    a = one_answer(s, true);
    assert_int_equal(a.status, 408);
    close(s);
    wait_until(&seen.over, 2);
    finish(app);
}

static void what_takes_too_long_is_cut_off(void **state)
{
    (void)state;
    struct http_options options = roomy;
    options.request_ms = 2000;
    struct app *app = serve(options);
    struct buf b = {0};
    int s = dial(app->port);
    open_post(s, "?gate", 10 * 1000 * 1000);
    say_letters(s, 0, 300 * 1024);
    wait_until(&seen.waiting, 1);
    assert_false(hear(s, &b));
    assert_int_equal(b.len, 0);
    let_pass();
    wait_until(&seen.over, 1);
    close(s);
    buf_fini(&b);
    finish(app);
}

static void what_cannot_be_begun_in_time_is_refused(void **state)
{
    (void)state;
    struct http_options options = with_clock();
    options.request_ms = 300;
    struct app *app = serve(options);
    struct buf b = {0};
    int s = dial(app->port);
    open_post(s, "?begin", 10 * 1000 * 1000);
    struct answer a = one_answer(s, true);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.body, "refused: The request could not be begun in time");
    assert_non_null(strstr(a.head, "Retry-After: 1\r\n"));
    assert_false(hear(s, &b));
    let_pass();
    wait_until(&seen.over, 1);
    assert_int_equal(seen.pieces, 0);
    close(s);
    buf_fini(&b);
    finish(app);
}

/* One slow request runs, and others stand in the queue until it is done. */
static void the_answer_to_what_was_taken_needs_no_place_in_the_queue(void **state)
{
    (void)state;
    struct http_options options = roomy;
    options.loops = 1;
    options.queue_max = 2;
    struct app *app = serve(options);
    int slow[3];
    for (int i = 0; i < 3; i++) {
        slow[i] = dial(app->port);
        get(slow[i], "/gate?slow");
        wait_for(app, i == 0 ? &app->running : &app->seen, i + 1);
    }
    assert_int_equal(fetch(app->port, "/no-room").status, 503);
    int s = dial(app->port);
    open_post(s, "", 1000);
    say_letters(s, 0, 1000);
    struct answer a = one_answer(s, true);
    expect(&a, 1000);
    close(s);
    open_gate(app);
    for (int i = 0; i < 3; i++) {
        a = one_answer(slow[i], true);
        assert_int_equal(a.status, 200);
        close(slow[i]);
    }
    finish(app);
}

/* The one thread has another request to do first, which takes longer than a request may. */
static void the_answer_to_what_was_taken_waits_for_its_turn_however_long(void **state)
{
    (void)state;
    struct http_options options = small;
    options.request_ms = 2000;
    struct app *app = serve(options);
    int s = dial(app->port), other = dial(app->port);
    open_post(s, "?gate", 1000);
    say_letters(s, 0, 1000);
    wait_until(&seen.waiting, 1);
    get(other, "/gate");
    wait_for(app, &app->seen, 1);
    let_pass();
    wait_for(app, &app->running, 1);
    struct answer a = one_answer(other, true);
    assert_int_equal(a.status, 503);
    get(other, "/gate"); /* behind the answer to the first */
    a = one_answer(other, true);
    assert_int_equal(a.status, 503);
    open_gate(app);
    a = one_answer(s, true);
    expect(&a, 1000);
    close(s);
    close(other);
    finish(app);
}

static void a_stop_ends_what_is_being_taken(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int quiet = dial(app->port), busy = dial(app->port);
    open_post(quiet, "", 10);
    open_post(busy, "?gate", 10 * 1000 * 1000);
    say_letters(busy, 0, 300 * 1024);
    wait_until(&seen.waiting, 1);
    let_pass();
    http_stop(app->http);
    app->http = NULL;
    assert_int_equal(seen.over, 2);
    close(quiet);
    close(busy);
    finish(app);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_any_length_is_taken_in_order),
        cmocka_unit_test(a_body_in_chunks_is_taken_as_it_comes),
        cmocka_unit_test(small_chunks_are_taken_in_order),
        cmocka_unit_test(a_body_without_bytes_is_answered),
        cmocka_unit_test(while_a_piece_is_not_taken_nothing_more_is_read),
        cmocka_unit_test(what_is_refused_first_is_not_read),
        cmocka_unit_test(a_client_that_asks_first_sends_nothing_that_is_refused),
        cmocka_unit_test(what_is_refused_later_is_answered_once_the_body_is_there),
        cmocka_unit_test(a_client_that_leaves_ends_it_and_what_it_sent_was_taken),
        cmocka_unit_test(a_client_that_leaves_while_its_piece_is_taken_is_forgotten_later),
        cmocka_unit_test(only_how_long_nothing_comes_is_bounded),
        cmocka_unit_test(what_takes_too_long_is_cut_off),
        cmocka_unit_test(what_cannot_be_begun_in_time_is_refused),
        cmocka_unit_test(the_answer_to_what_was_taken_needs_no_place_in_the_queue),
        cmocka_unit_test(the_answer_to_what_was_taken_waits_for_its_turn_however_long),
        cmocka_unit_test(a_stop_ends_what_is_being_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
