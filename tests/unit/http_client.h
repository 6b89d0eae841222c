/* A client for tests of HTTP servers: raw sockets, so that it can be slow, rude and wrong. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

enum { PATIENCE_MS = 10000 };

static inline int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&at, &n), 0);
    close(s);
    return ntohs(at.sin_port);
}

static inline int dial(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    assert_true(s >= 0);
    assert_int_equal(connect(s, (struct sockaddr *)&at, sizeof at), 0);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return s;
}

/* What the server does not read any more, since it has refused already, is no failure. */
static inline void say(int s, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(s, bytes, n, MSG_NOSIGNAL);
        if (sent < 0)
            return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

static inline void get(int s, const char *target)
{
    struct buf b = {0};
    buf_printf(&b, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", target);
    say(s, b.data, b.len);
    buf_fini(&b);
}

/* Adds what comes; false at the end of the connection. */
static inline bool hear(int s, struct buf *b)
{
    struct pollfd p = {.fd = s, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        fail_msg("no answer in time, so far: %s", buf_text(b));
    ssize_t n = recv(s, buf_room(b, 4096), 4096, 0);
    if (n > 0)
        b->len += (size_t)n;
    return n > 0;
}

struct answer {
    int status;
    char head[4096], body[4096];
};

/* Exactly one answer, with a Content-Length; byte by byte, so that a next one stays in the socket.
 */
static inline struct answer one_answer(int s, bool has_body)
{
    struct answer a = {0};
    size_t n = 0;
    while (n < sizeof a.head - 1 && (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0)) {
        struct pollfd p = {.fd = s, .events = POLLIN};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        if (recv(s, a.head + n, 1, 0) != 1)
            fail_msg("connection ended after: %s", a.head);
        n++;
    }
    assert_int_equal(sscanf(a.head, "HTTP/1.1 %d", &a.status), 1);
    const char *length = strstr(a.head, "Content-Length: ");
    size_t body = has_body && length ? (size_t)strtoul(length + 16, NULL, 10) : 0;
    assert_true(body < sizeof a.body);
    for (size_t got = 0; got < body;) {
        ssize_t r = recv(s, a.body + got, body - got, 0);
        assert_true(r > 0);
        got += (size_t)r;
    }
    return a;
}

static inline struct answer fetch(int port, const char *target)
{
    int s = dial(port);
    get(s, target);
    struct answer a = one_answer(s, true);
    close(s);
    return a;
}

/* Everything until the server closes. */
static inline struct buf whole_conversation(int port, const char *request, size_t n)
{
    struct buf b = {0};
    int s = dial(port);
    say(s, request, n);
    while (hear(s, &b))
        ;
    close(s);
    buf_text(&b);
    return b;
}
