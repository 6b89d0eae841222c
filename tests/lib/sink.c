/* sink - HTTP listeners that take everything, as fast as they can, for the bench of the hub.
 *
 *   sink FILE PORT...
 *
 * One thread. FILE, which is there and long enough, gets the number of requests of each port, 8
 * bytes each in the machine's order, while they come. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, BODY_MAX = 1 << 20 };

static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

static struct connection {
    int port; /* its place; -1 - place: it listens */
    size_t n;
    char *bytes;
} connections[CONNECTIONS_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int epoll, int s, int port)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = s};
    if (s < 0 || s >= CONNECTIONS_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, s, &e) != 0)
        die("connection");
    connections[s] = (struct connection){port, 0, port >= 0 ? malloc(BODY_MAX) : NULL};
}

static int listening(int port)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&at, sizeof at) != 0 || listen(s, 512) != 0)
        die("listen");
    return s;
}

/* Answers what is whole. */
static void answer_all(int s, uint64_t *counts)
{
    struct connection *c = &connections[s];
    for (;;) {
        char *end = memmem(c->bytes, c->n, "\r\n\r\n", 4);
        char *length = end ? memmem(c->bytes, c->n, "Content-Length: ", 16) : NULL;
        size_t whole = length ? (size_t)(end - c->bytes) + 4 + strtoul(length + 16, NULL, 10) : 0;
        if (!length || c->n < whole)
            return;
        counts[c->port]++;
        memmove(c->bytes, c->bytes + whole, c->n - whole);
        c->n -= whole;
        if (send(s, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            return;
    }
}

static void hear(int s, uint64_t *counts)
{
    struct connection *c = &connections[s];
    ssize_t n = recv(s, c->bytes + c->n, BODY_MAX - c->n, 0);
    if (n <= 0) {
        close(s);
        free(c->bytes);
        return;
    }
    c->n += (size_t)n;
    answer_all(s, counts);
}

int main(int argc, char **argv)
{
    int file = argc > 2 ? open(argv[1], O_RDWR) : -1, epoll = epoll_create1(0), on = 1;
    uint64_t *counts =
        mmap(NULL, (size_t)argc * 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED)
        die("sink FILE PORT...");
    for (int i = 2; i < argc; i++)
        watch(epoll, listening(atoi(argv[i])), 1 - i);
    puts("listening");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int s = events[i].data.fd, port = connections[s].port;
            if (port >= 0) {
                hear(s, counts);
                continue;
            }
            int made = accept(s, NULL, NULL);
            setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            watch(epoll, made, -1 - port);
        }
    }
}
