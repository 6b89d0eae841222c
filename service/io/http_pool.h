/* http_pool - a bounded queue, the threads that empty it, and a deadline for every job in it.
 *
 * Whoever first claims a job answers it: the thread that ran it, or the clock when the deadline
 * passes. A job that nobody waits for any more goes on until its own limits end it; it is never
 * interrupted, since the only thing that it could hang on is a database that does not answer, and
 * that would not answer a cancel either. Jobs that go on with what has begun (pieces of a long
 * answer) leave half of the threads to others, and may wait for theirs; slow ones take a quarter.
 * Any thread may call, but new and stop.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"

struct http_pool;

/* Part of the caller's own struct. */
struct http_job {
    TAILQ_ENTRY(http_job) queue_link, open_link;
    int64_t deadline; /* ticks */
    bool queued, open;
    bool begun; /* set by the caller, before it is pushed: its deadline counts from when it runs */
    bool slow;  /* .. it waits for more than the database: others must not wait for it */
    atomic_bool claimed;
    atomic_int references;
};

enum http_pool_end { HTTP_POOL_LATE, HTTP_POOL_STOPPING };

struct http_pool_options {
    const char *name; /* of the threads, in log lines */
    int threads, queue_max, deadline_ms;
    void *app;
    void *(*context_new)(void *app, int thread); /* on the thread itself; both may be NULL */
    void (*context_free)(void *app, void *context);
    void (*run)(void *app, void *context, struct http_job *job); /* claims when it is done */
    void (*expire)(void *app, struct http_job *job,
                   enum http_pool_end end);        /* claims, then answers */
    void (*drop)(void *app, struct http_job *job); /* the last reference is gone */
};

struct http_pool *http_pool_new(const struct http_pool_options *options, struct err *err);

/* Takes no more jobs, expires those that wait, lets those that run come to their end, joins the
 * threads. The pool still answers (false) to http_pool_reserve() until it is freed. */
void http_pool_stop(struct http_pool *pool);
void http_pool_free(struct http_pool *pool);

/* First a place, then the job: between the two the caller makes ready what a quick thread may need.
 * False: full, or stopping. What has `begun` is not refused for want of a place. */
bool http_pool_reserve(struct http_pool *pool, bool begun) MUST_CHECK;
void http_pool_push(struct http_pool *pool, struct http_job *job); /* takes a reference */

void http_job_init(struct http_job *job); /* one reference: the caller's */
void http_job_unref(struct http_pool *pool, struct http_job *job);

/* True for exactly one caller: it answers. */
bool http_job_claim(struct http_job *job) MUST_CHECK;

/* Somebody has answered it already: what is still to be done for it is not worth doing. */
bool http_job_is_claimed(const struct http_job *job);
