#include "io/registry.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/instant.h"
#include "base/stop.h"
#include "io/registry_answer.h"
#include "io/registry_parts.h"

enum {
    KEPT_MS = 5000, /* a caller that waits looks again more often than this */
    STOP_LOOK_MS = 200
};

static const char sent[] = "application/vnd.schemaregistry.v1+json";

/* --- entries -------------------------------------------------------------------------------- */

static void drop(struct registry *r, struct entry *e)
{
    /* uthash frees its table with the last entry. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL(r->entries, e);
    registry_schema_free(e->schema);
    free(e);
}

static bool is_needed(const struct entry *e, int64_t now)
{
    return e->schema || e->queued || e->asking_since > 0 || e->waiting > 0 || e->kept_until > now;
}

/* Ids without a schema make room for new ones, the oldest first: nobody has a pointer to them. */
static bool make_room(struct registry *r, int64_t now)
{
    if (HASH_COUNT(r->entries) < REGISTRY_ENTRIES_MAX)
        return true;
    for (struct entry *e = r->entries; e; e = e->hh.next)
        if (!is_needed(e, now)) {
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

enum place { AS_IT_IS, LAST, FIRST };

/* What is on its way may be new enough. Those that somebody comes back for are the first: they are
 * few, their back-off bounds how often they are asked for, and a partition waits for each. */
static void want(struct registry *r, struct entry *e, int64_t since, enum place place)
{
    if (e->asking_since > 0 && e->asking_since >= since)
        return;
    if (e->queued && place != AS_IT_IS)
        DL_DELETE(r->queue, e);
    if (place == FIRST)
        DL_PREPEND(r->queue, e);
    else if (place == LAST || !e->queued)
        DL_APPEND(r->queue, e);
    e->queued = true;
    pthread_cond_signal(&r->work);
}

/* --- looking up ----------------------------------------------------------------------------- */

/* What the registry did not know long ago is asked anew, and has the whole time again to become
 * known. */
static void forget_old(const struct registry *r, struct entry *e, int64_t now)
{
    bool kept = e->unknown_until > now;
    bool stale = e->first_unknown > 0 &&
                 now - e->first_unknown > (int64_t)r->unknown_wait_ms + REGISTRY_UNKNOWN_KEPT_MS;
    if (!kept && (e->unknown_until > 0 || stale)) {
        e->first_unknown = e->unknown_until = e->answered = 0;
        e->pause_ms = 0;
        e->ask_at = now;
    }
}

static bool is_settled(const struct entry *e, int64_t now)
{
    return e->schema || e->unknown_until > now;
}

static bool is_fresh(const struct entry *e, int64_t since)
{
    return e->answered > 0 && e->answered >= since;
}

static enum registry_answer answer_of(const struct registry *r, const struct entry *e,
                                      int64_t since, int64_t now,
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
    else if (e->answered > 0)
        *why = e->why;
    else
        err_set(why, ERR_RETRY, "no answer yet");
    return r->silent_pause_ms == 0 && e->first_unknown > 0 && is_fresh(e, since) ? REGISTRY_NOT_YET
                                                                                 : REGISTRY_AWAY;
}

/* NULL: there are too many. */
static struct entry *look_up(struct registry *r, int32_t id, int64_t now, struct err *why)
{
    struct entry *e = entry_of(r, (uint32_t)id, now);
    if (e)
        forget_old(r, e, now);
    else
        err_set(why, ERR_RETRY, "more than %d schema ids are in use", REGISTRY_ENTRIES_MAX);
    return e;
}

/* Until there is an answer, or silence. Returns when that was. */
static int64_t wait_for(struct registry *r, struct entry *e, int64_t since, int64_t now,
                        int wait_ms)
{
    int64_t end = now + wait_ms;
    uint64_t silences = r->silences;
    e->waiting++;
    while (!is_settled(e, now) && !is_fresh(e, since) && r->silences == silences && now < end &&
           !stop_asked()) {
        registry_wait_until(&r->answered, &r->lock,
                            end < now + STOP_LOOK_MS ? end : now + STOP_LOOK_MS);
        now = instant_ticks();
    }
    e->waiting--;
    return now;
}

enum registry_answer registry_find(struct registry *r, int32_t id, int64_t since, int wait_ms,
                                   const struct registry_schema **schema, struct err *why)
{
    enum registry_answer answer = REGISTRY_AWAY;
    pthread_mutex_lock(&r->lock);
    int64_t now = instant_ticks();
    struct entry *e = look_up(r, id, now, why);
    if (e && !is_settled(e, now) && !is_fresh(e, since)) {
        want(r, e, since, AS_IT_IS);
        now = wait_for(r, e, since, now, wait_ms);
    }
    if (e)
        answer = answer_of(r, e, since, now, schema, why);
    pthread_mutex_unlock(&r->lock);
    return answer;
}

void registry_ask(struct registry *r, int32_t id, int64_t since)
{
    struct err why;
    pthread_mutex_lock(&r->lock);
    int64_t now = instant_ticks();
    struct entry *e = look_up(r, id, now, &why);
    if (e && !is_settled(e, now) && !is_fresh(e, since))
        want(r, e, since, LAST);
    pthread_mutex_unlock(&r->lock);
}

enum registry_answer registry_again(struct registry *r, int32_t id, int64_t since,
                                    const struct registry_schema **schema, struct err *why)
{
    enum registry_answer answer = REGISTRY_AWAY;
    pthread_mutex_lock(&r->lock);
    int64_t now = instant_ticks();
    struct entry *e = look_up(r, id, now, why);
    if (e && !is_settled(e, now))
        want(r, e, since, FIRST);
    if (e) {
        e->kept_until = now + KEPT_MS;
        answer = answer_of(r, e, since, now, schema, why);
    }
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
    if (fetch_run(r->subject_fetch, buf_text(&url), REGISTRY_ACCEPTED, body, sent, &answer, &p.why))
        p = registry_answer_subject(&answer);
    fetch_answer_fini(&answer);
    buf_fini(&url);
    free(body);
    json_decref(object);
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
    r->subject_fetch = fetch_new(options->user, options->password);
    init_locks(r);
    if (registry_askers_start(r, options))
        return r;
    err_set(err, ERR_FATAL, "the system has no thread for the registry");
    registry_free(r);
    return NULL;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_askers_end(r);
    for (struct entry *e = r->entries, *next; e; e = next) {
        next = e->hh.next;
        drop(r, e);
    }
    fetch_free(r->subject_fetch);
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->answered);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->subject_lock);
    free(r->url);
    free(r);
}
