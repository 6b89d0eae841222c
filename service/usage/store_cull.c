#include "usage/store_cull.h"

#include <stdio.h>

#include "base/embed.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/stop.h"
#include "usage/id.h"
#include "usage/store_parts.h"

enum { IN_A_ROW_MAX = 100, BREATH_MS = 500, ARENA_BLOCK = 1024 * 1024 };

/* The places of some parked ratings of one usage, ascending. */
struct places {
    struct refused_place *at;
    size_t count, room;
};

struct search {
    struct store *s;
    struct changes *c;
    const struct store_part *parts;
    store_enter_call *enter;
    struct err why;           /* what PostgreSQL said when it last refused something */
    enum store_write write;   /* and what it was asked to write */
    struct parked *waited;    /* what waited for the usage that was last tried alone */
    size_t run[STORE_WRITES]; /* refused since one was taken */
    size_t found[STORE_WRITES];
    bool taken[STORE_WRITES]; /* at least one record of this batch */
    int64_t breathed;         /* ticks */
    struct err *err;
};

bool store_is_data(const struct err *err)
{
    return strncmp(err->state, "22", 2) == 0 || strcmp(err->state, "23502") == 0 ||
           (strcmp(err->state, "23514") == 0 && err->code != 0) || strcmp(err->state, "54000") == 0;
}

/* --- parked ratings by their places --- */

static bool is_place(const struct refused_place *place, const struct inbound *in)
{
    return place->offset == in->offset && place->partition == in->partition &&
           strcmp(place->topic, in->topic) == 0;
}

void store_mark_refused(struct changes *c)
{
    for (const struct refused_place *place = c->refused_places; place; place = place->next)
        for (size_t i = 0; i < c->group_count; i++)
            for (struct parked *p = c->groups[i].parked; p; p = p->next)
                if (is_place(place, &p->in))
                    p->refused = place->why;
}

/* Leaves in the list what is refused already, as a dead letter, and what is in `keep`; both are in
 * the same order. */
static void cut_parked(struct group *g, const struct places *keep)
{
    size_t at = 0;
    for (struct parked **p = &g->parked; *p;) {
        bool kept = (*p)->refused != NULL;
        for (size_t i = at; !kept && i < keep->count; i++)
            if (is_place(&keep->at[i], &(*p)->in)) {
                kept = true;
                at = i + 1;
            }
        if (kept)
            p = &(*p)->next;
        else
            *p = (*p)->next;
    }
}

/* Of those that waited and are not refused yet; `all` is used again for each culprit. */
static void list_places(struct search *x, struct places *all)
{
    struct arena *a = x->c->a;
    const char *topic = "";
    size_t n = 0;
    for (const struct parked *p = x->waited; p; p = p->next)
        n += !p->refused;
    if (n > all->room)
        *all = (struct places){.at = arena_alloc(a, n * sizeof *all->at), .room = n};
    all->count = 0;
    for (const struct parked *p = x->waited; p; p = p->next) {
        if (p->refused)
            continue;
        if (strcmp(topic, p->in.topic) != 0)
            topic = arena_copy(a, p->in.topic, strlen(p->in.topic));
        all->at[all->count++] = (struct refused_place){
            .topic = topic, .partition = p->in.partition, .offset = p->in.offset};
    }
}

/* --- one trial --- */

enum trial_end { TRIAL_TAKEN, TRIAL_REFUSED, TRIAL_FAILED /* in *x->err: the search ends */ };

/* Many short waits are a long one: the group must keep us, and the stop is looked at. */
static bool breathe(struct search *x)
{
    int64_t now = instant_ticks();
    if (stop_asked())
        return err_set(x->err, ERR_RETRY, "stopped while looking for what PostgreSQL refuses");
    if (now - x->breathed >= BREATH_MS) {
        db_breathe(x->s->db);
        x->breathed = instant_ticks();
    }
    return true;
}

static void note_taken(struct search *x, const struct changes *t)
{
    bool writes[STORE_WRITES] = {[STORE_PARKED] = t->to_park_count > 0};
    for (size_t i = 0; i < t->group_count && !writes[STORE_USAGE]; i++)
        writes[STORE_USAGE] = t->groups[i].inserted || t->groups[i].changed;
    for (int w = 0; w < STORE_WRITES; w++)
        if (writes[w]) {
            x->taken[w] = true;
            x->run[w] = 0;
        }
}

/* All rows, and the constraints that would wait for COMMIT. The outbox and the account are left
 * out: what is refused there is no record's fault, and is then found nowhere. */
static bool write_rows(struct search *x, struct changes *t, struct err *err)
{
    struct db_call calls[STORE_ROW_CALLS + 1];
    size_t failed, n = store_row_calls(x->s, t, calls);
    calls[n++] = (struct db_call){.sql = "SET CONSTRAINTS ALL IMMEDIATE"};
    bool ok = db_pipe(x->s->db, calls, n, &failed, err);
    if (!ok && failed < n && calls[failed].sql == x->s->park)
        x->write = STORE_PARKED;
    return ok;
}

/* `keep`: which of the parked ratings of the one group are applied; NULL: all. */
static enum trial_end try_groups(struct search *x, struct group *groups, size_t n,
                                 const struct places *keep)
{
    struct changes t = *x->c;
    struct err err = {0};
    if (!breathe(x))
        return TRIAL_FAILED;
    arena_reset(x->s->trial);
    t.a = x->s->trial;
    t.groups = groups;
    t.group_count = n;
    enum store_write before = x->write;
    x->write = STORE_USAGE;
    x->s->probe_all = true; /* a copy of what is there is no insert that might be refused */
    bool ok = x->enter(x->s, &t, x->parts, &err);
    x->waited = groups[0].parked;
    if (ok) {
        if (keep)
            cut_parked(&groups[0], keep);
        changes_decide(&t);
        ok = write_rows(x, &t, &err);
    }
    failpoint("in-trial");
    store_forget(x->s);
    db_rollback(x->s->db);
    if (!ok && !store_is_data(&err)) {
        *x->err = err;
        return TRIAL_FAILED;
    }
    if (!ok) {
        x->why = err;
        return TRIAL_REFUSED;
    }
    x->write = before;
    note_taken(x, &t);
    return TRIAL_TAKEN;
}

/* A group of a sweep has no records, and is tried as it is. */
static enum trial_end try_entries(struct search *x, const struct group *g, struct entry **entries,
                                  size_t n, const struct places *keep)
{
    struct group some = g->count > 0 ? changes_some(g, entries, n) : *g;
    return try_groups(x, &some, 1, keep);
}

/* --- what was found --- */

/* Nothing is set aside: the batch waits, and /readyz says PostgreSQL's own words. */
static bool hold(struct search *x, const char *what)
{
    *x->err = x->why;
    return err_wrap(x->err, "%s", what);
}

static const char *text_of_refusal(const struct search *x, const struct usage_id *id)
{
    char name[ID_CHARS];
    id_print(id, name);
    char *text = arena_printf(x->c->a, "PostgreSQL refuses the data for usage %s, SQLSTATE %s: %s",
                              name, x->why.state, x->why.text);
    size_t n = strlen(text); /* PostgreSQL's text may have been cut within a character */
    while (!text_is_utf8(text, n))
        n--;
    text[n] = 0;
    return text;
}

static bool note_refused(struct search *x)
{
    x->found[x->write]++;
    x->run[x->write]++;
    return x->run[x->write] <= IN_A_ROW_MAX ||
           hold(x, "more than 100 records in a row are refused, so none is set aside");
}

static bool refuse_entry(struct search *x, struct entry *e)
{
    e->refused = text_of_refusal(x, &e->change.id);
    return note_refused(x);
}

static bool refuse_place(struct search *x, const struct usage_id *id,
                         const struct refused_place *place)
{
    struct refused_place *found = arena_alloc(x->c->a, sizeof *found);
    *found = *place;
    found->why = text_of_refusal(x, id);
    found->next = x->c->refused_places;
    x->c->refused_places = found;
    return note_refused(x);
}

/* --- within the records of one usage --- */

/* The first `low` are taken and the first `high` are not, so the one that turns it lies between.
 * x->why is always of `high`. */
static bool cull_entries(struct search *x, const struct group *g, struct entry **live, size_t *n)
{
    static const struct places none;
    while (*n > 0) {
        enum trial_end end = try_entries(x, g, live, *n, &none);
        if (end != TRIAL_REFUSED)
            return end == TRIAL_TAKEN;
        size_t low = 0, high = *n;
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            end = try_entries(x, g, live, middle, &none);
            if (end == TRIAL_FAILED)
                return false;
            *(end == TRIAL_TAKEN ? &low : &high) = middle;
        }
        if (!refuse_entry(x, live[high - 1]))
            return false;
        memmove(live + high - 1, live + high, (*n - high) * sizeof(struct entry *));
        (*n)--;
    }
    return true;
}

static bool cull_parked(struct search *x, const struct group *g, struct entry **live, size_t n)
{
    struct places all = {0};
    for (;;) {
        enum trial_end end = try_entries(x, g, live, n, NULL);
        if (end != TRIAL_REFUSED)
            return end == TRIAL_TAKEN;
        list_places(x, &all);
        size_t low = 0, high = all.count;
        if (high == 0)
            return true; /* it is not these: the batch itself will say */
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            end = try_entries(x, g, live, n, &(struct places){.at = all.at, .count = middle});
            if (end == TRIAL_FAILED)
                return false;
            *(end == TRIAL_TAKEN ? &low : &high) = middle;
        }
        if (!refuse_place(x, &g->id, &all.at[high - 1]))
            return false;
    }
}

/* A group that was just refused when tried alone. */
static bool cull_group(struct search *x, const struct group *g)
{
    size_t n = g->count;
    if (n == 1 && !x->waited)
        return refuse_entry(x, g->entries[0]);
    struct entry **live = arena_alloc(x->c->a, n * sizeof(struct entry *));
    memcpy(live, g->entries, n * sizeof(struct entry *));
    if (!cull_entries(x, g, live, &n))
        return false;
    bool all_refused = n == 0 && g->count > 0;
    return all_refused || cull_parked(x, g, live, n);
}

/* --- halving --- */

/* groups[from, to) were refused: by a trial just now if `tried`, else that follows from others. */
static bool cull_range(struct search *x, size_t from, size_t to, bool tried)
{
    struct group *groups = x->c->groups;
    if (to - from == 1) {
        enum trial_end end = tried ? TRIAL_REFUSED : try_groups(x, &groups[from], 1, NULL);
        return end == TRIAL_REFUSED ? cull_group(x, &groups[from]) : end == TRIAL_TAKEN;
    }
    size_t middle = from + (to - from) / 2;
    enum trial_end left = try_groups(x, &groups[from], middle - from, NULL);
    if (left == TRIAL_FAILED)
        return false;
    if (left == TRIAL_TAKEN)
        return cull_range(x, middle, to, false);
    if (!cull_range(x, from, middle, true))
        return false;
    enum trial_end right = try_groups(x, &groups[middle], to - middle, NULL);
    return right == TRIAL_REFUSED ? cull_range(x, middle, to, true) : right == TRIAL_TAKEN;
}

/* --- is it the records? --- */

static bool takes_an_ordinary_row(struct search *x, enum store_write write)
{
    struct err err = {0};
    struct db_call calls[] = {
        {.sql = "BEGIN"},
        {.sql = embed_text(embed_sql, write == STORE_USAGE ? "sane_usage.sql" : "sane_parked.sql")},
        {.sql = "SET CONSTRAINTS ALL IMMEDIATE"}};
    bool ok = db_pipe(x->s->db, calls, 3, NULL, &err);
    db_rollback(x->s->db);
    if (ok)
        return true;
    if (store_is_data(&err))
        return hold(x, "no record is accepted, nor an ordinary row, so none is set aside");
    *x->err = err;
    return false;
}

/* Small batches: those before this one count, and what is refused alone proves nothing. */
static bool is_of_the_records(struct search *x)
{
    for (int w = 0; w < STORE_WRITES; w++) {
        if (x->found[w] == 0 || x->taken[w])
            continue;
        if (x->s->refused_run[w] + x->found[w] > IN_A_ROW_MAX)
            return hold(x, "more than 100 records in a row are refused, so none is set aside");
        if (!takes_an_ordinary_row(x, (enum store_write)w))
            return false;
    }
    return true;
}

/* --- the search --- */

static bool find_refused(struct search *x)
{
    struct store *s = x->s;
    struct changes *c = x->c;
    struct err first = *x->err;
    x->why = first;
    x->breathed = instant_ticks();
    if (s->settings.before_search &&
        !s->settings.before_search(s->settings.before_search_arg, x->err))
        return false;
    if (!s->trial)
        s->trial = arena_new(ARENA_BLOCK);
    bool ok = c->group_count > 0 && cull_range(x, 0, c->group_count, c->group_count > 1) &&
              is_of_the_records(x);
    arena_reset(s->trial);
    if (!ok)
        return false;
    if (x->found[STORE_USAGE] + x->found[STORE_PARKED] == 0) {
        *x->err = first;
        return false;
    }
    for (int w = 0; w < STORE_WRITES; w++)
        s->refused_now[w] += x->found[w];
    failpoint("after-trials");
    return true;
}

bool store_cull(struct store *s, struct changes *c, const struct store_part *parts, struct err *err)
{
    struct search x = {.s = s, .c = c, .parts = parts, .enter = store_enter, .err = err};
    if (!find_refused(&x))
        return false;
    changes_regroup(c);
    s->probe_all = true;
    return true;
}

bool store_cull_sweep(struct store *s, struct changes *c, store_enter_call *enter, struct err *err)
{
    struct search x = {.s = s, .c = c, .enter = enter, .err = err};
    return find_refused(&x);
}

void store_count_refused(struct store *s, const struct changes *c)
{
    bool writes[STORE_WRITES] = {[STORE_PARKED] = c->to_park_count > 0};
    if (s->refused_now[STORE_USAGE] + s->refused_run[STORE_USAGE] > 0)
        for (size_t i = 0; i < c->group_count && !writes[STORE_USAGE]; i++)
            writes[STORE_USAGE] = c->groups[i].inserted || c->groups[i].changed;
    for (int w = 0; w < STORE_WRITES; w++)
        s->refused_run[w] = writes[w] ? 0 : s->refused_run[w] + s->refused_now[w];
}
