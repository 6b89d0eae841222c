#include "io/http_clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include "base/instant.h"
#include "base/log.h"

enum { LOOK_MS = 250 };

enum state { WAITS, READS, PAST, SENDS, LATE };

struct http_clock_place {
    TAILQ_ENTRY(http_clock_place) link;
    int socket;
    enum state state;
    bool kept;     /* one request was answered */
    int ended;     /* looks in a row at which the client had ended its side and all was read */
    int64_t since; /* ticks */
};

struct http_clock {
    struct http_clock_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t stopped;
    bool stopping;
    TAILQ_HEAD(http_clock_places, http_clock_place) places;
};

/* What does not go out at once is lost: the client has not read for as long. */
static void give_up(struct http_clock *c, struct http_clock_place *p)
{
    if (p->state == READS) {
        struct buf answer = {0};
        c->options.late(c->options.app, &answer);
        ssize_t sent = send(p->socket, answer.data, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent;
        buf_fini(&answer);
    }
    p->state = LATE;
    shutdown(p->socket, SHUT_RDWR);
}

/* libmicrohttpd 0.9.75 at times misses an end that comes with data: its thread is in epoll_wait(),
 * the connection in CLOSE-WAIT with nothing to be read, and a request in the middle would keep its
 * place for all of its time. For a second, since what was read may be on its way to us. */
static bool has_gone(struct http_clock_place *p)
{
    char byte;
    ssize_t n = p->state != READS ? -1 /* NOLINTNEXTLINE(clang-analyzer-unix.*): it never blocks */
                                  : recv(p->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    p->ended = n == 0 ? p->ended + 1 : 0;
    return p->ended > 1000 / LOOK_MS;
}

static bool is_late(const struct http_clock *c, const struct http_clock_place *p)
{
    int64_t took = instant_ticks() - p->since;
    if (p->state == SENDS)
        return c->options.answer_ms > 0 && took >= c->options.answer_ms;
    return p->state <= READS && took >= c->options.request_ms;
}

static void look(struct http_clock *c)
{
    struct http_clock_place *p;
    TAILQ_FOREACH(p, &c->places, link)
    if (is_late(c, p)) {
        give_up(c, p);
    } else if (has_gone(p)) {
        p->state = LATE;
        shutdown(p->socket, SHUT_RDWR);
    }
}

static void *run(void *arg)
{
    struct http_clock *c = arg;
    log_set_thread(c->options.name);
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&c->stopped, &c->lock, &until);
        look(c);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct http_clock *http_clock_new(const struct http_clock_options *options, struct err *err)
{
    struct http_clock *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->options = *options;
    TAILQ_INIT(&c->places);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&c->thread, NULL, run, c) == 0)
        return c;
    pthread_cond_destroy(&c->stopped);
    pthread_mutex_destroy(&c->lock);
    free(c);
    err_set(err, ERR_FATAL, "no thread can be started for the clock of %s", options->name);
    return NULL;
}

void http_clock_free(struct http_clock *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->stopped);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->stopped);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct http_clock_place *http_clock_enter(struct http_clock *c, int socket)
{
    struct http_clock_place *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->socket = socket;
    p->since = instant_ticks();
    pthread_mutex_lock(&c->lock);
    TAILQ_INSERT_TAIL(&c->places, p, link);
    pthread_mutex_unlock(&c->lock);
    return p;
}

void http_clock_leave(struct http_clock *c, struct http_clock_place *p)
{
    pthread_mutex_lock(&c->lock);
    TAILQ_REMOVE(&c->places, p, link);
    pthread_mutex_unlock(&c->lock);
    free(p);
}

/* What a client did not say between two requests is no part of the second. */
void http_clock_reads(struct http_clock *c, struct http_clock_place *p)
{
    pthread_mutex_lock(&c->lock);
    if (p->state != LATE) {
        p->state = READS;
        if (p->kept)
            p->since = instant_ticks();
    }
    pthread_mutex_unlock(&c->lock);
}

bool http_clock_has_read(struct http_clock *c, struct http_clock_place *p)
{
    pthread_mutex_lock(&c->lock);
    bool in_time = p->state != LATE;
    if (in_time)
        p->state = PAST;
    pthread_mutex_unlock(&c->lock);
    return in_time;
}

bool http_clock_moves(struct http_clock *c, struct http_clock_place *p, bool reading)
{
    pthread_mutex_lock(&c->lock);
    bool in_time = p->state != LATE;
    if (in_time) {
        p->state = reading ? READS : PAST;
        p->ended = 0;
        p->since = instant_ticks();
    }
    pthread_mutex_unlock(&c->lock);
    return in_time;
}

void http_clock_sends(struct http_clock *c, struct http_clock_place *p)
{
    pthread_mutex_lock(&c->lock);
    if (p->state != LATE) {
        p->state = SENDS;
        p->since = instant_ticks();
    }
    pthread_mutex_unlock(&c->lock);
}

void http_clock_answered(struct http_clock *c, struct http_clock_place *p)
{
    pthread_mutex_lock(&c->lock);
    if (p->state != LATE) {
        p->state = WAITS;
        p->kept = true;
        p->since = instant_ticks();
    }
    pthread_mutex_unlock(&c->lock);
}
