#include "usage/outcome.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/instant.h"

const char *const outcome_names[OUTCOME_COUNT] = {
#define OUTCOME_NAME(symbol, name) name,
    OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
};

static void is(struct verdict *out, enum outcome o)
{
    out->outcome = o;
}

static void dead(struct verdict *out, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void dead(struct verdict *out, enum reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->text, sizeof out->text, format, args);
    va_end(args);
    out->outcome = OUTCOME_DEAD;
    out->reason = reason;
}

static void dead_conflict_content(struct verdict *out, const struct change *c,
                                  const struct there *t)
{
    dead(out, REASON_CONFLICT,
         "the record has the identity of a stored usage but another content (digest %016llx, "
         "stored %016llx)",
         (unsigned long long)c->content, (unsigned long long)t->content);
}

static void raw_outcome(const struct change *c, const struct there *t, struct verdict *out)
{
    if (!t)
        is(out, OUTCOME_CREATED);
    else if (t->deleted || c->content == t->content)
        is(out, OUTCOME_DUPLICATE);
    else
        dead_conflict_content(out, c, t);
}

static bool bill_without_ratings(const struct change *c)
{
    return c->status == STATUS_BILLED && c->ratings.count == 0;
}

static void dead_incomplete(struct verdict *out)
{
    dead(out, REASON_INCOMPLETE,
         "ratedProductUsage is empty and the usage has none: status billed needs at least one");
}

static void nothing_there(const struct change *c, struct verdict *out)
{
    if (!c->usage)
        is(out, OUTCOME_PARKED);
    else if (bill_without_ratings(c))
        dead_incomplete(out);
    else
        is(out, OUTCOME_CREATED);
}

static bool applied_before(const struct change *c, const struct there *t)
{
    for (int i = 0; i < t->rated_count; i++)
        if (t->rated[i] == c->rated)
            return true;
    return false;
}

/* A record without ratings leaves the usage's alone, so it has no other rating to tell of. */
static bool has_already(const struct change *c, const struct usage *u)
{
    return c->status == u->status &&
           (c->ratings.count == 0 || usage_ratings_equal(&c->ratings, &u->ratings));
}

static void older_rating(const struct change *c, int64_t newest, struct verdict *out)
{
    if (c->status != STATUS_BILLED) {
        is(out, OUTCOME_SUPERSEDED);
        return;
    }
    char bill[INSTANT_CHARS], usage[INSTANT_CHARS]; /* a bill on an old price is money */
    instant_print(c->newest_rating, bill);
    instant_print(newest, usage);
    dead(out, REASON_CONFLICT, "the bill is on a rating of %s, but the usage has one of %s", bill,
         usage);
}

static void dead_same_status(const struct change *c, struct verdict *out)
{
    dead(out, REASON_CONFLICT, "the usage is %s already, with another rating than the record's",
         usage_status_names[c->status]);
}

static void dead_transition(const struct change *c, const char *from, struct verdict *out)
{
    dead(out, REASON_TRANSITION, "there is no transition from %s to %s", from,
         usage_status_names[c->status]);
}

/* The rows of the table from top to bottom. What is incomplete by itself comes before them, as
 * reason.h orders it. */
static void rated_outcome(const struct change *c, const struct there *t, struct verdict *out)
{
    const struct usage *u = &t->usage;
    int64_t newest = usage_newest_rating(&u->ratings);
    if (bill_without_ratings(c) && u->ratings.count == 0)
        dead_incomplete(out);
    else if (c->usage && c->content != t->content)
        dead_conflict_content(out, c, t);
    else if (applied_before(c, t) || has_already(c, u))
        is(out, OUTCOME_DUPLICATE);
    else if (c->newest_rating != INSTANT_NONE && newest > c->newest_rating)
        older_rating(c, newest, out);
    else if (c->status == STATUS_GUIDED && usage_is_priced(u->status))
        is(out, OUTCOME_SUPERSEDED);
    else if (c->status == u->status && c->status == STATUS_RERATED)
        is(out, OUTCOME_UPDATED);
    else if (c->status == u->status)
        dead_same_status(c, out);
    else if (usage_may_become(u->status, c->status, ROAD_INGEST))
        is(out, OUTCOME_CHANGED);
    else
        dead_transition(c, usage_status_names[u->status], out);
}

void outcome(const struct change *change, const struct there *there, struct verdict *out)
{
    *out = (struct verdict){.reason = REASON_NONE};
    if (change->kind != CHANGE_RATED)
        raw_outcome(change, there, out);
    else if (!there)
        nothing_there(change, out);
    else if (there->deleted)
        dead_transition(change, "deleted", out);
    else
        rated_outcome(change, there, out);
}

/* The usage's ratings, now on a bill. Copied, since the old ones may be shown by an earlier event
 * of the batch. */
static struct list billed(const struct list *ratings, struct arena *a)
{
    size_t bytes = ratings->count * sizeof(struct rating);
    struct rating *r = arena_alloc(a, bytes);
    if (bytes > 0)
        memcpy(r, ratings->items, bytes);
    for (size_t i = 0; i < ratings->count; i++)
        r[i].is_billed = 1;
    return (struct list){r, ratings->count};
}

static void remember(struct there *t, uint64_t digest)
{
    if (t->rated_count == OUTCOME_DIGESTS) {
        memmove(t->rated, t->rated + 1, (OUTCOME_DIGESTS - 1) * sizeof t->rated[0]);
        t->rated_count--;
    }
    t->rated[t->rated_count++] = digest;
}

void outcome_apply(const struct change *change, struct there *there, struct arena *a)
{
    struct usage *u = &there->usage;
    u->status = change->status;
    if (change->description.p)
        u->description = change->description;
    if (bill_without_ratings(change))
        u->ratings = billed(&u->ratings, a);
    else if (change->ratings.count > 0)
        u->ratings = change->ratings;
    u->revision++;
    remember(there, change->rated);
}

const char *outcome_field_path(const struct change *change, const struct there *before)
{
    bool described =
        change->description.p && !text_eq(change->description, before->usage.description);
    return described ? "description,ratedProductUsage" : "ratedProductUsage";
}
