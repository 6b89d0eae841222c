#include "app/keeper.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/counts.h"
#include "app/health.h"
#include "app/http_mark.h"
#include "app/metrics.h"
#include "app/publish.h"
#include "app/verdict.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"
#include "usage/http_source.h"
#include "usage/idempotency.h"
#include "usage/source.h"
#include "usage/store_sweep.h"

enum {
    TICK_MS = 500,  /* the lock's holder asks PostgreSQL something so often, to be seen alive */
    TURN_MS = 1000, /* of publishing, and of the sweep, while there is always more to do */
    LAST_MS = 2000, /* of publishing at the stop: the process has 4 s */
    BACKOFF_MS = 250,
    BACKOFF_MAX_MS = 5000,
    WATCH_MS = 120000,
    CLUSTER_MS = 5000,
    LOOK_AGAIN_MS = 5000, /* at a source that is refused */
    REMIND_MS = 60000,
    SAY_MS = 10000,                 /* failing for so long, with nobody else waiting: said */
    EXPIRE_MS = 60000,              /* answers to an Idempotency-Key are looked through, at least */
    RENEW_MS = 12 * 60 * 60 * 1000, /* the broker forgets a position after seven days */
    ARENA_BLOCK = 64 * 1024
};

struct keeper {
    const struct settings *settings;
    const struct changes_settings *changes;
    pthread_t thread;
    int owner;
    struct db *db;
    struct http_mark *mark;
    struct sweep *sweep;
    struct arena *arena;
    bool ours;         /* the lock */
    bool open;         /* .. and taken over: a position is committed */
    int64_t published; /* known while open */
    bool more;         /* a turn was over before its work was */
    int64_t next_sweep, next_renew, next_look, next_expire; /* ticks */
    int64_t failing_since;
    bool told; /* .. and the log says so */
    int failures;
    bool refused;
    int64_t said; /* ticks: the refusal */
};

/* One keeper a process. */
static int wake_fd = -1;
static atomic_bool refuses;

/* --- taking over --- */

static bool commit_alone(struct keeper *k, int64_t position, struct err *err)
{
    if (!http_mark_commit_alone(k->mark, position, err))
        return false;
    k->next_renew = instant_ticks() + RENEW_MS;
    return true;
}

/* While Kafka is waited for. */
static void idle(void *keeper, int waited_ms)
{
    struct keeper *k = keeper;
    health_beat(k->owner);
    if (waited_ms > SAY_MS)
        health_wait(HEALTH_KAFKA, k->owner, "source " HTTP_SOURCE ": the broker is silent");
}

static enum metrics_found judge(struct keeper *k, const struct source_state *pg, int64_t position,
                                const char *cluster, char *why, size_t why_bytes)
{
    struct verdict_range *ranges = arena_alloc(k->arena, (pg->outbox_count + 1) * sizeof *ranges);
    for (size_t i = 0; i < pg->outbox_count; i++)
        ranges[i] = (struct verdict_range){pg->outbox[i].from, pg->outbox[i].to};
    struct verdict_input in = {.topic = HTTP_SOURCE,
                               .partition = 0,
                               .has_row = pg->found,
                               .stored = pg->stored,
                               .row_cluster = pg->cluster,
                               .cluster = cluster,
                               .low = 0,
                               .high = INT64_MAX,
                               .published = position,
                               .outbox = ranges,
                               .outbox_count = pg->outbox_count};
    return verdict_of(&in, why, why_bytes);
}

static bool refuse(struct keeper *k, const char *why)
{
    int64_t now = instant_ticks();
    if (!k->refused)
        metrics_takeover(FOUND_REFUSED);
    health_wait(HEALTH_PARTITIONS, k->owner, HTTP_SOURCE "[0]");
    if (!k->refused || now - k->said >= REMIND_MS) {
        k->said = now;
        log_line(LOG_ERROR, "partition refused", "topic=" HTTP_SOURCE " partition=0 why=\"%s\"",
                 why);
    }
    k->refused = true;
    atomic_store(&refuses, true);
    k->next_look = now + LOOK_AGAIN_MS;
    return true;
}

static void stop_refusing(struct keeper *k)
{
    if (k->refused)
        health_go(HEALTH_PARTITIONS, k->owner);
    k->refused = false;
    atomic_store(&refuses, false);
}

/* A position is committed before the row is there, and again where Kafka has forgotten it: so "a
 * row, nothing committed" always means forgotten. */
static bool act(struct keeper *k, enum metrics_found found, const struct source_state *pg,
                int64_t position, const char *cluster, struct err *err)
{
    unsigned char nobody[16] = {0};
    bool inserted;
    k->published = position >= 0 ? position : pg->found ? pg->stored : 0;
    if (!commit_alone(k, k->published, err))
        return false;
    failpoint("http-before-first-row");
    if (found == FOUND_FIRST &&
        (!source_insert(k->db, HTTP_SOURCE, 0, nobody, k->published, cluster, &inserted, err) ||
         !(inserted || err_set(err, ERR_RETRY, "the row of " HTTP_SOURCE " appeared meanwhile"))))
        return false;
    if (!http_source_clean(k->db, k->published, err) || /* what the one before has published */
        !http_source_accept(k->db, err))
        return false;
    stop_refusing(k);
    k->open = true;
    metrics_takeover(found);
    log_line(LOG_INFO, "source " HTTP_SOURCE " taken over",
             "found=%s stored=%" PRId64 " published=%" PRId64, metrics_found_names[found],
             pg->found ? pg->stored : k->published, k->published);
    return true;
}

/* init_transactions, then the position, then the outbox: the other way round, what the one before
 * still commits would be published again. A refusal is believed on a second look. */
static bool take_over(struct keeper *k, struct err *err)
{
    struct source_state pg;
    int64_t position;
    char why[VERDICT_WHY];
    enum metrics_found found = FOUND_COUNT;
    if (!http_mark_take(k->mark, err))
        return false;
    rd_kafka_t *client = producer_client(http_mark_producer(k->mark));
    char *cluster = rd_kafka_clusterid(client, CLUSTER_MS);
    if (!cluster)
        return err_set(err, ERR_RETRY, "no broker has told the cluster's id");
    bool ok = true;
    for (int look = 0; ok && look < 2 && (found == FOUND_COUNT || found == FOUND_REFUSED); look++) {
        ok = http_mark_read(k->mark, &position, err) &&
             source_look(k->db, HTTP_SOURCE, 0, k->arena, &pg, err);
        if (ok)
            found = judge(k, &pg, position, cluster, why, sizeof why);
    }
    ok = ok &&
         (found == FOUND_REFUSED ? refuse(k, why) : act(k, found, &pg, position, cluster, err));
    rd_kafka_mem_free(client, cluster);
    return ok;
}

/* --- publishing --- */

static bool publish_rows(struct keeper *k, const struct source_row_outbox *rows, size_t n,
                         struct err *err)
{
    uint64_t counts[OUTBOX_TOPICS] = {0};
    struct producer *producer = http_mark_producer(k->mark);
    int64_t to = rows[n - 1].to;
    failpoint("http-before-publish");
    if (!producer_begin(producer, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!publish_send(producer, k->settings, rows[i].messages, counts, err))
            return false;
    if (!http_mark_commit(k->mark, to, err))
        return false;
    k->next_renew = instant_ticks() + RENEW_MS;
    k->published = to;
    publish_count(counts);
    failpoint("http-before-clean");
    return http_source_clean(k->db, to, err);
}

/* One transaction's worth. *all: there was nothing. */
static bool publish_once(struct keeper *k, bool *all, struct err *err)
{
    struct source_row_outbox rows[SOURCE_ROWS];
    size_t n;
    arena_reset(k->arena);
    if (!source_rows(k->db, HTTP_SOURCE, 0, k->published, k->arena, rows, &n, err))
        return false;
    *all = n == 0;
    if (*all)
        return true;
    if (rows[0].from != k->published)
        return err_set(err, ERR_RETRY,
                       "outbox rows of " HTTP_SOURCE " begin at %" PRId64 ", and %" PRId64
                       " is published",
                       rows[0].from, k->published);
    return publish_rows(k, rows, n, err);
}

/* Clients that write without a pause would keep it here for ever. */
static bool publish(struct keeper *k, struct err *err)
{
    bool all = false;
    int64_t end = instant_ticks() + TURN_MS;
    while (!all && instant_ticks() < end && !stop_asked())
        if (!publish_once(k, &all, err))
            return false;
    k->more = k->more || !all;
    return true;
}

/* The stop is not looked at: what is stored by now goes out, if Kafka takes it at once. What others
 * write meanwhile is the next process's. */
static bool publish_last(struct keeper *k, struct err *err)
{
    struct source_state pg;
    bool all = false;
    int64_t end = instant_ticks() + LAST_MS;
    arena_reset(k->arena);
    if (!source_look(k->db, HTTP_SOURCE, 0, k->arena, &pg, err))
        return false;
    while (!all && k->published < pg.stored) {
        if (instant_ticks() >= end)
            return err_set(err, ERR_RETRY, "there is more than goes out in %d ms", (int)LAST_MS);
        if (!publish_once(k, &all, err))
            return false;
    }
    return true;
}

/* What it writes is published in between, so that the outbox stays small. */
static bool sweep(struct keeper *k, struct err *err)
{
    const struct changes *done;
    bool more = true;
    int64_t now = instant_ticks();
    if (now < k->next_sweep)
        return true;
    k->next_sweep = 0; /* at the next step, or a failure would look well */
    while (more && instant_ticks() < now + TURN_MS && !stop_asked()) {
        if (!sweep_once(k->sweep, &done, &more, err))
            return false;
        health_beat(k->owner);
        if (done)
            counts_parked(done);
        if (!publish(k, err))
            return false;
    }
    if (!more)
        k->next_sweep = now + k->settings->parked_sweep_ms;
    k->more = k->more || more;
    return true;
}

/* Answers that are too old to be asked for again. */
static bool expire(struct keeper *k, struct err *err)
{
    bool more = true;
    int64_t now = instant_ticks(), keep = k->settings->http_idempotency_keep_ms;
    if (now < k->next_expire)
        return true;
    k->next_expire = now + (keep < EXPIRE_MS ? keep : EXPIRE_MS);
    while (more && !stop_asked()) {
        if (!idempotency_expire(k->db, instant_now() - keep, &more, err))
            return false;
        health_beat(k->owner);
    }
    return true;
}

/* --- the thread --- */

static bool lock(struct keeper *k, struct err *err)
{
    bool ours;
    if (k->ours)
        return true;
    if (!db_open(k->db, err) ||
        !http_source_lock(k->db, k->settings->session_timeout_ms, &ours, err))
        return false;
    k->ours = ours;
    return !ours || sweep_begin(k->sweep, err);
}

static void let_go(struct keeper *k)
{
    db_close(k->db); /* and with it the lock */
    http_mark_let_go(k->mark);
    k->ours = k->open = false;
    k->next_look = 0; /* perhaps somebody has accepted what we refuse */
}

/* The session stays: as long as it lasts, no process takes a change. */
static bool stay_refused(struct keeper *k, struct err *err)
{
    bool told;
    http_mark_let_go(k->mark);
    k->ours = k->open = false;
    if (!http_source_refuse(k->db, &told, err))
        return false;
    if (!told) /* somebody was writing */
        k->next_look = instant_ticks() + TICK_MS;
    return true;
}

/* Whoever holds the lock says what is the matter. */
static bool follow(struct keeper *k, struct err *err)
{
    bool refused;
    if (!k->refused)
        return true;
    if (!http_source_refused(k->db, &refused, err))
        return false;
    if (refused)
        k->next_look = instant_ticks() + LOOK_AGAIN_MS;
    else
        stop_refusing(k);
    return true;
}

static bool step(struct keeper *k, struct err *err)
{
    k->more = false;
    if (k->refused && instant_ticks() < k->next_look)
        return true;
    if (!lock(k, err))
        return false;
    if (!k->ours)
        return follow(k, err);
    arena_reset(k->arena);
    if (!k->open && !take_over(k, err))
        return false;
    if (k->refused) /* whoever mends it asks for the lock */
        return stay_refused(k, err);
    if (!publish(k, err) || !sweep(k, err) || !expire(k, err))
        return false;
    /* A new producer is a takeover: it would fence a successor that we have not heard of. */
    if (producer_is_long(http_mark_producer(k->mark)))
        k->open = false;
    return instant_ticks() < k->next_renew || commit_alone(k, k->published, err);
}

/* What fails here mostly fails everywhere, and the workers say it; only what lasts, and what nobody
 * else waits for, is said of this thread. */
static void say_failing(struct keeper *k, const struct err *err)
{
    bool postgres = err->part && strcmp(err->part, "postgres") == 0;
    enum health_key key = postgres ? HEALTH_POSTGRES : HEALTH_KAFKA;
    char text[400];
    int64_t now = instant_ticks();
    if (k->failing_since == 0)
        k->failing_since = now;
    log_line(LOG_DEBUG, "source " HTTP_SOURCE " is let go", "sqlstate=%s why=\"%s\"", err->state,
             err->text);
    if (now - k->failing_since < SAY_MS)
        return;
    bool others = health_waits(key);
    snprintf(text, sizeof text, "source " HTTP_SOURCE ": %s%s%.320s", err->state,
             err->state[0] ? " " : "", err->text);
    if (health_wait(key, k->owner, text) && !others && !stop_asked()) {
        k->told = true;
        log_line(LOG_WARNING, "waiting", "for=%s why=\"%s\"", postgres ? "postgres" : "kafka",
                 text);
    }
}

static void say_going(struct keeper *k)
{
    k->failing_since = 0;
    k->failures = 0;
    bool postgres = health_go(HEALTH_POSTGRES, k->owner), kafka = health_go(HEALTH_KAFKA, k->owner);
    if ((postgres || kafka) && k->told && !stop_asked())
        log_line(LOG_INFO, "going on", "after=%s", postgres ? "postgres" : "kafka");
    k->told = false;
}

static int wait_ms(const struct keeper *k)
{
    if (k->failures == 0 && k->more)
        return 0;
    if (k->failures == 0)
        return k->settings->parked_sweep_ms < TICK_MS ? k->settings->parked_sweep_ms : TICK_MS;
    int ms = BACKOFF_MS;
    for (int i = 1; i < k->failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

bool keeper_refuses(void)
{
    return atomic_load(&refuses);
}

void keeper_wake(void)
{
    uint64_t one = 1;
    ssize_t written = wake_fd >= 0 ? write(wake_fd, &one, sizeof one) : 0;
    (void)written; /* full: it is awake */
}

/* True: the stop is asked. After a failure nobody's wish makes the wait shorter. */
static bool pause_for(struct keeper *k)
{
    struct pollfd fds[] = {{.fd = stop_fd(), .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    uint64_t times;
    if (!stop_asked() && poll(fds, k->failures == 0 ? 2 : 1, wait_ms(k)) > 0 &&
        (fds[1].revents & POLLIN)) {
        ssize_t taken = read(wake_fd, &times, sizeof times);
        (void)taken;
    }
    return stop_asked();
}

static void live(struct keeper *k)
{
    do {
        struct err err = {0};
        health_beat(k->owner);
        if (step(k, &err)) {
            say_going(k);
            continue;
        }
        if (stop_asked())
            break;
        if (err.kind == ERR_FATAL) {
            health_end(&err);
            break;
        }
        k->failures++;
        let_go(k);
        say_failing(k, &err);
    } while (!pause_for(k));
}

/* While PostgreSQL is waited for, and in a long search of the sweep. */
static void breathe(void *keeper, int waited_ms)
{
    (void)waited_ms;
    struct keeper *k = keeper;
    health_beat(k->owner);
}

static void *run(void *arg)
{
    struct keeper *k = arg;
    const struct settings *s = k->settings;
    struct err err = {0};
    char name[300];
    log_set_thread("keeper");
    health_watch(k->owner, WATCH_MS);
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    k->db = db_new(&(struct db_options){
        .url = s->database_url, .application_name = name, .idle = breathe, .idle_arg = k});
    k->sweep = sweep_new(k->db, k->changes);
    k->arena = arena_new(ARENA_BLOCK);
    k->mark = http_mark_new(s, idle, k);
    live(k);
    if (k->open && !publish_last(k, &err))
        log_line(LOG_INFO, "what was written through " HTTP_SOURCE " is left to the next process",
                 "why=\"%s\"", err.text);
    http_mark_free(k->mark);
    sweep_free(k->sweep);
    db_free(k->db);
    arena_free(k->arena);
    health_unwatch(k->owner);
    return NULL;
}

struct keeper *keeper_start(const struct settings *s, const struct changes_settings *changes,
                            int owner)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        abort();
    k->settings = s;
    k->changes = changes;
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        abort();
    k->owner = owner;
    if (pthread_create(&k->thread, NULL, run, k) != 0)
        abort();
    return k;
}

void keeper_join(struct keeper *k)
{
    pthread_join(k->thread, NULL);
    free(k);
}
