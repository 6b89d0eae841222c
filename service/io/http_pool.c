#include "io/http_pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/instant.h"
#include "base/log.h"

enum { POOL_THREADS_MAX = 64 };

TAILQ_HEAD(http_jobs, http_job);

struct http_pool {
    struct http_pool_options options;
    pthread_mutex_t lock; /* guards all below; never held while a callback runs */
    pthread_cond_t work, clock;
    struct http_jobs queue; /* waiting for a thread */
    struct http_jobs open;  /* with a deadline, and by it: all have the same span, so by arrival */
    int begun, slow;        /* jobs of these kinds that run */
    int places;             /* reserved and not yet taken out of the queue */
    bool stopping, clock_stopping;
    pthread_t threads[POOL_THREADS_MAX], clock_thread;
    int started;
    bool clock_started;
};

struct pool_thread {
    struct http_pool *pool;
    int number;
};

void http_job_init(struct http_job *job)
{
    memset(job, 0, sizeof *job);
    atomic_init(&job->references, 1);
}

void http_job_unref(struct http_pool *pool, struct http_job *job)
{
    if (atomic_fetch_sub(&job->references, 1) == 1)
        pool->options.drop(pool->options.app, job);
}

bool http_job_claim(struct http_job *job)
{
    return !atomic_exchange(&job->claimed, true);
}

bool http_job_is_claimed(const struct http_job *job)
{
    return atomic_load(&job->claimed);
}

bool http_pool_reserve(struct http_pool *pool, bool begun)
{
    pthread_mutex_lock(&pool->lock);
    bool place = !pool->stopping && (begun || pool->places < pool->options.queue_max);
    if (place)
        pool->places++;
    pthread_mutex_unlock(&pool->lock);
    return place;
}

/* With the lock held, as all here: from now on the clock looks at it. */
static void open_job(struct http_pool *pool, struct http_job *job)
{
    job->deadline = instant_ticks() + pool->options.deadline_ms;
    job->open = true;
    if (TAILQ_EMPTY(&pool->open))
        pthread_cond_signal(&pool->clock);
    TAILQ_INSERT_TAIL(&pool->open, job, open_link);
}

void http_pool_push(struct http_pool *pool, struct http_job *job)
{
    atomic_fetch_add(&job->references, 1);
    pthread_mutex_lock(&pool->lock);
    job->queued = true;
    TAILQ_INSERT_TAIL(&pool->queue, job, queue_link);
    if (!job->begun)
        open_job(pool, job);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* With the lock held. */
static void unqueue(struct http_pool *pool, struct http_job *job)
{
    TAILQ_REMOVE(&pool->queue, job, queue_link);
    job->queued = false;
    pool->places--;
}

static void close_job(struct http_pool *pool, struct http_job *job)
{
    if (job->open)
        TAILQ_REMOVE(&pool->open, job, open_link);
    job->open = false;
}

static struct http_job *first_job(struct http_pool *pool)
{
    struct http_job *job;
    int threads = pool->options.threads;
    bool full = pool->begun >= (threads + 1) / 2 && !pool->stopping,
         jam = pool->slow >= (threads + 3) / 4 && !pool->stopping;
    TAILQ_FOREACH(job, &pool->queue, queue_link)
    if (!(job->begun && full) && !(job->slow && jam))
        return job;
    return NULL;
}

/* Ends when the pool stops and nobody can push any more: a place that is reserved will be filled.
 */
static struct http_job *next_job(struct http_pool *pool, bool *stopping)
{
    pthread_mutex_lock(&pool->lock);
    struct http_job *job;
    while (!(job = first_job(pool)) && !(pool->stopping && pool->places == 0))
        pthread_cond_wait(&pool->work, &pool->lock);
    if (job) {
        unqueue(pool, job);
        pool->begun += job->begun;
        pool->slow += job->slow;
        if (job->begun)
            open_job(pool, job);
    }
    *stopping = pool->stopping;
    if (pool->stopping && pool->places == 0)
        pthread_cond_broadcast(&pool->work); /* the others wait for this */
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *work(void *arg)
{
    struct pool_thread self = *(struct pool_thread *)arg;
    free(arg);
    struct http_pool *pool = self.pool;
    const struct http_pool_options *o = &pool->options;
    char name[32];
    snprintf(name, sizeof name, "%s-%d", o->name, self.number);
    log_set_thread(name);
    void *context = o->context_new ? o->context_new(o->app, self.number) : NULL;
    struct http_job *job;
    bool stopping;
    while ((job = next_job(pool, &stopping))) {
        if (stopping)
            o->expire(o->app, job, HTTP_POOL_STOPPING);
        else
            o->run(o->app, context, job);
        pthread_mutex_lock(&pool->lock);
        close_job(pool, job);
        pool->begun -= job->begun;
        pool->slow -= job->slow;
        if (job->begun || job->slow)
            pthread_cond_signal(&pool->work); /* another one may run now */
        pthread_mutex_unlock(&pool->lock);
        http_job_unref(pool, job);
    }
    if (o->context_free)
        o->context_free(o->app, context);
    return NULL;
}

/* With the lock held: sleeps until the deadline of the oldest job, or until there is one. */
static void sleep_until_next(struct http_pool *pool)
{
    struct http_job *oldest = TAILQ_FIRST(&pool->open);
    if (!oldest) {
        pthread_cond_wait(&pool->clock, &pool->lock);
        return;
    }
    struct timespec until = {.tv_sec = oldest->deadline / 1000,
                             .tv_nsec = oldest->deadline % 1000 * 1000000};
    pthread_cond_timedwait(&pool->clock, &pool->lock, &until);
}

static void *watch_clock(void *arg)
{
    struct http_pool *pool = arg;
    log_set_thread("http-clock");
    pthread_mutex_lock(&pool->lock);
    while (!pool->clock_stopping) {
        struct http_job *oldest = TAILQ_FIRST(&pool->open);
        if (!oldest || instant_ticks() < oldest->deadline) {
            sleep_until_next(pool);
            continue;
        }
        close_job(pool, oldest);
        if (oldest->queued)
            unqueue(pool, oldest); /* the queue's reference is now ours */
        else
            atomic_fetch_add(&oldest->references, 1);
        pthread_mutex_unlock(&pool->lock);
        pool->options.expire(pool->options.app, oldest, HTTP_POOL_LATE);
        http_job_unref(pool, oldest);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool start_threads(struct http_pool *pool)
{
    for (int i = 0; i < pool->options.threads; i++) {
        struct pool_thread *t = malloc(sizeof *t);
        if (!t)
            abort();
        *t = (struct pool_thread){pool, i};
        if (pthread_create(&pool->threads[i], NULL, work, t) != 0) {
            free(t);
            return false;
        }
        pool->started++;
    }
    pool->clock_started = pthread_create(&pool->clock_thread, NULL, watch_clock, pool) == 0;
    return pool->clock_started;
}

struct http_pool *http_pool_new(const struct http_pool_options *options, struct err *err)
{
    struct http_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        abort();
    pool->options = *options;
    if (pool->options.threads > POOL_THREADS_MAX)
        pool->options.threads = POOL_THREADS_MAX;
    TAILQ_INIT(&pool->queue);
    TAILQ_INIT(&pool->open);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &monotonic);
    pthread_cond_init(&pool->clock, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start_threads(pool))
        return pool;
    err_set(err, ERR_FATAL,
            "cannot start a thread for %s: raise the limit of processes (ulimit -u)",
            options->name);
    http_pool_stop(pool);
    http_pool_free(pool);
    return NULL;
}

void http_pool_stop(struct http_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    struct http_job *job;
    while ((job = TAILQ_FIRST(&pool->queue))) {
        unqueue(pool, job);
        close_job(pool, job);
        pthread_mutex_unlock(&pool->lock);
        pool->options.expire(pool->options.app, job, HTTP_POOL_STOPPING);
        http_job_unref(pool, job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pool->started = 0;
    pthread_mutex_lock(&pool->lock);
    pool->clock_stopping = true;
    pthread_cond_signal(&pool->clock);
    pthread_mutex_unlock(&pool->lock);
    if (pool->clock_started)
        pthread_join(pool->clock_thread, NULL);
    pool->clock_started = false;
}

void http_pool_free(struct http_pool *pool)
{
    if (!pool)
        return;
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->clock);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
