/* Deciding of changes.h: what each record, and each rating that was parked, does to its usage. */
#include <stdio.h>
#include <stdlib.h>

#include "usage/body.h"
#include "usage/changes_parts.h"
#include "usage/id.h"

/* --- one record --- */

static struct effect *add_effect(struct changes *c, struct entry *e, const struct inbound *cause)
{
    struct effect *f = arena_zero(c->a, sizeof *f);
    f->cause = cause;
    if (e->last_effect)
        e->last_effect->next = f;
    else
        e->effects = f;
    e->last_effect = f;
    return f;
}

/* The usage of `e` becomes the one that is there. */
static void create(struct changes *c, struct group *g, struct entry *e)
{
    if (g->count > 1 || g->parked) {
        g->now = arena_zero(c->a, sizeof *g->now);
        g->now->content = e->change.content;
        g->now->usage = *e->change.usage;
        if (e->change.kind == CHANGE_RATED)
            g->now->rated[g->now->rated_count++] = e->change.rated;
    }
    g->exists = true;
    e->outcome = OUTCOME_CREATED;
    struct effect *f = add_effect(c, e, &e->in);
    f->type = EVENT_CREATE;
    f->after = e->change.usage;
    f->source = e->change.source;
    f->record_id = e->change.record_id;
}

void changes_correlate(const struct usage *u, const struct change *change, struct effect *f)
{
    if (change && change->source.p) {
        f->source = change->source;
        f->record_id = change->record_id;
        return;
    }
    struct body_key key;
    if (!body_natural_key(u, &key))
        return;
    /* Of a record that has such characteristics of its own, these are not what it is. */
    struct usage_id id = id_of_record(key.source, key.record_id, key.usage_date);
    if (id_compare(&id, &u->id) != 0)
        return;
    f->source = key.source;
    f->record_id = key.record_id;
}

static void die_large(const struct changes *c, struct verdict *v)
{
    v->outcome = OUTCOME_DEAD;
    v->reason = REASON_EVENT_TOO_LARGE;
    snprintf(v->text, sizeof v->text, changes_large_text, (long long)c->settings->event_max);
}

/* Tries one rating on what is there; the effect hangs on `e`, for the cause `in`. */
static void rate(struct changes *c, struct group *g, struct entry *e, const struct inbound *in,
                 const struct change *change, struct verdict *v)
{
    outcome(change, g->exists ? g->now : NULL, v);
    if (v->outcome != OUTCOME_CHANGED && v->outcome != OUTCOME_UPDATED)
        return;
    struct there next = *g->now;
    enum usage_status previous = next.usage.status;
    const char *path = outcome_field_path(change, g->now);
    outcome_apply(change, &next, c->a);
    struct usage *after = arena_alloc(c->a, sizeof *after);
    *after = next.usage;
    struct effect f = {.type = v->outcome == OUTCOME_CHANGED ? EVENT_STATE_CHANGE
                                                             : EVENT_ATTRIBUTE_CHANGE,
                       .after = after,
                       .previous = previous,
                       .field_path = v->outcome == OUTCOME_UPDATED ? path : NULL,
                       .cause = in};
    /* What was parked has lost the names of its usage, which the record that it hangs on may know.
     */
    changes_correlate(after, change->source.p ? change : &e->change, &f);
    if (changes_event_too_large(c, &f)) {
        die_large(c, v);
        return;
    }
    *g->now = next;
    g->changed = true;
    *add_effect(c, e, in) = f;
}

/* Applies one that was parked: the record was counted when it was parked, so this is counted apart.
 */
static void rate_parked(struct changes *c, struct group *g, struct entry *e, struct parked *p)
{
    struct verdict v = {.outcome = OUTCOME_DEAD, .reason = REASON_DATABASE};
    if (!p->refused)
        rate(c, g, e, &p->in, &p->change, &v);
    p->taken = true;
    c->parts[e->part].parked_ended[v.outcome]++;
    if (v.outcome == OUTCOME_DEAD) {
        struct effect *f = add_effect(c, e, &p->in);
        f->dead = v.reason;
        f->dead_text = p->refused ? p->refused : arena_copy(c->a, v.text, strlen(v.text));
    }
}

/* --- the order of parked ratings --- */

/* One without ratingDate acts right behind the one parked before it: it takes over that one's date.
 */
struct turn {
    struct parked *p;
    int64_t date;
    size_t number; /* (topic, partition, offset) */
};

static int turn_order(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int place_order(const struct inbound *x, const struct inbound *y)
{
    int order = strcmp(x->topic, y->topic);
    if (order != 0)
        return order;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Puts `p` into a list ascending by place, and returns where: the records of a batch come in this
 * order too, so the next one's search goes on behind it. Many ratings may wait for one usage. */
static struct parked **insert_by_place(struct parked **list, struct parked *p)
{
    while (*list && place_order(&(*list)->in, &p->in) < 0)
        list = &(*list)->next;
    p->next = *list;
    *list = p;
    return list;
}

static struct turn *order_turns(struct arena *a, struct parked *list, size_t *count)
{
    size_t n = 0;
    for (struct parked *p = list; p; p = p->next)
        n++;
    struct turn *turns = arena_alloc(a, (n + 1) * sizeof *turns);
    int64_t date = INSTANT_NONE;
    n = 0;
    for (struct parked *p = list; p; p = p->next) {
        if (p->change.newest_rating != INSTANT_NONE)
            date = p->change.newest_rating;
        turns[n] = (struct turn){p, date, n};
        n++;
    }
    qsort(turns, n, sizeof *turns, turn_order);
    *count = n;
    return turns;
}

/* --- one group --- */

static struct parked *park(struct changes *c, struct entry *e)
{
    struct parked *p = arena_zero(c->a, sizeof *p);
    p->in = e->in;
    p->change = e->change;
    p->entry = e;
    return p;
}

/* After a create, or when ratings meet others that wait for the same usage: all of them act in one
 * order. `extra` are ratings of this batch, already in the list as parked entries; theirs are
 * outcomes of records, not of parked ones. */
static void run_turns(struct changes *c, struct group *g, struct entry *e, struct parked *list)
{
    size_t n = 0;
    struct turn *turns = order_turns(c->a, list, &n);
    for (size_t i = 0; i < n; i++) {
        struct parked *p = turns[i].p;
        if (p->entry && p->entry->outcome != OUTCOME_PARKED) {
            struct verdict v;
            rate(c, g, p->entry, &p->in, &p->change, &v);
            p->taken = true;
            p->entry->outcome = v.outcome;
            if (v.outcome == OUTCOME_DEAD)
                changes_die(c, p->entry, v.reason, v.text);
        } else {
            rate_parked(c, g, e, p);
        }
    }
}

static void decide_rating(struct changes *c, struct group *g, struct entry *e,
                          struct parked ***waiting)
{
    struct verdict v;
    rate(c, g, e, &e->in, &e->change, &v);
    e->outcome = v.outcome;
    if (v.outcome == OUTCOME_DEAD)
        changes_die(c, e, v.reason, v.text);
    else if (v.outcome == OUTCOME_PARKED)
        *waiting = insert_by_place(*waiting, park(c, e));
}

/* Ratings of the batch that find others waiting are put among them: one order for all. */
static void join_ratings(struct changes *c, struct group *g, size_t from, struct parked *waiting)
{
    struct entry *first = g->entries[from];
    struct parked **at = &waiting;
    for (size_t i = from; i < g->count; i++) {
        struct parked *p = park(c, g->entries[i]);
        p->entry->outcome = OUTCOME_COUNT; /* open: run_turns() decides */
        at = insert_by_place(at, p);
    }
    run_turns(c, g, first, waiting);
}

/* A usage that no record of a batch asks for: what waits for it is applied, or has waited too long.
 */
static void sweep_group(struct changes *c, struct group *g)
{
    struct entry *e = g->entries[0];
    if (g->exists) {
        run_turns(c, g, e, g->parked);
        return;
    }
    char id[ID_CHARS], text[200];
    id_print(&g->id, id);
    snprintf(text, sizeof text,
             "usageId: usage %s has not come within parked.max-age (%lld ms) of this rating", id,
             (long long)c->settings->parked_max_age_ms);
    for (struct parked *p = g->parked; p; p = p->next) {
        struct effect *f = add_effect(c, e, &p->in);
        f->dead = REASON_PARKED_EXPIRED;
        f->dead_text = arena_copy(c->a, text, strlen(text));
        c->parts[e->part].parked_ended[OUTCOME_DEAD]++;
    }
}

static void decide_group(struct changes *c, struct group *g)
{
    struct parked *waiting = g->parked, **at = &waiting;
    for (struct parked *p = waiting; p; p = p->next)
        p->taken = false;
    g->exists = g->there != NULL && !g->inserted;
    g->changed = false;
    if (g->exists) { /* a copy: deciding may be repeated */
        g->now = arena_alloc(c->a, sizeof *g->now);
        *g->now = *g->there;
    }
    if (g->count == 0) {
        sweep_group(c, g);
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        struct entry *e = g->entries[i];
        struct verdict v;
        bool plain = e->change.kind == CHANGE_RATED && (!e->change.usage || g->exists);
        if (plain && g->exists && waiting) {
            join_ratings(c, g, i, waiting);
            return;
        }
        if (plain) {
            decide_rating(c, g, e, &at);
            continue;
        }
        outcome(&e->change, g->exists ? g->now : NULL, &v);
        if (v.outcome == OUTCOME_CREATED && e->large)
            die_large(c, &v);
        e->outcome = v.outcome;
        if (v.outcome == OUTCOME_DEAD) {
            changes_die(c, e, v.reason, v.text);
        } else if (v.outcome == OUTCOME_CREATED) {
            create(c, g, e);
            if (waiting)
                run_turns(c, g, e, waiting);
            waiting = NULL;
            at = &waiting;
        }
    }
    for (struct parked *p = waiting; p; p = p->next)
        if (p->entry) { /* a copy: its list is the batch's, not the group's */
            struct parked *kept = arena_alloc(c->a, sizeof *kept);
            *kept = *p;
            kept->next = c->to_park;
            c->to_park = kept;
            c->to_park_count++;
        }
}

void changes_decide(struct changes *c)
{
    c->to_park = NULL;
    c->to_park_count = 0;
    for (size_t i = 0; i < c->part_count; i++)
        memset(c->parts[i].parked_ended, 0, sizeof c->parts[i].parked_ended);
    for (size_t i = 0; i < c->group_count; i++)
        for (size_t k = 0; k < c->groups[i].count; k++) {
            struct entry *e = c->groups[i].entries[k];
            e->reason = REASON_NONE;
            e->effects = e->last_effect = NULL;
        }
    for (size_t i = 0; i < c->group_count; i++)
        decide_group(c, &c->groups[i]);
}
