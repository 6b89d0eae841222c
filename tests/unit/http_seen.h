/* What the server's side of a body in pieces has seen, and a gate at which it waits. After
 * http_app.h. */
#pragma once

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int pieces, over, waiting; /* at the gate, ever */
    bool open;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline void forget_seen(void)
{
    seen.pieces = seen.over = seen.waiting = 0;
    seen.open = false;
}

static inline void count(int *what)
{
    pthread_mutex_lock(&seen.lock);
    ++*what;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static inline void wait_until(const int *what, int value)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&seen.lock);
    int rc = 0;
    while (*what < value && rc == 0)
        rc = pthread_cond_timedwait(&seen.changed, &seen.lock, &until);
    pthread_mutex_unlock(&seen.lock);
    assert_int_equal(rc, 0);
}

static inline void pass_gate(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.waiting++;
    pthread_cond_broadcast(&seen.changed);
    while (!seen.open)
        pthread_cond_wait(&seen.changed, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
}

static inline void let_pass(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.open = true;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}
