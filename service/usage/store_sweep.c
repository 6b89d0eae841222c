#include "usage/store_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embed.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/stop.h"
#include "usage/http_source.h"
#include "usage/id.h"
#include "usage/store_cull.h"
#include "usage/store_parts.h"

enum {
    LOOK_RATINGS = 20000,         /* in one question: a second of a backlog of millions */
    BYTES_MAX = 32 * 1024 * 1024, /* of documents, or of parked records, in one transaction */
    ALONE_MAX = 32,               /* ratings of one usage that are left out in turn */
    IN_A_ROW_MAX = 100,           /* refused by PostgreSQL: then it is not the records */
    ARENA_BLOCK = 256 * 1024
};

struct sweep {
    struct store *store; /* for its statements */
    struct db *db;
    const struct changes_settings *settings;
    struct arena *arena;
    struct changes changes;
    struct part part;
    struct db_params params;
    int64_t swept, high; /* what is looked at now: ratings parked by transactions [swept, high) */
    int64_t seen, after; /* all below `seen` were over when `after` began; 0: nothing is new */
    int refused_run;     /* usages in a row that PostgreSQL has refused */
};

struct sweep *sweep_new(struct db *db, const struct changes_settings *settings)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->db = db;
    s->settings = settings;
    s->store = store_new(&(struct store_settings){.db = db, .interval = "month"});
    s->arena = arena_new(ARENA_BLOCK);
    return s;
}

void sweep_free(struct sweep *s)
{
    if (!s)
        return;
    store_free(s->store);
    arena_free(s->arena);
    db_params_fini(&s->params);
    buf_fini(&s->part.messages);
    free(s);
}

bool sweep_begin(struct sweep *s, struct err *err)
{
    s->seen = s->after = 0;
    return db_query(s->db, embed_text(embed_sql, "sweep_renumber.sql"), NULL, NULL, err);
}

/* --- what is due --- */

static bool numbers(struct sweep *s, const char *sql, int n, int64_t *out, struct err *err)
{
    struct db_rows rows = {0};
    if (!db_query(s->db, sql, &s->params, &rows, err))
        return false;
    bool ok =
        rows.count == 1 ||
        err_set(err, ERR_RETRY, "table parked_sweep has %d rows, and must have one", rows.count);
    for (int i = 0; ok && i < n; i++)
        out[i] = db_int8(&rows, 0, i);
    db_rows_fini(&rows);
    return ok;
}

/* What is due: [swept, high), empty until all that was open is over. */
static bool look(struct sweep *s, struct err *err)
{
    int64_t at[3]; /* swept, all below are over, all before have lower numbers */
    bool first = s->after == 0;
    db_params_reset(&s->params);
    db_param_truth(&s->params, first);
    if (!numbers(s, embed_text(embed_sql, "sweep_look.sql"), 3, at, err))
        return false;
    s->swept = s->high = at[0];
    if (first) {
        s->seen = at[1];
        s->after = s->seen > s->swept ? at[2] : 0;
        return true;
    }
    if (at[1] < s->after)
        return true;
    db_params_reset(&s->params);
    db_param_int8(&s->params, s->swept);
    db_param_int8(&s->params, s->seen);
    db_param_int4(&s->params, LOOK_RATINGS);
    return numbers(s, embed_text(embed_sql, "sweep_chunk.sql"), 1, &s->high, err);
}

static int by_id(const void *a, const void *b)
{
    return id_compare(a, b);
}

/* Adds the ids of a question: ascending, each once. */
static size_t merge(struct usage_id *ids, size_t n, const struct db_rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        memcpy(ids[n + (size_t)i].bytes, db_uuid(rows, i, 0), sizeof ids[0].bytes);
    size_t total = n + (size_t)rows->count, kept = 0;
    qsort(ids, total, sizeof *ids, by_id);
    for (size_t i = 0; i < total; i++)
        if (kept == 0 || id_compare(&ids[kept - 1], &ids[i]) != 0)
            ids[kept++] = ids[i];
    return kept;
}

static bool find_missed(struct sweep *s, struct usage_id *ids, size_t *n, struct err *err)
{
    struct db_rows rows = {0};
    if (s->swept == s->high)
        return true;
    db_params_reset(&s->params);
    db_param_int8(&s->params, s->swept);
    db_param_int8(&s->params, s->high);
    db_param_int4(&s->params, SWEEP_USAGES);
    db_param_int8(&s->params, BYTES_MAX);
    if (!db_query(s->db, embed_text(embed_sql, "sweep_missed.sql"), &s->params, &rows, err))
        return false;
    *n = merge(ids, *n, &rows);
    db_rows_fini(&rows);
    return true;
}

static int64_t cutoff(const struct sweep *s)
{
    return s->changes.now_ms - s->settings->parked_max_age_ms;
}

static bool find_old(struct sweep *s, struct usage_id *ids, size_t *n, struct err *err)
{
    struct db_rows rows = {0};
    db_params_reset(&s->params);
    db_param_time(&s->params, cutoff(s));
    db_param_int4(&s->params, SWEEP_USAGES);
    db_param_int8(&s->params, BYTES_MAX);
    if (!db_query(s->db, embed_text(embed_sql, "sweep_old.sql"), &s->params, &rows, err))
        return false;
    *n = merge(ids, *n, &rows);
    db_rows_fini(&rows);
    return true;
}

static bool note_done(struct sweep *s, struct err *err)
{
    db_params_reset(&s->params);
    db_param_int8(&s->params, s->high);
    return db_query(s->db, embed_text(embed_sql, "sweep_done.sql"), &s->params, NULL, err);
}

/* --- one transaction --- */

static bool is_there(const struct group *g)
{
    return g->there != NULL;
}

static bool is_missing(const struct group *g)
{
    return g->there == NULL;
}

/* What has waited too long, of the usages that are not there: nobody else can be applying it, since
 * the rows are locked. */
static bool take_old(struct sweep *s, struct err *err)
{
    if (store_ids(s->store, &s->changes, is_missing) == 0)
        return true;
    db_param_time(&s->store->ids, cutoff(s));
    return store_hang_parked(s->store, &s->changes, embed_text(embed_sql, "expire_parked.sql"),
                             err);
}

static bool take(struct sweep *s, struct err *err)
{
    struct store *store = s->store;
    struct changes *c = &s->changes;
    for (size_t i = 0; i < c->group_count; i++)
        c->groups[i].parked = NULL;
    store_ids(store, c, NULL);
    if (!db_query(s->db, store->lock_parked, &store->ids, NULL, err) || !take_old(s, err))
        return false;
    return store_ids(store, c, is_there) == 0 ||
           store_hang_parked(store, c, store->take_parked, err);
}

static bool any_ended(const struct sweep *s)
{
    for (int o = 0; o < OUTCOME_COUNT; o++)
        if (s->part.parked_ended[o] > 0)
            return true;
    return false; /* somebody else has taken them meanwhile */
}

static bool finish(struct sweep *s, struct err *err)
{
    struct store *store = s->store;
    struct db_call calls[4];
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

/* What PostgreSQL has refused before, when a usage is tried again alone. */
enum { NONE = -1, ALL = -2 };

static size_t mark_refused(struct sweep *s, int which, const char *why)
{
    size_t n = 0;
    for (struct parked *p = s->changes.groups[0].parked; p; p = p->next, n++)
        if (which == ALL || which == (int)n)
            p->refused = why;
    return n;
}

static bool steps(struct sweep *s, int refused, const char *why, size_t *waited, struct err *err)
{
    if (!db_run(s->db, "BEGIN", err) || !store_lock_usages(s->store, &s->changes, err))
        return false;
    failpoint("sweep-locked");
    if (!take(s, err))
        return false;
    *waited = mark_refused(s, refused, why);
    failpoint("sweep-taken");
    changes_decide(&s->changes);
    changes_messages(&s->changes);
    if (!finish(s, err))
        return false;
    failpoint("sweep-committed");
    return true;
}

static bool transaction(struct sweep *s, const struct usage_id *ids, size_t n, int refused,
                        const char *why, size_t *waited, struct err *err)
{
    *waited = 0;
    changes_sweep(&s->changes, ids, n);
    bool stored = steps(s, refused, why, waited, err);
    store_forget(s->store);
    if (!stored)
        db_rollback(s->db);
    return stored;
}

/* A usage whose ratings PostgreSQL refuses (reason `database`): each is left out in turn, mostly it
 * is one of them; else all end. Not when many have been refused in a row: then it is not they. */
static bool set_aside(struct sweep *s, const struct usage_id *id, size_t waited, struct err *err)
{
    char name[ID_CHARS];
    struct err first = *err;
    id_print(id, name);
    if (++s->refused_run > IN_A_ROW_MAX)
        return err_wrap(err, "more than %d usages in a row are refused, so no rating is set aside",
                        IN_A_ROW_MAX);
    const char *why =
        arena_printf(s->arena, "PostgreSQL refuses the data for usage %s, SQLSTATE %s: %s", name,
                     first.state, first.text);
    size_t ignored;
    for (int i = 0; waited > 1 && i < (int)waited && i < ALONE_MAX; i++) {
        if (transaction(s, id, 1, i, why, &ignored, err))
            return true;
        if (!store_is_data(err) || stop_asked()) /* the next process begins anew */
            return false;
    }
    return transaction(s, id, 1, ALL, why, &ignored, err);
}

/* The usages together; if PostgreSQL refuses a record's data, fewer, and the next call the rest. */
static bool sweep_usages(struct sweep *s, const struct usage_id *ids, size_t n, struct err *err)
{
    size_t waited;
    if (transaction(s, ids, n, NONE, NULL, &waited, err)) {
        s->refused_run = 0;
        return true;
    }
    if (!store_is_data(err))
        return false;
    return n > 1 ? sweep_usages(s, ids, n / 2, err) : set_aside(s, ids, waited, err);
}

bool sweep_once(struct sweep *s, const struct changes **changes, bool *more, struct err *err)
{
    size_t n = 0, missed;
    *changes = NULL;
    arena_reset(s->arena);
    struct usage_id *ids = arena_alloc(s->arena, 2 * SWEEP_USAGES * sizeof *ids);
    s->changes = (struct changes){.settings = s->settings,
                                  .a = s->arena,
                                  .now_ms = instant_now(),
                                  .parts = &s->part,
                                  .part_count = 1};
    s->part.topic = HTTP_SOURCE;
    if (!look(s, err) || !find_missed(s, ids, &n, err))
        return false;
    missed = n;
    if (!find_old(s, ids, &n, err))
        return false;
    *more = n > 0 || (s->swept < s->high && s->high < s->seen);
    if (n > 0) {
        if (!sweep_usages(s, ids, n, err))
            return false;
        *changes = &s->changes;
    }
    if (missed > 0 || s->swept == s->high)
        return true;
    if (s->high == s->seen) /* all of it is swept: a new first look */
        s->after = 0;
    return note_done(s, err);
}
