#include "usage/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/embed.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "usage/id.h"
#include "usage/store_copy.h"
#include "usage/store_cull.h"
#include "usage/store_parts.h"

enum {
    COLLISIONS_MAX = 10, /* another writer in between, again and again: the batch is begun anew */
    CULLS_MAX = 5,       /* of one batch: each has set records aside */
    VACUUM_BATCHES = 25,
    BREATH_PARTITIONS = 32 /* made in a row; a batch of old dates may need thousands */
};

struct store *store_new(const struct store_settings *settings)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->settings = *settings;
    s->db = settings->db;
    s->recent = recent_new();
    store_parked_init(s);
    s->update_rated = embed_text(embed_sql, "update_rated.sql");
    s->park = embed_text(embed_sql, "park.sql");
    s->lock_parked = embed_text(embed_sql, "lock_parked.sql");
    s->take_parked = embed_text(embed_sql, "take_parked.sql");
    s->lock_usages = embed_text(embed_sql, "lock_usages.sql");
    s->large_documents = embed_text(embed_sql, "large_documents.sql");
    s->account_sql = embed_text(embed_sql, "account.sql");
    s->account_parked = embed_text(embed_sql, "account_parked.sql");
    s->outbox_add = embed_text(embed_sql, "outbox_add.sql");
    s->outbox_clean = embed_text(embed_sql, "outbox_clean.sql");
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    struct db_params *all[] = {&s->claims,  &s->ids,    &s->updates, &s->parks,
                               &s->account, &s->parked, &s->clean};
    for (size_t i = 0; i < STORE_OUTBOX_CALLS; i++)
        db_params_fini(&s->outbox[i]);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        db_params_fini(all[i]);
    store_forget(s);
    buf_fini(&s->scratch);
    buf_fini(&s->row);
    recent_free(s->recent);
    store_parked_fini(s);
    arena_free(s->trial);
    free(s);
}

/* --- partitions of usage_row --- */

/* NULL: none that we know of. */
static const struct store_range *range_of(const struct store *s, int64_t ms)
{
    for (size_t i = s->range_count; i-- > 0;) /* the newest is the usual one */
        if (s->ranges[i].low <= ms && ms < s->ranges[i].high)
            return &s->ranges[i];
    return NULL;
}

static bool ensure_partition(struct store *s, int64_t ms, struct err *err)
{
    struct db_rows rows;
    db_params_reset(&s->ids);
    db_param_time(&s->ids, ms);
    db_param_text(&s->ids, text_of(s->settings.interval));
    if (!db_query(s->db, "SELECT low_ms, high_ms FROM ensure_partition($1::timestamptz, $2::text)",
                  &s->ids, &rows, err))
        return false;
    if (s->range_count == STORE_RANGES_MAX)
        s->range_count = 0;
    s->ranges[s->range_count++] = (struct store_range){db_int8(&rows, 0, 0), db_int8(&rows, 0, 1)};
    db_rows_fini(&rows);
    return true;
}

bool store_ensure_partitions(struct store *s, const struct changes *c, struct err *err)
{
    int made = 0;
    for (size_t i = 0; i < c->group_count; i++) {
        int64_t ms = id_milliseconds(&c->groups[i].id);
        if (!c->groups[i].creator || range_of(s, ms))
            continue;
        if (!ensure_partition(s, ms, err))
            return err_wrap(err, "making a partition of usage_row");
        if (++made % BREATH_PARTITIONS == 0)
            db_breathe(s->db);
    }
    return true;
}

bool store_prepare(struct store *s, struct err *err)
{
    int64_t now = instant_now();
    if (!range_of(s, now) && !ensure_partition(s, now, err))
        return false;
    const struct store_range *present = range_of(s, now);
    if (!present)
        return err_set(err, ERR_RETRY, "no partition of usage_row holds the present time");
    int64_t next = present->high;
    return range_of(s, next) || ensure_partition(s, next, err);
}

/* --- the transaction --- */

static const char claim_sql[] =
    "SELECT claim(v.topic, v.partition, v.owner, v.low, v.high)"
    " FROM unnest($1::text[], $2::int[], $3::uuid[], $4::bigint[], $5::bigint[])"
    " AS v (topic, partition, owner, low, high)";

static void claim_params(struct store *s, const struct changes *c, const struct store_part *parts)
{
    struct db_params *p = &s->claims;
    db_params_reset(p);
    db_array_begin(p, DB_TEXT, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_text(p, text_of(c->parts[i].topic));
    db_array_end(p);
    db_array_begin(p, DB_INT4, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_int4(p, c->parts[i].partition);
    db_array_end(p);
    db_array_begin(p, DB_UUID, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_uuid(p, parts[i].owner);
    db_array_end(p);
    db_array_begin(p, DB_INT8, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_int8(p, c->parts[i].from);
    db_array_end(p);
    db_array_begin(p, DB_INT8, c->part_count);
    for (size_t i = 0; i < c->part_count; i++)
        db_array_int8(p, c->parts[i].to);
    db_array_end(p);
}

/* What is there although nobody remembered it. */
static bool any_surprise(const struct changes *c)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (c->groups[i].there && !c->groups[i].remembered)
            return true;
    return false;
}

/* Claimed first: whoever lost the partition must fail before it has written anything. Duplicates
 * are looked for before they hit the COPY: usages of a moment ago always, all while there are
 * others. */
static bool begin(struct store *s, struct changes *c, const struct store_part *parts,
                  struct err *err)
{
    struct db_rows probed = {0}, newer = {0};
    for (size_t i = 0; i < c->group_count; i++) {
        struct group *g = &c->groups[i];
        g->there = NULL;
        g->inserted = g->creator != NULL;
        g->remembered = g->creator && recent_seen(s->recent, &g->id);
    }
    bool probe = store_ids(s, c, s->probe_all ? store_creates : store_remembers) > 0;
    claim_params(s, c, parts);
    struct db_call calls[5] = {{.sql = "BEGIN"}, {.sql = claim_sql, .params = &s->claims}};
    size_t n = 2;
    n += store_parked_call(s, &newer, &calls[n]);
    calls[n++] = (struct db_call){.sql = "SAVEPOINT fresh"};
    if (probe)
        calls[n++] = (struct db_call){.sql = store_probe_sql, .params = &s->ids, .rows = &probed};
    bool ok = db_pipe(s->db, calls, n, NULL, err);
    if (newer.count > 0)
        store_parked_note(s, &newer);
    if (!ok)
        return false;
    if (probe)
        store_note_probed(c, &probed);
    s->probe_all = s->probe_all && any_surprise(c);
    return true;
}

static bool any_inserted(const struct changes *c)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (c->groups[i].inserted)
            return true;
    return false;
}

/* COPY of all that may be new. On a collision: back to the savepoint, look which are there, COPY
 * the rest. */
static bool insert_new(struct store *s, struct changes *c, struct err *err)
{
    for (int i = 0; any_inserted(c) && !store_copy(s->db, c, &s->scratch, err); i++) {
        struct db_rows probed;
        if (strcmp(err->state, "23505") != 0 || i == COLLISIONS_MAX)
            return false;
        if (!db_run(s->db, "ROLLBACK TO SAVEPOINT fresh", err))
            return false;
        store_ids(s, c, store_creates);
        if (!db_query(s->db, store_probe_sql, &s->ids, &probed, err))
            return false;
        for (size_t k = 0; k < c->group_count; k++)
            c->groups[k].inserted = c->groups[k].creator != NULL;
        store_note_probed(c, &probed);
        s->probe_all = true;
    }
    return true;
}

/* The outbox rows [from, to) of the batch's parts, as calls of a pipeline. */
static size_t outbox_calls(struct store *s, const struct changes *c, size_t from, size_t to,
                           struct db_call *calls)
{
    for (size_t i = from; i < to; i++) {
        store_outbox_params(&s->outbox[i - from], &c->parts[i]);
        calls[i - from] = (struct db_call){.sql = s->outbox_add, .params = &s->outbox[i - from]};
    }
    return to - from;
}

static struct db_call clean_call(struct store *s, struct changes *c, const struct store_part *parts)
{
    struct store_mark *marks = arena_alloc(c->a, c->part_count * sizeof *marks);
    for (size_t i = 0; i < c->part_count; i++)
        marks[i] =
            (struct store_mark){c->parts[i].topic, c->parts[i].partition, parts[i].published};
    store_clean_params(&s->clean, marks, c->part_count);
    return (struct db_call){.sql = s->outbox_clean, .params = &s->clean};
}

size_t store_row_calls(struct store *s, struct changes *c, struct db_call *calls)
{
    size_t n = 0;
    if (store_update_params(s, c) > 0)
        calls[n++] = (struct db_call){.sql = s->update_rated, .params = &s->updates};
    if (c->to_park_count > 0) {
        store_park_params(s, c);
        calls[n++] = (struct db_call){.sql = s->park, .params = &s->parks};
    }
    return n;
}

static bool finish(struct store *s, struct changes *c, const struct store_part *parts,
                   struct err *err)
{
    struct db_call calls[STORE_OUTBOX_CALLS + STORE_ROW_CALLS + 8];
    size_t n = store_row_calls(s, c, calls), left = c->part_count;
    if (store_account_params(&s->account, c, false) > 0)
        calls[n++] = (struct db_call){.sql = s->account_sql, .params = &s->account};
    if (store_account_params(&s->parked, c, true) > 0)
        calls[n++] = (struct db_call){.sql = s->account_parked, .params = &s->parked};
    for (; left > STORE_OUTBOX_CALLS;
         left -= STORE_OUTBOX_CALLS) { /* a worker with many partitions */
        n += outbox_calls(s, c, left - STORE_OUTBOX_CALLS, left, calls + n);
        if (!db_pipe(s->db, calls, n, NULL, err))
            return false;
        n = 0;
    }
    n += outbox_calls(s, c, 0, left, calls + n);
    calls[n++] = clean_call(s, c, parts);
    calls[n++] = (struct db_call){.sql = "COMMIT"};
    failpoint("before-commit");
    if (!db_pipe(s->db, calls, n, NULL, err))
        return false;
    failpoint("after-commit");
    return true;
}

bool store_enter(struct store *s, struct changes *c, const struct store_part *parts,
                 struct err *err)
{
    if (!begin(s, c, parts, err) || !insert_new(s, c, err) || !store_lock_usages(s, c, err) ||
        !store_take_parked(s, c, err))
        return false;
    store_mark_refused(c);
    return true;
}

static bool tells_too_much(const struct changes *c, struct err *err)
{
    if (c->told == c->entry_count)
        return false;
    err_set(err, ERR_RETRY,
            "the messages of %zu of %zu records have more than the %zu bytes that are wanted",
            c->told, c->entry_count, c->messages_max);
    err->code = (int)c->told;
    snprintf(err->state, sizeof err->state, "%s", STORE_TOO_HEAVY);
    return true;
}

static bool transaction(struct store *s, struct changes *c, const struct store_part *parts,
                        struct err *err)
{
    if (!store_ensure_partitions(s, c, err) || !store_parked_fill(s, err) ||
        !store_enter(s, c, parts, err))
        return false;
    changes_decide(c);
    changes_messages(c);
    return !tells_too_much(c, err) && finish(s, c, parts, err);
}

/* Autovacuum looks once a minute, which at full speed is gigabytes of dead outbox rows. */
static void vacuum_outbox(struct store *s)
{
    struct err err;
    if (++s->batches < VACUUM_BATCHES)
        return;
    s->batches = 0;
    if (!db_run(s->db, "VACUUM (SKIP_LOCKED, TRUNCATE false) outbox", &err))
        err_clear(&err); /* a lost connection shows at the next batch */
}

/* 23514 without a constraint: no partition for a row. */
bool store_lost_partition(struct store *s, const struct err *err)
{
    bool lost = strcmp(err->state, "23514") == 0 && err->code == 0;
    if (lost)
        s->range_count = 0;
    return lost;
}

/* What was tried for a batch that was refused. */
struct remedies {
    bool looked, probed;
    int culls;
};

/* True: there is one more, so it is worth another transaction. */
static bool remedy(struct store *s, struct changes *c, const struct store_part *parts,
                   struct remedies *tried, struct err *err)
{
    if (store_lost_partition(s, err)) {
        bool first = !tried->looked;
        tried->looked = true;
        return first;
    }
    if (!store_is_data(err))
        return false;
    if (!tried->probed) { /* what is there already need not pass a constraint that is newer */
        tried->probed = s->probe_all = true;
        return true;
    }
    return tried->culls++ < CULLS_MAX && store_cull(s, c, parts, err);
}

bool store_batch(struct store *s, struct changes *c, const struct store_part *parts,
                 struct err *err)
{
    struct remedies tried = {0};
    memset(s->refused_now, 0, sizeof s->refused_now);
    for (;;) {
        bool stored = transaction(s, c, parts, err);
        store_forget(s);
        if (stored) {
            store_count_refused(s, c);
            vacuum_outbox(s);
            return true;
        }
        db_rollback(s->db);
        if (!remedy(s, c, parts, &tried, err))
            return false;
    }
}

bool store_clean(struct store *s, const struct store_mark *marks, size_t n, struct err *err)
{
    if (n == 0)
        return true;
    store_clean_params(&s->clean, marks, n);
    return db_query(s->db, s->outbox_clean, &s->clean, NULL, err);
}

bool store_largest_partition(struct store *s, char *name, size_t name_bytes, int64_t *count,
                             struct err *err)
{
    struct db_rows rows = {0};
    bool ok = db_query(s->db, embed_text(embed_sql, "largest_partition.sql"), NULL, &rows, err);
    *count = 0;
    if (ok && rows.count > 0) {
        snprintf(name, name_bytes, "%.*s", TEXT_ARGS(db_text(&rows, 0, 0)));
        *count = db_int8(&rows, 0, 1);
    }
    db_rows_fini(&rows);
    return ok;
}
