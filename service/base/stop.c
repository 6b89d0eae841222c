#include "base/stop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static atomic_int asked;
static atomic_int code;
static int event = -1;
static void (*_Atomic on_hangup)(void);

static sigset_t signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

static void *await_signals(void *arg)
{
    (void)arg;
    sigset_t set = signals();
    time_t first = 0;
    for (;;) {
        int signal;
        if (sigwait(&set, &signal) != 0)
            return NULL;
        void (*call)(void) = atomic_load(&on_hangup);
        if (signal == SIGHUP && call) {
            call();
            continue;
        }
        /* Who signals a process and then its group (timeout(1), a terminal) means it once. */
        if (first != 0 && time(NULL) - first > 1)
            _exit(128 + signal);
        if (first == 0)
            first = time(NULL);
        stop_now(0);
    }
}

void stop_init(void)
{
    event = eventfd(0, EFD_CLOEXEC);
    if (event < 0)
        abort();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sigset_t set = signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, await_signals, NULL) != 0)
        abort();
    pthread_detach(thread);
}

void stop_on_hangup(void (*call)(void))
{
    atomic_store(&on_hangup, call);
}

bool stop_now(int exit_code)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&asked, &none, 1))
        return false;
    atomic_store(&code, exit_code);
    if (event >= 0) {
        uint64_t one = 1;
        if (write(event, &one, sizeof one) != sizeof one)
            abort();
    }
    return true;
}

bool stop_asked(void)
{
    return atomic_load_explicit(&asked, memory_order_relaxed) != 0;
}

int stop_exit_code(void)
{
    return atomic_load(&code);
}

bool stop_wait(int wait_ms)
{
    struct pollfd p = {.fd = event, .events = POLLIN};
    if (!stop_asked())
        poll(&p, 1, wait_ms); /* an early return (EINTR) is harmless: every caller loops */
    return stop_asked();
}

int stop_fd(void)
{
    return event;
}
