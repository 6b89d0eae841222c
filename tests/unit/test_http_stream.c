/* io/http: bodies that come in pieces, from a real server, to clients that read them, do not, or
 * leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "http_app.h"
#include "http_seen.h"

enum { PIECE = 100 * 1000 };

/* "/COUNT" is a body of so many pieces, the n-th one of PIECE letters 'a' + n % 26; "/COUNT?KIND"
 * has the last one "broken", or "late": not there before the gate is open. */
struct stream {
    int number, count;
    struct text kind;
};

static enum http_piece next(void *app, void *context, struct http_request *request,
                            struct buf *piece)
{
    struct app *a = app;
    struct stream *s = request->state;
    assert_ptr_equal(context, &a->contexts);
    assert_int_equal(piece->len, 0);
    count(&seen.pieces);
    bool last = s->number == s->count - 1;
    if (last && text_is(s->kind, "late"))
        pass_gate();
    if (last && text_is(s->kind, "broken"))
        return HTTP_PIECE_BROKEN;
    memset(buf_room(piece, PIECE), 'a' + s->number++ % 26, PIECE);
    piece->len = PIECE;
    return last ? HTTP_PIECE_LAST : HTTP_PIECE_MORE;
}

static void over(void *app, struct http_request *request)
{
    (void)app;
    (void)request;
    count(&seen.over);
}

static void work(void *app, void *context, struct http_request *request,
                 struct http_response *response)
{
    int pieces = atoi(request->path.p + 1);
    if (pieces == 0) {
        app_work(app, context, request, response);
        return;
    }
    struct stream *s = arena_zero(request->arena, sizeof *s);
    *s = (struct stream){.number = 1, .count = pieces, .kind = request->query};
    request->state = s;
    response->status = 200;
    response->next = next;
    response->over = over;
    memset(buf_room(&response->body, PIECE), 'a', PIECE);
    response->body.len = PIECE;
}

/* A client whose stream has begun. */
static int begin(struct app *app, const char *target)
{
    struct buf b = {0};
    int s = dial(app->port);
    get(s, target);
    assert_true(hear(s, &b));
    assert_memory_equal(b.data, "HTTP/1.1 200", 12);
    buf_fini(&b);
    return s;
}

static struct app *serve(struct http_options options)
{
    forget_seen();
    options.work = work;
    return start(options);
}

/* All of it, and whether its last chunk came. Counts the bytes of each letter. */
static bool read_chunks(const struct buf *b, size_t letters[26])
{
    const char *p = strstr(b->data, "\r\n\r\n"), *end = b->data + b->len;
    assert_non_null(p);
    memset(letters, 0, 26 * sizeof *letters);
    for (p += 4; p < end;) {
        char *digits;
        size_t n = strtoul(p, &digits, 16);
        if (n == 0)
            return digits > p && end - digits == 4;
        for (p = digits + 2; n > 0 && p < end; n--)
            letters[*p++ - 'a']++;
        p += 2;
    }
    return false;
}

static struct buf ask(struct app *app, const char *target, const char *version)
{
    struct buf request = {0};
    buf_printf(&request, "GET %s HTTP/%s\r\nHost: t\r\nConnection: close\r\n\r\n", target, version);
    struct buf b = whole_conversation(app->port, request.data, request.len);
    buf_fini(&request);
    return b;
}

static void all_pieces_come_in_order_and_the_end_is_seen(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    size_t letters[26];

    struct buf b = ask(app, "/60", "1.1");

    assert_true(read_chunks(&b, letters));
    for (int i = 0; i < 26; i++)
        assert_int_equal(letters[i], PIECE * (i < 60 - 52 ? 3 : 2));
    assert_null(strstr(b.data, "Content-Length"));
    assert_int_equal(seen.pieces, 59);
    wait_until(&seen.over, 1);
    buf_fini(&b);
    finish(app);
}

static void a_stream_may_take_longer_than_another_answer(void **state)
{
    (void)state;
    struct http_options o = roomy;
    o.read_ms = o.send_ms = 2000;
    struct app *app = serve(o);
    struct buf b = {0};
    int s = begin(app, "/200");

    outlast(app);
    while (hear(s, &b) && memcmp(b.data + b.len - 5, "0\r\n\r\n", 5) != 0)
        ;

    close(s);
    buf_fini(&b);
    wait_until(&seen.over, 1);
    assert_int_equal(seen.pieces, 199);
    finish(app);
}

static void the_connection_serves_more_after_a_stream(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int s = dial(app->port);
    struct buf b = {0};

    get(s, "/3");
    while (b.len < 5 || memcmp(b.data + b.len - 5, "0\r\n\r\n", 5) != 0)
        assert_true(hear(s, &b));
    get(s, "/now");

    assert_string_equal(one_answer(s, true).body, "at once");
    close(s);
    buf_fini(&b);
    finish(app);
}

static void a_broken_stream_has_no_end(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    size_t letters[26];

    struct buf b = ask(app, "/10?broken", "1.1");

    assert_false(read_chunks(&b, letters));
    assert_int_equal(letters[8], PIECE); /* what was before is there */
    assert_int_equal(letters[9], 0);
    wait_until(&seen.over, 1);
    buf_fini(&b);
    finish(app);
}

/* The end of the connection is the end of the body there. */
static void without_chunks_a_broken_stream_is_a_reset(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    const char broken[] = "GET /10?broken HTTP/1.0\r\nHost: t\r\n\r\n";
    struct buf b = {0}, whole = ask(app, "/10", "1.0");
    int s = dial(app->port);

    say(s, broken, strlen(broken));
    while (hear(s, &b))
        ;

    assert_int_equal(errno, ECONNRESET);
    assert_true(whole.len > 10 * PIECE && whole.len < 10 * PIECE + 1000);
    assert_true(b.len < 10 * PIECE);
    close(s);
    buf_fini(&b);
    buf_fini(&whole);
    finish(app);
}

static void head_has_no_body_and_asks_for_no_piece(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    const char head[] = "HEAD /100 HTTP/1.1\r\nHost: t\r\n\r\n";

    struct buf b = whole_conversation(app->port, head, strlen(head));

    assert_non_null(strstr(b.data, " 200 OK\r\n"));
    assert_null(strstr(b.data, "Content-Length"));
    assert_string_equal(b.data + b.len - 4, "\r\n\r\n");
    assert_ptr_equal(strstr(b.data, "\r\n\r\n"), b.data + b.len - 4);
    assert_int_equal(seen.pieces, 0);
    wait_until(&seen.over, 1);
    buf_fini(&b);
    finish(app);
}

/* There is one thread for all. */
static void clients_that_do_not_read_hold_no_thread(void **state)
{
    (void)state;
    struct http_options one_thread = roomy;
    one_thread.workers = 1;
    struct app *app = serve(one_thread);
    int s[20];

    for (int i = 0; i < 20; i++)
        s[i] = begin(app, "/100000");

    for (int i = 0; i < 100; i++)
        assert_int_equal(fetch(app->port, "/a").status, 200);
    for (int i = 0; i < 20; i++)
        close(s[i]);
    wait_until(&seen.over, 20);
    finish(app);
}

static void pieces_that_are_slow_leave_threads_to_others(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    int s[12];
    struct buf b = {0};

    for (int i = 0; i < 12; i++)
        s[i] = begin(app, "/2?late");
    wait_until(&seen.pieces, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(fetch(app->port, "/a").status, 200);
    assert_int_equal(seen.pieces, 2);
    let_pass();

    for (int i = 0; i < 12; i++) {
        buf_reset(&b);
        while (b.len < 5 || memcmp(b.data + b.len - 5, "0\r\n\r\n", 5) != 0)
            assert_true(hear(s[i], &b));
        close(s[i]);
    }
    buf_fini(&b);
    finish(app);
}

/* Of two threads one is held by a piece that never comes, and the others wait for it. */
static void a_piece_that_waits_for_its_thread_is_not_late(void **state)
{
    (void)state;
    struct http_options hasty = small;
    hasty.request_ms = 2000;
    hasty.workers = 2;
    struct app *app = serve(hasty);
    struct buf b = {0};
    int s[3];

    s[0] = begin(app, "/2?late");
    wait_until(&seen.pieces, 1);
    for (int i = 1; i < 3; i++)
        s[i] = begin(app, "/2?late");
    while (hear(s[0], &b)) /* that one is late */
        ;
    assert_int_equal(fetch(app->port, "/gate").status, 503); /* all of that time once more */
    let_pass();

    for (int i = 1; i < 3; i++) {
        buf_reset(&b);
        while (b.len < 5 || memcmp(b.data + b.len - 5, "0\r\n\r\n", 5) != 0)
            assert_true(hear(s[i], &b));
        close(s[i]);
    }
    close(s[0]);
    buf_fini(&b);
    open_gate(app);
    finish(app);
}

static void a_client_that_leaves_ends_its_stream(void **state)
{
    (void)state;
    struct app *app = serve(roomy);
    struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 10; i++) {
        int s = begin(app, "/100000");
        if (i % 2)
            setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(s);
    }

    wait_until(&seen.over, 10);
    assert_int_equal(fetch(app->port, "/a").status, 200);
    finish(app);
}

static void one_that_reads_nothing_for_the_idle_time_is_ended(void **state)
{
    (void)state;
    struct http_options hasty = roomy;
    hasty.idle_ms = 3000;
    struct app *app = serve(hasty);
    struct buf b = {0};
    size_t letters[26];
    int s = dial(app->port);

    get(s, "/1000");
    wait_until(&seen.over, 1);
    while (hear(s, &b))
        ;

    assert_false(read_chunks(&b, letters));
    close(s);
    buf_fini(&b);
    finish(app);
}

/* The whole may take any time, and a piece has all the time of a request. */
static void a_piece_past_its_deadline_cuts_the_stream(void **state)
{
    (void)state;
    struct http_options hasty = small;
    hasty.request_ms = 2000;
    struct app *app = serve(hasty);
    size_t letters[26];

    struct buf b = ask(app, "/5?late", "1.1");
    assert_false(read_chunks(&b, letters));
    assert_int_equal(letters[3], PIECE);
    assert_int_equal(letters[4], 0);
    assert_int_equal(seen.over, 0); /* while next() runs its state stays */
    let_pass();

    wait_until(&seen.over, 1);
    buf_fini(&b);
    finish(app);
}

static void a_full_queue_refuses_new_requests_and_no_stream_that_has_begun(void **state)
{
    (void)state;
    struct app *app = serve(small);
    int stream = dial(app->port), s[3];
    struct buf b = {0};
    size_t letters[26];
    get(stream, "/300"); /* more than the system keeps for a client that does not read */
    wait_until(&seen.pieces, 1);
    for (int before = 0; before != seen.pieces; usleep(200000)) /* until it is stalled */
        before = seen.pieces;
    get(s[0] = dial(app->port), "/gate");
    wait_for(app, &app->running, 1);
    for (int i = 1; i < 3; i++) {
        get(s[i] = dial(app->port), "/gate");
        wait_for(app, &app->seen, 2 + i);
    }
    assert_int_equal(fetch(app->port, "/a").status, 503);

    struct pollfd p = {.fd = stream, .events = POLLIN};
    while (poll(&p, 1, 200) == 1) /* until it waits for a piece, behind the others */
        assert_true(hear(stream, &b));
    assert_true(b.len < 300 * PIECE);
    open_gate(app);
    while (b.len < 5 || memcmp(b.data + b.len - 5, "0\r\n\r\n", 5) != 0)
        assert_true(hear(stream, &b));

    assert_true(read_chunks(&b, letters));
    for (int i = 0; i < 3; i++)
        close(s[i]);
    close(stream);
    buf_fini(&b);
    finish(app);
}

static void a_stop_cuts_streams_whether_they_are_read_or_not(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct app *app = serve(roomy);
        int s[8];
        for (int i = 0; i < 8; i++)
            s[i] = begin(app, "/100000");
        struct buf b = {0};
        for (int i = 0; i < 20 * round; i++)
            assert_true(hear(s[0], &b));

        http_stop(app->http);
        app->http = NULL;

        assert_int_equal(seen.over, 8);
        for (int i = 0; i < 8; i++)
            close(s[i]);
        buf_fini(&b);
        finish(app);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pieces_come_in_order_and_the_end_is_seen),
        cmocka_unit_test(a_stream_may_take_longer_than_another_answer),
        cmocka_unit_test(the_connection_serves_more_after_a_stream),
        cmocka_unit_test(a_broken_stream_has_no_end),
        cmocka_unit_test(without_chunks_a_broken_stream_is_a_reset),
        cmocka_unit_test(head_has_no_body_and_asks_for_no_piece),
        cmocka_unit_test(clients_that_do_not_read_hold_no_thread),
        cmocka_unit_test(pieces_that_are_slow_leave_threads_to_others),
        cmocka_unit_test(a_piece_that_waits_for_its_thread_is_not_late),
        cmocka_unit_test(a_client_that_leaves_ends_its_stream),
        cmocka_unit_test(one_that_reads_nothing_for_the_idle_time_is_ended),
        cmocka_unit_test(a_piece_past_its_deadline_cuts_the_stream),
        cmocka_unit_test(a_full_queue_refuses_new_requests_and_no_stream_that_has_begun),
        cmocka_unit_test(a_stop_cuts_streams_whether_they_are_read_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
