#include "usage/changes.h"

#include <stdio.h>
#include <stdlib.h>

#include "usage/id.h"

/* --- events --- */

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

/* A broker takes any number as a record's timestamp; readers do not. */
static bool is_a_date(int64_t ms)
{
    return ms >= 0 && ms <= INT64_C(253402300799999); /* the end of the year 9999 */
}

static void event_of(const struct changes *c, const struct effect *f, struct event *out)
{
    *out =
        (struct event){.type = f->type,
                       .schema_id = c->settings->schema_ids[f->type],
                       .usage = f->after,
                       .base_url = c->settings->base_url,
                       .event_time = c->now_ms,
                       .occurred = is_a_date(f->cause->timestamp) ? f->cause->timestamp : c->now_ms,
                       .source = f->source,
                       .record_id = f->record_id,
                       .previous = f->previous,
                       .field_path = f->field_path};
}

/* Only an event that may pass the limit is written twice, once to be measured. */
static bool event_too_large(const struct changes *c, const struct effect *f)
{
    struct event event;
    event_of(c, f, &event);
    if ((int64_t)event_bytes_max(&event) <= c->settings->event_max)
        return false;
    struct buf b = {0};
    event_write(&b, &event);
    bool large = (int64_t)b.len > c->settings->event_max;
    buf_fini(&b);
    return large;
}

static const char large_text[] =
    "the event of this usage would be longer than event.max-bytes (%lld)";

static void die(struct changes *c, struct entry *e, enum reason reason, const char *text)
{
    e->outcome = OUTCOME_DEAD;
    e->reason = reason;
    e->text = arena_copy(c->a, text, strlen(text));
}

/* --- grouping --- */

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

void changes_check(struct changes *c, struct entry *e)
{
    struct effect f = {.type = EVENT_CREATE,
                       .after = e->change.usage,
                       .cause = &e->in,
                       .source = e->change.source,
                       .record_id = e->change.record_id};
    if (e->reason != REASON_NONE || !e->change.usage || !event_too_large(c, &f))
        return;
    char text[128];
    snprintf(text, sizeof text, large_text, (long long)c->settings->event_max);
    die(c, e, REASON_EVENT_TOO_LARGE, text);
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
    if (!g->creator && may_create(&e->change))
        g->creator = e;
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
                die(c, e, REASON_DATABASE, e->refused);
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

/* --- deciding one record --- */

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

/* Source and record id of a usage that was only named by its id: its own two last characteristics
 * say, if their digest is the id. */
static void correlate(const struct usage *u, const struct change *change, struct effect *f)
{
    const struct characteristic *items = u->characteristics.items;
    struct text source = {0}, record_id = {0};
    if (change->source.p) {
        f->source = change->source;
        f->record_id = change->record_id;
        return;
    }
    for (size_t i = u->characteristics.count; i-- > 0 && !(source.p && record_id.p);) {
        if (items[i].value.kind != VALUE_TEXT)
            continue;
        if (!source.p && text_is(items[i].name, "sourceSystem"))
            source = items[i].value.text;
        else if (!record_id.p && text_is(items[i].name, "sourceRecordId"))
            record_id = items[i].value.text;
    }
    if (!source.p || !record_id.p)
        return;
    struct usage_id id = id_of_record(source, record_id, u->usage_date);
    if (id_compare(&id, &u->id) == 0) {
        f->source = source;
        f->record_id = record_id;
    }
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
    correlate(after, change, &f);
    if (event_too_large(c, &f)) {
        v->outcome = OUTCOME_DEAD;
        v->reason = REASON_EVENT_TOO_LARGE;
        snprintf(v->text, sizeof v->text, large_text, (long long)c->settings->event_max);
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
                die(c, p->entry, v.reason, v.text);
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
        die(c, e, v.reason, v.text);
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
        e->outcome = v.outcome;
        if (v.outcome == OUTCOME_DEAD) {
            die(c, e, v.reason, v.text);
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

/* --- messages --- */

struct text changes_key(const struct changes *c, const struct usage *u, char id[37])
{
    const struct related_party *party = c->settings->key_is_id ? NULL : usage_subscriber(u);
    if (party)
        return party->id;
    id_print(&u->id, id);
    return text_of(id);
}

static void write_dead(struct changes *c, struct part *part, const struct inbound *in,
                       enum reason reason, const char *text)
{
    inbound_dead_letter(&part->messages, in, reason, text, c->settings->event_max);
    part->events[OUTBOX_DEAD]++;
}

static void write_effect(struct changes *c, struct part *part, const struct effect *f)
{
    char id[37];
    struct event event;
    if (f->dead != REASON_NONE) {
        write_dead(c, part, f->cause, f->dead, f->dead_text);
        c->parked_dead++;
        return;
    }
    struct inbound_trace trace = inbound_trace(f->cause);
    outbox_begin(&part->messages, (int)f->type, changes_key(c, f->after, id), trace.headers,
                 trace.count);
    size_t mark = outbox_value_begin(&part->messages);
    event_of(c, f, &event);
    event_write(&part->messages, &event);
    outbox_value_end(&part->messages, mark);
    part->events[f->type]++;
}

void changes_messages(struct changes *c)
{
    c->parked_dead = 0;
    for (size_t i = 0; i < c->part_count; i++) {
        struct part *p = &c->parts[i];
        buf_reset(&p->messages);
        memset(p->outcomes, 0, sizeof p->outcomes);
        memset(p->dead, 0, sizeof p->dead);
        memset(p->events, 0, sizeof p->events);
    }
    for (size_t i = 0; i < c->entry_count; i++) {
        struct entry *e = &c->entries[i];
        struct part *part = &c->parts[e->part];
        if (e->outcome != OUTCOME_COUNT)
            part->outcomes[e->outcome]++;
        if (e->outcome == OUTCOME_DEAD) {
            write_dead(c, part, &e->in, e->reason, e->text);
            part->dead[e->reason]++;
        }
        for (const struct effect *f = e->effects; f; f = f->next)
            write_effect(c, part, f);
    }
}
