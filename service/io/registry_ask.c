/* The threads that ask the registry, one question at a time each. */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <utlist.h>

#include "base/instant.h"
#include "base/stop.h"
#include "io/registry_answer.h"
#include "io/registry_parts.h"

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000 };

/* --- waiting ---------------------------------------------------------------------------------- */

/* Twice the last pause, and a random part of it taken off, so that instances do not ask in step. */
static int next_pause(int *pause_ms)
{
    uint16_t random = 0;
    *pause_ms = *pause_ms == 0                 ? PAUSE_MIN_MS
                : 2 * *pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS
                                               : 2 * *pause_ms;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random = 0;
    return *pause_ms - *pause_ms / 4 * random / UINT16_MAX;
}

void registry_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ticks)
{
    struct timespec at = {.tv_sec = ticks / 1000, .tv_nsec = ticks % 1000 * 1000000};
    pthread_cond_timedwait(cond, lock, &at);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* The first that is due; NULL: none is, and *next says when one will be (INT64_MAX: not known).
 * What is not due is in its back-off, so somebody waits for it: those are a few. While there is
 * silence, one question at a time is enough to see whether it is over. */
static struct entry *find_due(const struct registry *r, int64_t now, int64_t *next)
{
    *next = INT64_MAX;
    if (!r->queue || (r->silent_pause_ms > 0 && r->asking > 0))
        return NULL;
    if (r->silent_until > now) {
        *next = r->silent_until;
        return NULL;
    }
    for (struct entry *e = r->queue; e; e = e->next) {
        if (e->asking_since == 0 && e->ask_at <= now)
            return e;
        if (e->asking_since == 0 && e->ask_at < *next)
            *next = e->ask_at;
    }
    return NULL;
}

void registry_schema_free(struct registry_schema *s)
{
    if (s)
        plan_free((struct plan *)s->plan);
    free(s);
}

static struct registry_schema *schema_new(const struct registry *r, uint32_t id,
                                          const struct registry_parsed *p)
{
    struct registry_schema *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->id = (int32_t)id;
    s->why = p->why;
    if (p->kind == REGISTRY_ANSWER_SCHEMA)
        s->plan = plan_new(p->text, strlen(p->text), r->shapes, &s->why);
    return s;
}

/* Asks once, and compiles the schema, without the lock. */
static struct registry_parsed ask(const struct asker *asker, uint32_t id,
                                  struct registry_schema **schema)
{
    const struct registry *r = asker->registry;
    struct buf url = {0};
    struct fetch_answer answer;
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_AWAY};
    buf_printf(&url, "%s/schemas/ids/%u", r->url, id);
    if (fetch_run(asker->fetch, buf_text(&url), REGISTRY_ACCEPTED, NULL, NULL, &answer, &p.why))
        p = registry_answer_schema(&answer);
    else
        p.why.code = (int)answer.status; /* 0: silence */
    fetch_answer_fini(&answer);
    buf_fini(&url);
    bool is_schema = p.kind == REGISTRY_ANSWER_SCHEMA || p.kind == REGISTRY_ANSWER_UNSUPPORTED;
    *schema = is_schema ? schema_new(r, id, &p) : NULL;
    free(p.text);
    return p;
}

static void note_silence(struct registry *r, const struct err *why, int64_t now)
{
    r->silences++;
    r->silent_until = now + next_pause(&r->silent_pause_ms);
    r->silent_why = *why;
    /* It may come back empty: what it did not know before says nothing. */
    for (struct entry *e = r->entries; e; e = e->hh.next)
        if (e->unknown_until <= now)
            e->first_unknown = 0;
}

static void note_unknown(const struct registry *r, struct entry *e, int64_t now)
{
    if (e->first_unknown == 0)
        e->first_unknown = now;
    int64_t end = e->first_unknown + r->unknown_wait_ms;
    if (now >= end)
        e->unknown_until = now + REGISTRY_UNKNOWN_KEPT_MS;
    else if (e->ask_at > end)
        e->ask_at = end; /* the last question is asked when the time is up */
}

/* Takes `schema`, which may be NULL. */
static void note_answer(const struct registry *r, struct entry *e, const struct registry_parsed *p,
                        struct registry_schema *schema, int64_t now)
{
    e->answered = e->asking_since;
    e->asking_since = 0;
    e->schema = schema;
    e->why = p->why;
    e->ask_at =
        now +
        next_pause(&e->pause_ms); /* also while there is silence, so that others get their turn */
    if (p->kind == REGISTRY_ANSWER_AWAY)
        e->first_unknown = 0;
    else if (!schema)
        note_unknown(r, e, now);
}

/* An unusable answer with a status may be about this one id: it must not hold up the others, as
 * silence does. All that were on their way when it fell silent are one silence. */
static void note(struct registry *r, struct entry *e, const struct registry_parsed *p,
                 struct registry_schema *schema)
{
    int64_t now = instant_ticks();
    bool away = p->kind == REGISTRY_ANSWER_AWAY;
    if (away && p->why.code == 0) {
        if (r->silent_until <= now)
            note_silence(r, &p->why, now);
    } else if (r->silent_pause_ms > 0) {
        r->silent_until = r->silent_pause_ms = 0;
        pthread_cond_broadcast(&r->work);
    }
    note_answer(r, e, p, schema, now);
    pthread_cond_broadcast(&r->answered);
}

/* With the lock, which is let go while the registry is asked. */
static void ask_and_note(const struct asker *asker, struct entry *e)
{
    struct registry *r = asker->registry;
    struct registry_schema *schema;
    DL_DELETE(r->queue, e);
    e->queued = false;
    e->asking_since = instant_ticks();
    r->asking++;
    pthread_mutex_unlock(&r->lock);
    struct registry_parsed p = ask(asker, e->id, &schema);
    pthread_mutex_lock(&r->lock);
    r->asking--;
    note(r, e, &p, schema);
}

static void *work(void *arg)
{
    const struct asker *asker = arg;
    struct registry *r = asker->registry;
    pthread_mutex_lock(&r->lock);
    while (!r->quit && !stop_asked()) {
        int64_t next;
        struct entry *e = find_due(r, instant_ticks(), &next);
        if (e)
            ask_and_note(asker, e);
        else if (next == INT64_MAX)
            pthread_cond_wait(&r->work, &r->lock);
        else
            registry_wait_until(&r->work, &r->lock, next);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

bool registry_askers_start(struct registry *r, const struct registry_options *options)
{
    for (int i = 0; i < REGISTRY_ASKERS; i++) {
        struct asker *a = &r->askers[i];
        *a = (struct asker){.registry = r, .fetch = fetch_new(options->user, options->password)};
        if (pthread_create(&a->thread, NULL, work, a) != 0) {
            fetch_free(a->fetch);
            return false;
        }
        r->asker_count++;
    }
    return true;
}

void registry_askers_end(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    r->quit = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->asker_count; i++)
        fetch_cancel(r->askers[i].fetch);
    for (int i = 0; i < r->asker_count; i++) {
        pthread_join(r->askers[i].thread, NULL);
        fetch_free(r->askers[i].fetch);
    }
}
