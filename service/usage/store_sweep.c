#include "usage/store_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embed.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "usage/http_source.h"
#include "usage/store_cull.h"
#include "usage/store_parts.h"
#include "usage/store_sweep_find.h"

enum { CULLS_MAX = 5 /* of the same usages */, ARENA_BLOCK = 256 * 1024 };

struct sweep {
    struct store *store; /* for its statements */
    struct db *db;
    const struct changes_settings *settings;
    struct arena *arena; /* of one transaction */
    struct arena *found; /* of one call: the ratings that PostgreSQL refuses */
    struct changes changes;
    struct part part;
    struct sweep_find find;
    struct sweep_due due;
    bool stored; /* by this call */
};

struct sweep *sweep_new(struct db *db, const struct changes_settings *settings)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->db = s->find.db = db;
    s->settings = settings;
    s->store = store_new(&(struct store_settings){.db = db, .interval = "month"});
    s->arena = arena_new(ARENA_BLOCK);
    s->found = arena_new(ARENA_BLOCK);
    return s;
}

void sweep_free(struct sweep *s)
{
    if (!s)
        return;
    store_free(s->store);
    arena_free(s->arena);
    arena_free(s->found);
    sweep_find_fini(&s->find);
    buf_fini(&s->part.messages);
    free(s);
}

bool sweep_begin(struct sweep *s, struct err *err)
{
    return sweep_find_begin(&s->find, err) &&
           db_query(s->db, embed_text(embed_sql, "sweep_renumber.sql"), NULL, NULL, err);
}

/* --- the end of a transaction, and all of it --- */

static bool any_ended(const struct sweep *s)
{
    for (int o = 0; o < OUTCOME_COUNT; o++)
        if (s->part.parked_ended[o] > 0)
            return true;
    return false; /* somebody else has taken them meanwhile */
}

static bool write_and_commit(struct sweep *s, struct err *err)
{
    struct store *store = s->store;
    struct db_call calls[2];
    size_t n = 0;
    if (store_update_params(store, &s->changes) > 0)
        calls[n++] = (struct db_call){.sql = store->update_rated, .params = &store->updates};
    if (store_account_params(&store->parked, &s->changes, true) > 0)
        calls[n++] = (struct db_call){.sql = store->account_parked, .params = &store->parked};
    if (n > 0 && !db_pipe(s->db, calls, n, NULL, err))
        return false;
    failpoint("sweep-before-number");
    return (s->part.messages.len == 0 || http_source_append(s->db, &s->part.messages, err)) &&
           db_run(s->db, any_ended(s) ? "COMMIT" : "ROLLBACK", err);
}

static bool decide_and_write(struct sweep *s, struct err *err)
{
    failpoint("sweep-taken");
    changes_decide(&s->changes);
    changes_messages(&s->changes);
    if (!write_and_commit(s, err))
        return false;
    failpoint("sweep-committed");
    s->stored = any_ended(s);
    return true;
}

/* `taken`: what waits for the usages hangs on the changes. */
static bool end(struct sweep *s, bool taken, struct err *err)
{
    bool stored = taken && decide_and_write(s, err);
    store_forget(s->store);
    if (!stored)
        db_rollback(s->db);
    return stored;
}

/* --- the beginning --- */

static void of_usages(struct sweep *s, const struct usage_id *ids, size_t n)
{
    arena_reset(s->arena);
    changes_sweep(&s->changes, ids, n);
}

static bool is_there(const struct group *g)
{
    return g->there != NULL;
}

/* Neither PostgreSQL nor the connection: a text that cannot be read. */
static bool name_unreadable(struct err *err)
{
    if (!err->state[0] && !err->part)
        snprintf(err->state, sizeof err->state, "%s", SWEEP_UNREADABLE);
    return false;
}

/* Begins, and finds out which usages are there: their rows are locked then. */
static bool lock(struct store *store, struct changes *c, struct err *err)
{
    for (size_t i = 0; i < c->group_count; i++) {
        struct group *g = &c->groups[i];
        g->there = NULL;
        g->parked = NULL;
        g->entries[0]->effects = g->entries[0]->last_effect = NULL;
    }
    if (!db_run(store->db, "BEGIN", err))
        return false;
    if (!store_lock_usages(store, c, err))
        return name_unreadable(err);
    failpoint("sweep-locked");
    return true;
}

/* A store_enter_call: all that waits for the usages that are there. */
static bool take(struct store *store, struct changes *c, const struct store_part *none,
                 struct err *err)
{
    (void)none;
    if (!lock(store, c, err))
        return false;
    if (store_ids(store, c, is_there) == 0)
        return true;
    if (!db_query(store->db, store->lock_parked, &store->ids, NULL, err))
        return false;
    if (!store_hang_parked(store, c, store->take_parked, err))
        return name_unreadable(err);
    store_mark_refused(c);
    return true;
}

/* Of the first `n` old ratings those whose usage has not come meanwhile. */
static void old_places(struct sweep *s, int n)
{
    const struct db_rows *old = &s->due.old;
    const struct group **of = arena_alloc(s->arena, (size_t)n * sizeof(struct group *));
    struct db_params *p = &s->store->ids;
    size_t left = 0;
    for (int i = 0, at = 0; i < n; i++) {
        while (memcmp(s->changes.groups[at].id.bytes, db_uuid(old, i, 0), 16) != 0)
            at++;
        of[i] = &s->changes.groups[at];
        left += !is_there(of[i]);
    }
#define EACH_OLD(type, element)                                                                    \
    db_array_begin(p, type, left);                                                                 \
    for (int i = 0; i < n; i++)                                                                    \
        if (!is_there(of[i]))                                                                      \
            element;                                                                               \
    db_array_end(p)
    db_params_reset(p);
    EACH_OLD(DB_UUID, db_array_uuid(p, db_uuid(old, i, 0)));
    EACH_OLD(DB_TEXT, db_array_text(p, db_text(old, i, 1)));
    EACH_OLD(DB_INT4, db_array_int4(p, db_int4(old, i, 2)));
    EACH_OLD(DB_INT8, db_array_int8(p, db_int8(old, i, 3)));
#undef EACH_OLD
}

/* Nobody else can be applying them, since they are locked. */
static bool take_old(struct sweep *s, int n, struct err *err)
{
    if (!lock(s->store, &s->changes, err))
        return false;
    old_places(s, n);
    return store_hang_parked(s->store, &s->changes, embed_text(embed_sql, "expire_parked.sql"),
                             err) ||
           name_unreadable(err);
}

/* --- usages that are there --- */

static bool join_once(struct sweep *s, const struct usage_id *ids, size_t n, struct err *err)
{
    of_usages(s, ids, n);
    return end(s, take(s->store, &s->changes, NULL, err), err);
}

/* After join_once(): which ratings PostgreSQL refuses. What is found outlives the transaction that
 * is begun again. */
static bool cull(struct sweep *s, struct err *err)
{
    s->changes.a = s->found;
    bool found = store_cull_sweep(s->store, &s->changes, take, err);
    s->changes.a = s->arena;
    return found;
}

/* The usages together; if one cannot be swept, fewer, and the next call the rest. */
static bool join(struct sweep *s, const struct usage_id *ids, size_t n, struct err *err)
{
    s->changes.refused_places = NULL;
    memset(s->store->refused_now, 0, sizeof s->store->refused_now);
    for (int culls = 0; !join_once(s, ids, n, err); culls++) {
        if (store_is_data(err) && culls < CULLS_MAX && cull(s, err))
            continue;
        if (!sweep_passed_is_of_usage(err))
            return false;
        return n > 1 ? join(s, ids, n / 2, err)
                     : sweep_passed_add(&s->find.passed, ids, instant_ticks(), err);
    }
    store_count_refused(s->store, &s->changes);
    sweep_passed_remove(&s->find.passed, ids, n);
    return true;
}

/* --- usages that have not come --- */

static bool expire_once(struct sweep *s, int n, struct err *err)
{
    const struct db_rows *old = &s->due.old;
    struct usage_id *ids = s->due.ids;
    size_t count = 0;
    for (int i = 0; i < n; i++)
        if (count == 0 || memcmp(ids[count - 1].bytes, db_uuid(old, i, 0), 16) != 0)
            memcpy(ids[count++].bytes, db_uuid(old, i, 0), 16);
    of_usages(s, ids, count);
    return end(s, take_old(s, n, err), err);
}

/* The first `n`; if one cannot be ended, fewer, and the next call the rest. */
static bool expire(struct sweep *s, int n, struct err *err)
{
    if (expire_once(s, n, err))
        return true;
    if (!sweep_passed_is_of_usage(err))
        return false;
    return n > 1 ? expire(s, n / 2, err)
                 : sweep_passed_add(&s->find.passed, s->due.ids, instant_ticks(), err);
}

bool sweep_once(struct sweep *s, const struct changes **changes, bool *more, struct err *err)
{
    struct sweep_due *due = &s->due;
    *changes = NULL;
    s->stored = false;
    arena_reset(s->found);
    s->changes = (struct changes){.settings = s->settings,
                                  .a = s->arena,
                                  .now_ms = instant_now(),
                                  .parts = &s->part,
                                  .part_count = 1};
    s->part.topic = HTTP_SOURCE;
    if (!sweep_find_due(&s->find, s->changes.now_ms - s->settings->parked_max_age_ms, due, err))
        return false;
    size_t passed = s->find.passed.count;
    bool ok = due->count > 0       ? join(s, due->ids, due->count, err)
              : due->old.count > 0 ? expire(s, due->old.count, err)
                                   : true;
    db_rows_fini(&due->old);
    if (!ok)
        return false;
    if (s->stored)
        *changes = &s->changes;
    *more = due->more || s->stored || s->find.passed.count > passed;
    return true;
}
