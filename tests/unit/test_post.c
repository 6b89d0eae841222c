#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/stop.h"
#include "io/post.h"

/* A server that says the same to everybody. */
struct server {
    int socket, port, requests;
    const char *answer; /* NULL: nothing, until the client goes */
    char first[4096];   /* of what it was sent */
    pthread_t thread;
};

static void serve_one(struct server *s, int c)
{
    char in[4096];
    ssize_t n = recv(c, in, sizeof in - 1, 0);
    if (n <= 0)
        return;
    in[n] = 0;
    if (s->requests++ == 0)
        memcpy(s->first, in, (size_t)n + 1);
    if (!s->answer)
        recv(c, in, sizeof in, 0);
    else
        for (const char *p = s->answer; *p;) {
            ssize_t sent = send(c, p, strlen(p), MSG_NOSIGNAL);
            if (sent < 0)
                break;
            p += sent;
        }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    for (int c; (c = accept(s->socket, NULL, NULL)) >= 0; close(c))
        serve_one(s, c);
    return NULL;
}

static struct server *serving(const char *answer)
{
    struct server *s = calloc(1, sizeof *s);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    s->answer = answer;
    s->socket = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->socket, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->socket, 10), 0);
    assert_int_equal(getsockname(s->socket, (struct sockaddr *)&at, &n), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static void end_server(struct server *s)
{
    shutdown(s->socket, SHUT_RDWR);
    close(s->socket);
    pthread_join(s->thread, NULL);
    free(s);
}

static struct poster *a_poster(const char *allowed, int timeout_ms)
{
    static struct network network;
    if (allowed)
        assert_true(network_parse(allowed, &network));
    return poster_new(&(struct poster_options){
        .allowed = &network, .allowed_count = allowed ? 1 : 0, .timeout_ms = timeout_ms});
}

static struct post_result posted(struct poster *p, const char *host, int port)
{
    struct post_result result = {0};
    char url[200];
    snprintf(url, sizeof url, "http://%s:%d/listener/usageCreateEvent", host, port);
    poster_send(p, &(struct post_request){.url = url, .body = "{\"a\":1}", .n = 7}, p);
    for (int i = 0; !poster_done(p, &result); i++) {
        assert_true(i < 1000);
        poster_run(p, 100, NULL, 0);
    }
    assert_ptr_equal(result.arg, p);
    return result;
}

static struct post_result answered(const char *answer)
{
    struct server *s = serving(answer);
    struct poster *p = a_poster("127.0.0.0/8", 2000);
    struct post_result result = posted(p, "127.0.0.1", s->port);
    poster_free(p);
    end_server(s);
    return result;
}

static void a_post_is_sent_whole_and_its_status_comes_back(void **state)
{
    (void)state;
    struct server *s = serving("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    struct poster *p = a_poster("127.0.0.1", 5000);

    struct post_result result = posted(p, "127.0.0.1", s->port);

    assert_int_equal(result.status, 201);
    assert_memory_equal(s->first, "POST /listener/usageCreateEvent HTTP/1.1\r\n", 42);
    assert_non_null(strstr(s->first, "\r\nContent-Type: application/json;charset=utf-8\r\n"));
    assert_non_null(strstr(s->first, "\r\nContent-Length: 7\r\n"));
    assert_null(strstr(s->first, "Expect"));
    assert_non_null(strstr(s->first, "\r\n\r\n{\"a\":1}"));
    poster_free(p);
    end_server(s);
}

static void a_redirection_is_not_followed(void **state)
{
    (void)state;
    struct server *other = serving("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    char answer[200];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
             other->port);

    assert_int_equal(answered(answer).status, 307);

    assert_int_equal(other->requests, 0);
    end_server(other);
}

static void what_is_no_answer_has_status_0_and_words(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *words;
    } cases[] = {{NULL, "no whole answer within 2000 ms"},
                 {"", ""},
                 {"nonsense\r\n\r\n", ""},
                 {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", ""}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct post_result result = answered(cases[i].answer);
        assert_int_equal(result.status, 0);
        if (!result.text[0] || !strstr(result.text, cases[i].words))
            fail_msg("%zu: %s", i, result.text);
    }
}

static void a_long_answer_is_not_read_to_its_end(void **state)
{
    (void)state;
    enum { LONG = 10 * POST_ANSWER_MAX };
    char *answer = malloc(LONG + 200);
    int n = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    memset(answer + n, 'x', LONG);
    answer[n + LONG] = 0;

    assert_int_equal(answered(answer).status, 200);

    free(answer);
}

static void a_socket_goes_only_where_it_may(void **state)
{
    (void)state;
    struct server *s = serving("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct poster *strict = a_poster(NULL, 5000);

    static const char *const hosts[] = {"127.0.0.1",  "localhost", "0.0.0.0", "[::ffff:127.0.0.1]",
                                        "2130706433", "0x7f.1",    "[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct post_result result = posted(strict, hosts[i], s->port);
        assert_int_equal(result.status, 0);
        if (!strstr(result.text, "not public"))
            fail_msg("%s: %s", hosts[i], result.text);
    }
    assert_int_equal(s->requests, 0);
    poster_free(strict);

    struct poster *p = a_poster("127.0.0.0/8", 5000);
    assert_int_equal(posted(p, "localhost", s->port).status, 200);
    poster_free(p);
    end_server(s);
}

/* Its queue of connections is full: more are asked for in vain. */
static void who_cannot_be_reached_in_time_has_not_been_sent_anything(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int full = socket(AF_INET, SOCK_STREAM, 0), waiting[4];
    assert_int_equal(bind(full, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&at, &n), 0);
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int began = connect(waiting[i], (struct sockaddr *)&at, sizeof at);
        (void)began;
    }
    struct poster *p = a_poster("127.0.0.0/8", 2000);

    struct post_result result = posted(p, "127.0.0.1", ntohs(at.sin_port));

    assert_int_equal(result.status, 0);
    if (!strstr(result.text, "onnection timed out after "))
        fail_msg("%s", result.text);
    poster_free(p);
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++)
        close(waiting[i]);
    close(full);
}

/* localhost is ::1 too, on most machines. */
static void an_address_that_may_not_be_is_no_reason_where_another_one_refuses(void **state)
{
    (void)state;
    struct server *s = serving("");
    int port = s->port;
    end_server(s);
    struct poster *p = a_poster("127.0.0.0/8", 5000);

    struct post_result result = posted(p, "localhost", port);

    assert_int_equal(result.status, 0);
    if (!strstr(result.text, "cannot connect: "))
        fail_msg("%s", result.text);
    poster_free(p);
}

static void a_proxy_of_the_environment_is_not_used(void **state)
{
    (void)state;
    struct server *proxy = serving("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct server *s = serving("HTTP/1.1 204 None\r\n\r\n");
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", proxy->port);
    setenv("http_proxy", url, 1);
    setenv("all_proxy", url, 1);

    struct poster *p = a_poster("127.0.0.0/8", 5000);
    assert_int_equal(posted(p, "127.0.0.1", s->port).status, 204);

    assert_int_equal(proxy->requests, 0);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    poster_free(p);
    end_server(proxy);
    end_server(s);
}

static void one_that_hangs_holds_up_no_other(void **state)
{
    (void)state;
    struct server *dead = serving(NULL);
    struct server *s = serving("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    struct poster *p = a_poster("127.0.0.0/8", 60000);
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", dead->port);
    struct post *post =
        poster_send(p, &(struct post_request){.url = url, .body = "{}", .n = 2}, NULL);

    for (int i = 0; i < 20; i++)
        assert_int_equal(posted(p, "127.0.0.1", s->port).status, 200);

    poster_drop(p, post);
    poster_send(p, &(struct post_request){.url = url, .body = "{}", .n = 2}, NULL);
    poster_free(p); /* with one under way */
    end_server(dead);
    end_server(s);
}

static void a_url_is_judged_by_its_parts(void **state)
{
    (void)state;
    static const struct {
        const char *url, *words; /* words NULL: good, and then its origin */
        const char *origin;
    } cases[] = {
        {"https://partner.example.net/tmf", NULL, "https://partner.example.net:443"},
        {"http://10.0.0.1:8080", NULL, "http://10.0.0.1:8080"},
        {"HTTPS://Partner:8443/a/", NULL, "https://Partner:8443"},
        {"http://[2001:db8::1]:80/", NULL, "http://[2001:db8::1]:80"},
        {"ftp://h/", "neither http nor https", NULL},
        {"file:///etc/passwd", "", NULL},
        {"gopher://h/", "", NULL},
        {"h/x", "absolute URL", NULL},
        {"//h/x", "absolute URL", NULL},
        {"", "absolute URL", NULL},
        {"http://", "", NULL},
        {"http:///x", "absolute URL", NULL},
        {"http://u@h/", "user", NULL},
        {"http://u:p@h/", "user", NULL},
        {"http://h/?a=1", "query", NULL},
        {"http://h/?", "query", NULL},
        {"http://h/#f", "fragment", NULL},
        {"http://h/#", "fragment", NULL},
        {"http://h:0/", "port 0", NULL},
        {"http://h:99999/", "", NULL},
        {"http://h:x/", "", NULL},
        {"http://h /", "character", NULL},
        {"http://h\\@x/", "character", NULL},
        {"http://h/\xc3\xa9", "character", NULL},
        {"http://h/\n", "character", NULL},
        {"http://[fe80::1%25eth0]/", "zone", NULL},
    };
    struct buf origin = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        bool good = post_check_url(cases[i].url, &origin, &err);
        if (good != (cases[i].words == NULL))
            fail_msg("%s: %s", cases[i].url, good ? "taken" : err.text);
        if (good)
            assert_string_equal(buf_text(&origin), cases[i].origin);
        else if (!strstr(err.text, cases[i].words))
            fail_msg("%s: %s", cases[i].url, err.text);
    }
    char url[POST_URL_MAX + 2];
    struct err err;
    memset(url, 'a', sizeof url);
    memcpy(url, "http://h/", 9);
    url[POST_URL_MAX + 1] = 0;
    assert_false(post_check_url(url, &origin, &err));
    assert_non_null(strstr(err.text, "2048"));
    url[POST_URL_MAX] = 0;
    assert_true(post_check_url(url, &origin, &err));
    buf_fini(&origin);
}

static void a_host_is_looked_at_without_a_connection(void **state)
{
    (void)state;
    char text[256] = "";
    struct server *s = serving("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct network loopback, loopback6[2];
    char url[100];
    assert_true(network_parse("127.0.0.0/8", &loopback));
    loopback6[0] = loopback;
    assert_true(network_parse("::1", &loopback6[1]));
    snprintf(url, sizeof url, "http://localhost:%d/", s->port);

    assert_int_equal(post_look(url, NULL, 0, 5000, text), POST_LOOK_FORBIDDEN);
    assert_true(text[0] != 0);
    assert_int_equal(post_look(url, loopback6, 2, 5000, text), POST_LOOK_GOOD);
    assert_int_equal(post_look("http://127.0.0.1:1/", &loopback, 1, 5000, text), POST_LOOK_GOOD);
    assert_int_equal(post_look("http://8.8.8.8/", NULL, 0, 5000, text), POST_LOOK_GOOD);
    assert_int_equal(post_look("https://169.254.169.254/", NULL, 0, 5000, text),
                     POST_LOOK_FORBIDDEN);
    assert_string_equal(text, "169.254.169.254");
    assert_int_equal(post_look("http://no-such-host.invalid/", NULL, 0, 30000, text),
                     POST_LOOK_UNKNOWN);
    assert_int_equal(s->requests, 0);
    end_server(s);
}

static int start(void **state)
{
    (void)state;
    stop_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_is_sent_whole_and_its_status_comes_back),
        cmocka_unit_test(a_redirection_is_not_followed),
        cmocka_unit_test(what_is_no_answer_has_status_0_and_words),
        cmocka_unit_test(a_long_answer_is_not_read_to_its_end),
        cmocka_unit_test(a_socket_goes_only_where_it_may),
        cmocka_unit_test(who_cannot_be_reached_in_time_has_not_been_sent_anything),
        cmocka_unit_test(an_address_that_may_not_be_is_no_reason_where_another_one_refuses),
        cmocka_unit_test(a_proxy_of_the_environment_is_not_used),
        cmocka_unit_test(one_that_hangs_holds_up_no_other),
        cmocka_unit_test(a_url_is_judged_by_its_parts),
        cmocka_unit_test(a_host_is_looked_at_without_a_connection),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
