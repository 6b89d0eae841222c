#include "io/registry.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#define uthash_fatal(message) abort()
#include <uthash.h>

#include "base/instant.h"
#include "base/stop.h"
#include "io/fetch.h"
#include "io/registry_answer.h"

enum {
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 5000,
    UNKNOWN_KEPT_MS = 60000,
    WANTED_MS = 5000, /* a caller that waits asks again more often than this */
    STOP_LOOK_MS = 200
};

static const char accepted[] = "application/vnd.schemaregistry.v1+json, application/json";
static const char sent[] = "application/vnd.schemaregistry.v1+json";

/* Times are instant_ticks(); 0: not so. */
struct entry {
    uint32_t id;
    struct registry_schema *schema; /* NULL until found; then nothing changes any more */
    int64_t wanted_until;           /* somebody waits */
    int64_t ask_at;
    int64_t
        first_unknown; /* since when the registry says, without a break, that there is no such id */
    int64_t unknown_until; /* it has said so for long enough */
    int pause_ms;          /* before it is asked again */
    uint64_t answers;      /* so far, to see a fresh one */
    struct err why;        /* of the last one that was no schema */
    UT_hash_handle hh;
};

struct registry {
    char *url;
    const struct shape *const *shapes;
    int unknown_wait_ms;

    pthread_mutex_t lock; /* for all up to `thread` */
    pthread_cond_t work, answered;
    struct entry *entries;
    bool quit;
    int64_t silent_until; /* it does not answer at all: nothing is asked before */
    int silent_pause_ms;  /* 0: it does */
    uint64_t silences;    /* so far */
    struct err silent_why;

    pthread_t thread;
    struct fetch *fetch; /* the thread's */
    pthread_mutex_t subject_lock;
    struct fetch *subject_fetch;
    atomic_bool up;
    atomic_uint_fast64_t retries;
};

/* --- waiting -------------------------------------------------------------------------------- */

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

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ticks)
{
    struct timespec at = {.tv_sec = ticks / 1000, .tv_nsec = ticks % 1000 * 1000000};
    pthread_cond_timedwait(cond, lock, &at);
}

/* --- entries -------------------------------------------------------------------------------- */

static void schema_free(struct registry_schema *s)
{
    if (s)
        plan_free((struct plan *)s->plan);
    free(s);
}

static void drop(struct registry *r, struct entry *e)
{
    /* uthash frees its table with the last entry. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL(r->entries, e);
    schema_free(e->schema);
    free(e);
}

/* Ids without a schema make room for new ones, the oldest first: nobody has a pointer to them. */
static bool make_room(struct registry *r, int64_t now)
{
    if (HASH_COUNT(r->entries) < REGISTRY_ENTRIES_MAX)
        return true;
    for (struct entry *e = r->entries; e; e = e->hh.next)
        if (!e->schema && e->wanted_until <= now) {
            drop(r, e);
            return true;
        }
    return false;
}

static struct entry *entry_of(struct registry *r, uint32_t id, int64_t now)
{
    struct entry *e;
    HASH_FIND(hh, r->entries, &id, sizeof id, e);
    if (e || !make_room(r, now))
        return e;
    e = calloc(1, sizeof *e);
    if (!e)
        abort();
    e->id = id;
    e->ask_at = now;
    HASH_ADD(hh, r->entries, id, sizeof e->id, e);
    return e;
}

/* --- the fetching thread -------------------------------------------------------------------- */

/* The entry that has waited longest; NULL: none is due, and *next says when one will be (INT64_MAX:
 * not known). */
static struct entry *find_due(const struct registry *r, int64_t now, int64_t *next)
{
    struct entry *due = NULL;
    *next = INT64_MAX;
    for (struct entry *e = r->entries; e; e = e->hh.next) {
        if (e->schema || e->wanted_until <= now || e->unknown_until > now)
            continue;
        int64_t at = e->ask_at > r->silent_until ? e->ask_at : r->silent_until;
        if (at < *next)
            *next = at;
        if (at <= now && (!due || e->ask_at < due->ask_at))
            due = e;
    }
    return due;
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
static struct registry_parsed ask(struct registry *r, uint32_t id, struct registry_schema **schema)
{
    struct buf url = {0};
    struct fetch_answer answer;
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_AWAY};
    buf_printf(&url, "%s/schemas/ids/%u", r->url, id);
    if (fetch_run(r->fetch, buf_text(&url), accepted, NULL, NULL, &answer, &p.why))
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
        e->unknown_until = now + UNKNOWN_KEPT_MS;
    else if (e->ask_at > end)
        e->ask_at = end; /* the last question is asked when the time is up */
}

/* Takes `schema`, which may be NULL. */
static void note_answer(const struct registry *r, struct entry *e, const struct registry_parsed *p,
                        struct registry_schema *schema, int64_t now)
{
    e->answers++;
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
 * silence does. */
static void note(struct registry *r, uint32_t id, const struct registry_parsed *p,
                 struct registry_schema *schema)
{
    int64_t now = instant_ticks();
    struct entry *e =
        entry_of(r, id, now); /* it may have been dropped while the registry was asked */
    bool away = p->kind == REGISTRY_ANSWER_AWAY;
    atomic_store(&r->up, !away);
    if (away)
        atomic_fetch_add(&r->retries, 1);
    if (away && p->why.code == 0)
        note_silence(r, &p->why, now);
    else
        r->silent_until = r->silent_pause_ms = 0;
    if (e)
        note_answer(r, e, p, schema, now);
    else
        schema_free(schema);
    pthread_cond_broadcast(&r->answered);
}

static void *work(void *arg)
{
    struct registry *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->quit && !stop_asked()) {
        int64_t next;
        struct entry *e = find_due(r, instant_ticks(), &next);
        if (!e) {
            if (next == INT64_MAX)
                pthread_cond_wait(&r->work, &r->lock);
            else
                wait_until(&r->work, &r->lock, next);
            continue;
        }
        uint32_t id = e->id;
        struct registry_schema *schema;
        pthread_mutex_unlock(&r->lock);
        struct registry_parsed p = ask(r, id, &schema);
        pthread_mutex_lock(&r->lock);
        note(r, id, &p, schema);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* --- looking up ----------------------------------------------------------------------------- */

/* What the registry did not know long ago is asked anew, and has the whole time again to become
 * known. */
static void forget_old(const struct registry *r, struct entry *e, int64_t now)
{
    bool kept = e->unknown_until > now;
    bool stale = e->first_unknown > 0 &&
                 now - e->first_unknown > (int64_t)r->unknown_wait_ms + UNKNOWN_KEPT_MS;
    if (!kept && (e->unknown_until > 0 || stale)) {
        e->first_unknown = e->unknown_until = 0;
        e->pause_ms = 0;
        e->ask_at = now;
    }
}

static bool is_settled(const struct entry *e, int64_t now)
{
    return e->schema || e->unknown_until > now;
}

static enum registry_answer answer_of(const struct registry *r, const struct entry *e, int64_t now,
                                      const struct registry_schema **schema, struct err *why)
{
    if (e->schema) {
        *schema = e->schema;
        return REGISTRY_FOUND;
    }
    if (e->unknown_until > now) {
        *why = e->why;
        return REGISTRY_UNKNOWN;
    }
    if (r->silent_pause_ms > 0)
        *why = r->silent_why;
    else if (e->answers > 0)
        *why = e->why;
    else
        err_set(why, ERR_RETRY, "no answer yet");
    return r->silent_pause_ms == 0 && e->first_unknown > 0 ? REGISTRY_NOT_YET : REGISTRY_AWAY;
}

enum registry_answer registry_find(struct registry *r, int32_t id, int wait_ms,
                                   const struct registry_schema **schema, struct err *why)
{
    pthread_mutex_lock(&r->lock);
    int64_t now = instant_ticks(), end = now + wait_ms;
    struct entry *e = entry_of(r, (uint32_t)id, now);
    if (!e) {
        pthread_mutex_unlock(&r->lock);
        err_set(why, ERR_RETRY, "more than %d schema ids are in use", REGISTRY_ENTRIES_MAX);
        return REGISTRY_AWAY;
    }
    forget_old(r, e, now);
    if (!is_settled(e, now)) {
        e->wanted_until = now + (wait_ms > WANTED_MS ? wait_ms : WANTED_MS);
        pthread_cond_signal(&r->work);
    }
    uint64_t answers = e->answers, silences = r->silences;
    while (!is_settled(e, now) && e->answers == answers && r->silences == silences && now < end &&
           !stop_asked()) {
        wait_until(&r->answered, &r->lock, end < now + STOP_LOOK_MS ? end : now + STOP_LOOK_MS);
        now = instant_ticks();
    }
    enum registry_answer answer = answer_of(r, e, now, schema, why);
    pthread_mutex_unlock(&r->lock);
    return answer;
}

bool registry_first_look(const struct registry_schema *schema)
{
    /* The one thing about it that changes; it was never a constant object. */
    return !atomic_flag_test_and_set(&((struct registry_schema *)schema)->looked_at);
}

/* --- subjects ------------------------------------------------------------------------------- */

/* POST of {"schema": "..."}. */
static struct registry_parsed post(struct registry *r, const char *subject, const char *more,
                                   const char *schema)
{
    struct buf url = {0};
    struct fetch_answer answer;
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_AWAY};
    json_t *object = json_pack("{s:s}", "schema", schema);
    char *body = json_dumps(object, JSON_COMPACT);
    if (!body)
        abort();
    buf_printf(&url, "%s/subjects/", r->url);
    fetch_escape(&url, subject);
    buf_str(&url, more);
    if (fetch_run(r->subject_fetch, buf_text(&url), accepted, body, sent, &answer, &p.why))
        p = registry_answer_subject(&answer);
    fetch_answer_fini(&answer);
    buf_fini(&url);
    free(body);
    json_decref(object);
    atomic_store(&r->up, p.kind != REGISTRY_ANSWER_AWAY);
    if (p.kind == REGISTRY_ANSWER_AWAY)
        atomic_fetch_add(&r->retries, 1);
    return p;
}

bool registry_subject(struct registry *r, const char *subject, const char *schema,
                      bool may_register, int32_t *id, struct err *err)
{
    pthread_mutex_lock(&r->subject_lock);
    struct registry_parsed p = post(r, subject, "", schema);
    bool absent = p.kind == REGISTRY_ANSWER_UNKNOWN;
    if (absent && may_register)
        p = post(r, subject, "/versions", schema);
    if (absent && p.kind == REGISTRY_ANSWER_REFUSED) {
        /* Two processes that start at once may both find it absent, and Apicurio refuses the slower
         * one (409). */
        struct registry_parsed again = post(r, subject, "", schema);
        if (again.kind == REGISTRY_ANSWER_ID)
            p = again;
    }
    pthread_mutex_unlock(&r->subject_lock);
    *id = p.id;
    *err = p.why;
    switch (p.kind) {
    case REGISTRY_ANSWER_ID:
        return true;
    case REGISTRY_ANSWER_UNKNOWN:
        err->kind = ERR_FATAL;
        return may_register
                   ? err_wrap(err,
                              "the registry does not register a schema under %s "
                              "(registry.url must be the base of its Confluent API)",
                              subject)
                   : err_wrap(
                         err,
                         "subject %s lacks this program's schema and registry.register is false; "
                         "register it, or set registry.register=true",
                         subject);
    case REGISTRY_ANSWER_REFUSED:
        return err_wrap(err, "the registry refuses the schema of subject %s", subject);
    default:
        return err_wrap(err, "registry, subject %s", subject);
    }
}

/* --- life ----------------------------------------------------------------------------------- */

static void init_locks(struct registry *r)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->subject_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->work, &attr);
    pthread_cond_init(&r->answered, &attr);
    pthread_condattr_destroy(&attr);
}

struct registry *registry_new(const struct registry_options *options, struct err *err)
{
    struct registry *r = calloc(1, sizeof *r);
    if (!r || !(r->url = strdup(options->url)))
        abort();
    r->shapes = options->shapes;
    r->unknown_wait_ms = options->unknown_wait_ms;
    r->fetch = fetch_new(options->user, options->password);
    r->subject_fetch = fetch_new(options->user, options->password);
    init_locks(r);
    if (pthread_create(&r->thread, NULL, work, r) == 0)
        return r;
    err_set(err, ERR_FATAL, "the system has no thread for the registry");
    r->quit = true;
    registry_free(r);
    return NULL;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    if (!r->quit) {
        pthread_mutex_lock(&r->lock);
        r->quit = true;
        pthread_cond_signal(&r->work);
        pthread_mutex_unlock(&r->lock);
        fetch_cancel(r->fetch);
        pthread_join(r->thread, NULL);
    }
    for (struct entry *e = r->entries, *next; e; e = next) {
        next = e->hh.next;
        drop(r, e);
    }
    fetch_free(r->fetch);
    fetch_free(r->subject_fetch);
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->answered);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->subject_lock);
    free(r->url);
    free(r);
}

bool registry_up(const struct registry *r)
{
    return atomic_load(&r->up);
}

uint64_t registry_retries(const struct registry *r)
{
    return atomic_load(&r->retries);
}
