#include <stdio.h>
#include <stdlib.h>

#include "usage/changes_parts.h"
#include "usage/id.h"

void changes_die(struct changes *c, struct entry *e, enum reason reason, const char *text)
{
    e->outcome = OUTCOME_DEAD;
    e->reason = reason;
    e->text = arena_copy(c->a, text, strlen(text));
}

void changes_check(struct changes *c, struct entry *e)
{
    struct effect f = {.type = EVENT_CREATE,
                       .after = e->change.usage,
                       .cause = &e->in,
                       .source = e->change.source,
                       .record_id = e->change.record_id};
    e->large = e->reason == REASON_NONE && e->change.usage && changes_event_too_large(c, &f);
}

/* --- groups --- */

/* Raw records act before ratings; then by (topic, partition, offset), which is (part, offset). */
static int act_order(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    int order = id_compare(&x->change.id, &y->change.id);
    if (order != 0)
        return order;
    bool x_rated = x->change.kind == CHANGE_RATED, y_rated = y->change.kind == CHANGE_RATED;
    if (x_rated != y_rated)
        return x_rated ? 1 : -1;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return x->in.offset < y->in.offset ? -1 : x->in.offset > y->in.offset;
}

/* Not every record with a usage inside can begin its life: a bill without ratings is incomplete.
 * What is inserted must be what outcome() then calls created. */
static bool may_create(const struct change *change)
{
    struct verdict v;
    if (!change->usage)
        return false;
    outcome(change, NULL, &v);
    return v.outcome == OUTCOME_CREATED;
}

static void join(struct group *g, struct entry *e)
{
    g->count++;
    if (!g->creator && !e->large && may_create(&e->change))
        g->creator = e;
    g->large |= e->large;
    if (e->change.kind == CHANGE_RATED)
        g->rated = true;
}

void changes_group(struct changes *c)
{
    struct entry **sorted = arena_alloc(c->a, c->entry_count * sizeof(struct entry *));
    size_t live = 0;
    for (size_t i = 0; i < c->entry_count; i++) {
        struct entry *e = &c->entries[i];
        if (e->reason == REASON_NONE)
            sorted[live++] = e;
        else
            e->outcome = OUTCOME_DEAD;
    }
    qsort(sorted, live, sizeof *sorted, act_order);
    c->groups = arena_zero(c->a, (live + 1) * sizeof *c->groups);
    c->group_count = 0;
    for (size_t i = 0; i < live; i++) {
        struct group *g = c->group_count > 0 ? &c->groups[c->group_count - 1] : NULL;
        if (!g || id_compare(&g->id, &sorted[i]->change.id) != 0) {
            g = &c->groups[c->group_count++];
            g->entries = &sorted[i];
            g->id = sorted[i]->change.id;
        }
        join(g, sorted[i]);
    }
}

struct group changes_some(const struct group *g, struct entry **entries, size_t count)
{
    struct group some = {.entries = entries, .id = g->id};
    for (size_t i = 0; i < count; i++)
        join(&some, entries[i]);
    return some;
}

void changes_regroup(struct changes *c)
{
    for (size_t i = 0; i < c->group_count; i++)
        for (size_t k = 0; k < c->groups[i].count; k++) {
            struct entry *e = c->groups[i].entries[k];
            e->reason = REASON_NONE; /* what an earlier decision said of it */
            e->effects = e->last_effect = NULL;
            if (e->refused)
                changes_die(c, e, REASON_DATABASE, e->refused);
        }
    changes_group(c);
}

void changes_sweep(struct changes *c, const struct usage_id *ids, size_t n)
{
    c->entries = arena_zero(c->a, (n + 1) * sizeof *c->entries);
    c->groups = arena_zero(c->a, (n + 1) * sizeof *c->groups);
    c->entry_count = c->group_count = n;
    for (size_t i = 0; i < n; i++) {
        c->entries[i].outcome = OUTCOME_COUNT;
        struct entry **bearer = arena_alloc(c->a, sizeof(struct entry *));
        *bearer = &c->entries[i];
        c->groups[i].entries = bearer; /* and count 0: it is no record */
        c->groups[i].id = ids[i];
        c->groups[i].rated = true;
    }
}
