/* What stands in the tables under the ids of a batch. */
#include <assert.h>
#include <stdio.h>

#include "usage/id.h"
#include "usage/render.h"
#include "usage/store_parts.h"

/* The ids of the groups that `wanted` names; returns how many. */
size_t store_ids(struct store *s, const struct changes *c, bool (*wanted)(const struct group *))
{
    size_t n = 0;
    for (size_t i = 0; i < c->group_count; i++)
        n += !wanted || wanted(&c->groups[i]);
    db_params_reset(&s->ids);
    db_array_begin(&s->ids, DB_UUID, n);
    for (size_t i = 0; i < c->group_count; i++)
        if (!wanted || wanted(&c->groups[i]))
            db_array_uuid(&s->ids, c->groups[i].id.bytes);
    db_array_end(&s->ids);
    return n;
}

bool store_creates(const struct group *g)
{
    return g->creator != NULL;
}

bool store_remembers(const struct group *g)
{
    return g->remembered;
}

static bool must_be_locked(const struct group *g)
{
    return (g->rated || g->large) && !g->inserted;
}

/* Ratings may wait for these: the new ones, and existing ones that this batch rates. */
static bool may_have_parked(const struct group *g)
{
    return g->inserted || (g->rated && g->there != NULL);
}

/* --- what is there --- */

/* The group of an id; the rows come in the order of the groups, so the search goes on where it
 * stood. */
static struct group *find_group(const struct changes *c, size_t *at, const unsigned char *uuid)
{
    struct usage_id id;
    memcpy(id.bytes, uuid, sizeof id.bytes);
    while (*at < c->group_count && id_compare(&c->groups[*at].id, &id) < 0)
        (*at)++;
    assert(*at < c->group_count && id_compare(&c->groups[*at].id, &id) == 0);
    return &c->groups[*at];
}

const char store_probe_sql[] = "SELECT id, content, deleted_at IS NOT NULL FROM usage_row WHERE "
                               "id = ANY ($1::uuid[]) ORDER BY id";

/* A duplicate's digest is read without a lock: it never changes. */
void store_note_probed(struct changes *c, struct db_rows *rows)
{
    size_t at = 0;
    for (int i = 0; i < rows->count; i++) {
        struct group *g = find_group(c, &at, db_uuid(rows, i, 0));
        g->there = arena_zero(c->a, sizeof *g->there);
        g->there->content = (uint64_t)db_int8(rows, i, 1);
        g->there->deleted = db_truth(rows, i, 2);
        g->inserted = false;
    }
    db_rows_fini(rows);
}

static struct text kept(struct arena *a, struct text t)
{
    return t.p ? (struct text){arena_copy(a, t.p, t.n), t.n} : t;
}

static bool read_there(struct changes *c, const struct db_rows *rows, int i, struct text document,
                       struct there *there, struct err *err)
{
    there->content = (uint64_t)db_int8(rows, i, 1);
    there->deleted = db_truth(rows, i, 2);
    struct text rated = db_text(rows, i, 7);
    there->rated_count = (int)(rated.n / 8 < OUTCOME_DIGESTS ? rated.n / 8 : OUTCOME_DIGESTS);
    if (there->rated_count > 0)
        memcpy(there->rated, rated.p, (size_t)there->rated_count * 8);
    if (there->deleted)
        return true;
    struct render_row row = {.status = db_text(rows, i, 4),
                             .description = db_text(rows, i, 5),
                             .ratings = db_text(rows, i, 6),
                             .document = document};
    memcpy(row.id.bytes, db_uuid(rows, i, 0), sizeof row.id.bytes);
    if (!render_read(&row, c->a, &there->usage, err)) {
        char id[ID_CHARS];
        id_print(&row.id, id);
        err->kind = ERR_RETRY;
        return err_wrap(err, "usage %s as it is stored", id);
    }
    there->usage.revision = db_int8(rows, i, 3);
    return true;
}

void store_forget(struct store *s)
{
    db_rows_fini(&s->locked);
    db_rows_fini(&s->large);
}

/* One usage is never too much. err->code: how many records of the batch may do, if its usages are
 * alike. */
static bool too_heavy(const struct store *s, const struct changes *c, int64_t bytes,
                      struct err *err)
{
    int64_t max = s->settings.documents_max;
    if (max == 0 || bytes <= max || s->locked.count < 2)
        return false;
    err_set(err, ERR_RETRY, "the documents of %d usages have %lld bytes, at most %lld are wanted",
            s->locked.count, (long long)bytes, (long long)max);
    int64_t fit = (int64_t)c->entry_count * max / bytes;
    err->code = fit > 0 ? (int)fit : 1;
    snprintf(err->state, sizeof err->state, "%s", STORE_TOO_HEAVY);
    return true;
}

/* The long documents, once it is known that all of them are not too much. */
static bool read_large(struct store *s, const struct changes *c, struct err *err)
{
    int64_t bytes = 0;
    size_t n = 0;
    for (int i = 0; i < s->locked.count; i++) {
        bytes += db_int4(&s->locked, i, 9);
        n += db_null(&s->locked, i, 8);
    }
    if (n == 0)
        return true;
    if (too_heavy(s, c, bytes, err))
        return false;
    db_params_reset(&s->ids);
    db_array_begin(&s->ids, DB_UUID, n);
    for (int i = 0; i < s->locked.count; i++)
        if (db_null(&s->locked, i, 8))
            db_array_uuid(&s->ids, db_uuid(&s->locked, i, 0));
    db_array_end(&s->ids);
    if (!db_query(s->db, s->large_documents, &s->ids, &s->large, err))
        return false;
    return s->large.count == (int)n ||
           err_set(err, ERR_RETRY, "locked usages are not there any more");
}

bool store_lock_usages(struct store *s, struct changes *c, struct err *err)
{
    store_forget(s);
    size_t n = store_ids(s, c, must_be_locked), at = 0;
    if (n == 0)
        return true;
    int64_t each = s->settings.documents_max / (int64_t)n;
    db_param_int4(&s->ids, each > 0 ? (int32_t)each : INT32_MAX);
    if (!db_query(s->db, s->lock_usages, &s->ids, &s->locked, err) || !read_large(s, c, err))
        return false;
    bool ok = true;
    for (int i = 0, large = 0; ok && i < s->locked.count; i++) {
        struct group *g = find_group(c, &at, db_uuid(&s->locked, i, 0));
        struct text document =
            db_null(&s->locked, i, 8) ? db_text(&s->large, large++, 0) : db_text(&s->locked, i, 8);
        g->there = arena_zero(c->a, sizeof *g->there);
        ok = read_there(c, &s->locked, i, document, g->there, err);
    }
    return ok;
}

static bool read_parked(struct changes *c, const struct db_rows *rows, int i, struct parked *p,
                        struct err *err)
{
    struct change *change = &p->change;
    change->kind = CHANGE_RATED;
    memcpy(change->id.bytes, db_uuid(rows, i, 0), sizeof change->id.bytes);
    struct text topic = db_text(rows, i, 1);
    p->in.topic = arena_copy(c->a, topic.p, topic.n);
    p->in.partition = db_int4(rows, i, 2);
    p->in.offset = db_int8(rows, i, 3);
    p->in.key = kept(c->a, db_text(rows, i, 4));
    p->in.value = kept(c->a, db_text(rows, i, 5));
    if (!inbound_unpack_headers(kept(c->a, db_text(rows, i, 6)), c->a, &p->in))
        return err_set(err, ERR_RETRY, "headers of a parked rating cannot be read");
    p->in.timestamp = db_int8(rows, i, 7);
    change->status = usage_status_of(db_text(rows, i, 8));
    change->description = kept(c->a, db_text(rows, i, 9));
    struct text ratings = kept(c->a, db_text(rows, i, 10));
    if (ratings.p && !render_read_ratings(ratings, c->a, &change->ratings, err)) {
        err->kind = ERR_RETRY;
        return err_wrap(err, "a parked rating as it is stored");
    }
    change->newest_rating = usage_newest_rating(&change->ratings);
    change->rated = (uint64_t)db_int8(rows, i, 11);
    return true;
}

/* The rows come in the order of groups and places, so each goes behind the one before it. */
static bool hang_parked(struct changes *c, const struct db_rows *rows, struct err *err)
{
    struct parked **end = NULL;
    struct group *before = NULL;
    size_t at = 0;
    for (int i = 0; i < rows->count; i++) {
        struct parked *p = arena_zero(c->a, sizeof *p);
        if (!read_parked(c, rows, i, p, err))
            return false;
        struct group *g = find_group(c, &at, p->change.id.bytes);
        if (g != before)
            end = &g->parked;
        before = g;
        *end = p;
        end = &p->next;
    }
    return true;
}

bool store_hang_parked(struct store *s, struct changes *c, const char *sql, struct err *err)
{
    struct db_rows rows = {0};
    bool ok = db_query(s->db, sql, &s->ids, &rows, err) && hang_parked(c, &rows, err);
    db_rows_fini(&rows);
    return ok;
}

/* Whom to ask for: the ids, as the one parameter in s->ids; returns how many. */
static size_t waited_for(struct store *s, const struct changes *c)
{
    const struct usage_id **ids = arena_alloc(c->a, (c->group_count + 1) * sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct group *g = &c->groups[i];
        if (may_have_parked(g) && store_parked_maybe(s, &g->id))
            ids[n++] = &g->id;
    }
    db_params_reset(&s->ids);
    db_array_begin(&s->ids, DB_UUID, n);
    for (size_t i = 0; i < n; i++)
        db_array_uuid(&s->ids, ids[i]->bytes);
    db_array_end(&s->ids);
    return n;
}

/* Locked first, in the common order; then taken, and only what the DELETE returns is ours. */
bool store_take_parked(struct store *s, struct changes *c, struct err *err)
{
    struct db_rows rows;
    for (size_t i = 0; i < c->group_count; i++)
        c->groups[i].parked = NULL;
    if (waited_for(s, c) == 0)
        return true;
    if (!db_query(s->db, s->lock_parked, &s->ids, &rows, err))
        return false;
    int found = rows.count;
    db_rows_fini(&rows);
    if (found == 0)
        return true;
    return store_hang_parked(s, c, s->take_parked, err);
}
