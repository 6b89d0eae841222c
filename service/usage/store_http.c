#include "usage/store_http.h"

#include <stdlib.h>

#include "base/embed.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/json_merge.h"
#include "usage/changes_parts.h"
#include "usage/http_source.h"
#include "usage/http_write.h"
#include "usage/id.h"
#include "usage/model.h"
#include "usage/render.h"
#include "usage/store_parts.h"

enum { ARENA_BLOCK = 64 * 1024 };

struct store_http {
    struct store_http_settings settings;
    struct db *db;
    struct store *store; /* for its statements */
    struct arena *arena; /* of one request */
    struct changes changes;
    struct part part;
    struct db_params params;
    struct buf json, row;
};

struct store_http *store_http_new(const struct store_http_settings *settings)
{
    struct store_http *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->settings = *settings;
    s->db = settings->db;
    s->store = store_new(&(struct store_settings){.db = s->db, .interval = settings->interval});
    s->arena = arena_new(ARENA_BLOCK);
    s->part.topic = HTTP_SOURCE;
    return s;
}

void store_http_free(struct store_http *s)
{
    if (!s)
        return;
    store_free(s->store);
    arena_free(s->arena);
    db_params_fini(&s->params);
    buf_fini(&s->part.messages);
    buf_fini(&s->json);
    buf_fini(&s->row);
    free(s);
}

/* A fault of the body: its code was the reason of a dead letter. */
static bool bad_request(struct err *err)
{
    err->code = 400;
    return false;
}

/* --- what every change does --- */

static void start(struct store_http *s)
{
    arena_reset(s->arena);
    s->changes = (struct changes){.settings = s->settings.changes,
                                  .a = s->arena,
                                  .now_ms = instant_now(),
                                  .parts = &s->part,
                                  .part_count = 1};
}

static bool publish_and_commit(struct store_http *s, struct err *err)
{
    changes_messages(&s->changes);
    return http_write_commit(s->db, &s->part.messages, err);
}

static struct text render_row_text(struct buf *b, const struct list *ratings, struct arena *a)
{
    buf_reset(b);
    if (ratings->count == 0)
        return (struct text){0};
    render_ratings(b, ratings);
    return (struct text){arena_copy(a, b->data, b->len), b->len};
}

/* The answer: the usage as it is now. */
static void show(struct store_http *s, const struct usage *u, struct store_http_answer *out)
{
    char id[ID_CHARS];
    const char *base = s->settings.changes->base_url;
    struct render_row row = {.id = u->id,
                             .status = text_of(usage_status_names[u->status]),
                             .description = u->description,
                             .ratings = render_row_text(&s->row, &u->ratings, s->arena)};
    buf_reset(&s->row);
    render_document(&s->row, u);
    row.document = (struct text){s->row.data, s->row.len};
    buf_reset(&s->json);
    render_usage(&s->json, &row, base, NULL);
    id_print(&u->id, id);
    *out =
        (struct store_http_answer){.json = {s->json.data, s->json.len},
                                   .href = text_of(arena_printf(s->arena, "%s/usage/%s", base, id)),
                                   .revision = u->revision};
}

static struct text text_or_null(struct text t)
{
    return t.n > 0 ? t : (struct text){0};
}

static void add_other_parties(struct db_params *p, const struct usage *u)
{
    const struct related_party *first = usage_subscriber(u), *parties = u->parties.items;
    if (u->parties.count < 2) {
        db_param_null(p);
        return;
    }
    db_array_begin(p, DB_TEXT, u->parties.count - 1);
    for (size_t i = 0; i < u->parties.count; i++)
        if (&parties[i] != first)
            db_array_text(p, parties[i].id);
    db_array_end(p);
}

/* $1 to $11 of insert_usage.sql and update_usage.sql. */
static void row_params(struct store_http *s, const struct usage *u)
{
    struct db_params *p = &s->params;
    const struct related_party *party = usage_subscriber(u);
    db_params_reset(p);
    db_param_uuid(p, u->id.bytes);
    db_param_text(p, text_or_null(u->usage_type));
    db_param_text(p, text_of(usage_status_names[u->status]));
    db_param_text(p, text_or_null(u->description));
    db_param_text(p, u->specification.id);
    db_param_text(p, party ? party->id : (struct text){0});
    add_other_parties(p, u);
    db_param_text(p, render_row_text(&s->row, &u->ratings, s->arena));
    db_param_int8(p, u->revision);
    db_param_time(p, s->changes.now_ms);
    buf_reset(&s->row);
    render_document(&s->row, u);
    db_param_text(p, (struct text){s->row.data, s->row.len});
}

static bool one_row(struct store_http *s, const char *sql, int *affected, struct err *err)
{
    struct db_call call = {.sql = embed_text(embed_sql, sql), .params = &s->params};
    bool ok = db_pipe(s->db, &call, 1, NULL, err);
    *affected = call.affected;
    return ok;
}

/* --- POST --- */

static struct entry *entry_of(struct store_http *s, const struct body *body)
{
    struct changes *c = &s->changes;
    struct entry *e = arena_zero(s->arena, sizeof *e);
    e->in = (struct inbound){.topic = HTTP_SOURCE, .timestamp = c->now_ms};
    e->change = (struct change){.kind = CHANGE_DOCUMENT,
                                .id = body->usage->id,
                                .usage = body->usage,
                                .content = body->content,
                                .status = body->usage->status,
                                .source = body->source,
                                .record_id = body->record_id};
    c->entries = e;
    c->entry_count = 1;
    return e;
}

static bool insert(struct store_http *s, const struct body *body, struct err *err)
{
    int affected;
    char id[ID_CHARS];
    row_params(s, body->usage);
    db_param_time(&s->params, body->usage->usage_date);
    db_param_int8(&s->params, (int64_t)body->content);
    if (!one_row(s, "insert_usage.sql", &affected, err))
        return false;
    if (affected == 1)
        return true;
    id_print(&body->usage->id, id);
    return http_write_refuse(
        err, 409,
        "A usage of this source, record id and date is there already, or was deleted: "
        "%s/usage/%s",
        s->settings.changes->base_url, id);
}

/* What waits for the new usage acts at once. */
static bool apply_parked(struct store_http *s, struct err *err)
{
    struct store *store = s->store;
    struct changes *c = &s->changes;
    struct db_call calls[2];
    size_t n = 0;
    c->groups[0].inserted = true;
    if (!store_take_parked(store, c, err))
        return false;
    changes_decide(c);
    if (store_update_params(store, c) > 0)
        calls[n++] = (struct db_call){.sql = store->update_rated, .params = &store->updates};
    if (store_account_params(&store->parked, c, true) > 0)
        calls[n++] = (struct db_call){.sql = store->account_parked, .params = &store->parked};
    return n == 0 || db_pipe(s->db, calls, n, NULL, err);
}

static bool create(struct store_http *s, const struct body *body, const struct idempotency *key,
                   struct store_http_answer *out, struct err *err)
{
    struct idempotency_answer first;
    if (!http_write_begin(s->db, err) || !idempotency_look(s->db, key, s->arena, &first, err))
        return false;
    if (first.found) {
        *out = (struct store_http_answer){first.body, first.location, first.revision, NULL};
        return db_run(s->db, "ROLLBACK", err);
    }
    if (!insert(s, body, err))
        return false;
    failpoint("write-inserted");
    if (!apply_parked(s, err))
        return false;
    const struct group *g = &s->changes.groups[0];
    const struct usage *now = g->now ? &g->now->usage : body->usage;
    show(s, now, out);
    first = (struct idempotency_answer){
        .location = out->href, .body = out->json, .revision = out->revision};
    if (!idempotency_keep(s->db, key, &first, s->changes.now_ms, err) ||
        !publish_and_commit(s, err))
        return false;
    out->created = &s->changes;
    return true;
}

static bool try_create(struct store_http *s, const struct body *body, const struct idempotency *key,
                       struct store_http_answer *out, struct err *err)
{
    return (db_open(s->db, err) && store_ensure_partitions(s->store, &s->changes, err) &&
            create(s, body, key, out, err)) ||
           http_write_give_up(s->db, err);
}

/* A retry of what was taken once may be refused by now, since its date has left the window: it
 * brings the first answer back all the same. */
static bool was_taken(struct store_http *s, const struct idempotency *key,
                      struct store_http_answer *out)
{
    struct err err;
    struct idempotency_answer first;
    if (!key->given || !db_open(s->db, &err))
        return false;
    bool taken = idempotency_look(s->db, key, s->arena, &first, &err) && first.found;
    if (taken)
        *out = (struct store_http_answer){first.body, first.location, first.revision, NULL};
    db_rollback(s->db);
    return taken;
}

/* What can be said of it without the tables. */
static bool check(struct store_http *s, struct text json, struct body *body, struct err *err)
{
    if (!model_check(MODEL_USAGE_CREATE, json, s->arena, err) ||
        !(body_usage(json, s->settings.mapping, s->changes.now_ms, s->arena, body, err) ||
          bad_request(err)))
        return false;
    struct entry *e = entry_of(s, body);
    changes_check(&s->changes, e);
    return !e->large || http_write_refuse(err, 400, changes_large_text,
                                          (long long)s->settings.changes->event_max);
}

bool store_http_create(struct store_http *s, struct text json, const struct idempotency *key,
                       struct store_http_answer *out, struct err *err)
{
    struct body body;
    start(s);
    if (!check(s, json, &body, err))
        return was_taken(s, key, out);
    changes_group(&s->changes);
    return try_create(s, &body, key, out, err) ||
           (store_lost_partition(s->store, err) && try_create(s, &body, key, out, err));
}

/* --- PATCH, DELETE --- */

/* The usage, locked. */
static bool lock(struct store_http *s, const struct usage_id *id, const struct there **out,
                 struct err *err)
{
    char name[ID_CHARS];
    changes_sweep(&s->changes, id, 1);
    if (!http_write_begin(s->db, err) || !store_lock_usages(s->store, &s->changes, err))
        return false;
    failpoint("write-locked");
    *out = s->changes.groups[0].there;
    if (*out && !(*out)->deleted)
        return true;
    id_print(id, name);
    return http_write_refuse(err, 404, "No usage with id %s", name);
}

/* The one event of a change that is not a creation. */
static bool tell(struct store_http *s, enum event_type type, const struct usage *after,
                 enum usage_status previous, const char *field_path, struct err *err)
{
    struct changes *c = &s->changes;
    struct entry *e = &c->entries[0];
    struct effect *f = arena_zero(s->arena, sizeof *f);
    e->in = (struct inbound){.topic = HTTP_SOURCE, .timestamp = c->now_ms};
    f->type = type;
    f->after = after;
    f->previous = previous;
    f->field_path = field_path;
    f->cause = &e->in;
    changes_correlate(after, NULL, f);
    e->effects = e->last_effect = f;
    if (changes_event_too_large(c, f))
        return http_write_refuse(err, 400, changes_large_text, (long long)c->settings->event_max);
    return true;
}

static bool may_become(const struct usage *before, const struct usage *after, struct err *err)
{
    if (before->status == STATUS_BILLED)
        return http_write_refuse(err, 409, "The usage is billed and takes no change");
    if (before->status == after->status ||
        usage_may_become(before->status, after->status, ROAD_HTTP))
        return true;
    return http_write_refuse(err, 409, "status: there is no transition from %s to %s",
                             usage_status_names[before->status], usage_status_names[after->status]);
}

/* What the patch makes of the usage, checked as a whole. */
static bool merge(struct store_http *s, const struct usage *before, struct text patch,
                  struct body *after, struct err *err)
{
    struct store_http_answer now;
    struct buf merged = {0};
    show(s, before, &now);
    buf_reset(&s->row);
    bool ok = (json_merge(now.json, TEXT("{\"id\":null,\"href\":null}"), s->arena, &s->row) &&
               json_merge((struct text){s->row.data, s->row.len}, patch, s->arena, &merged)) ||
              http_write_refuse(err, 400, "The patch is nested too deep");
    struct text json = {arena_copy(s->arena, merged.data, merged.len), merged.len};
    buf_fini(&merged);
    if (!ok || !model_check(MODEL_USAGE_MERGED, json, s->arena, err) ||
        !(body_merged(json, s->settings.mapping, before, s->arena, after, err) || bad_request(err)))
        return false;
    after->usage->revision = before->revision + 1;
    return true;
}

static bool patch(struct store_http *s, const struct usage_id *id, struct text json,
                  struct text if_match, struct store_http_answer *out, struct err *err)
{
    const struct there *there;
    struct body body;
    int affected;
    if (!lock(s, id, &there, err) || !http_write_matches(if_match, there->usage.revision, err))
        return false;
    const struct usage *before = &there->usage;
    if (!merge(s, before, json, &body, err))
        return false;
    const struct usage *after = body.usage;
    const char *path = body_field_path(before, after, s->arena);
    if (!*path) {
        show(s, before, out);
        return db_run(s->db, "ROLLBACK", err);
    }
    bool state = before->status != after->status;
    if (!may_become(before, after, err) ||
        !tell(s, state ? EVENT_STATE_CHANGE : EVENT_ATTRIBUTE_CHANGE, after, before->status,
              state ? NULL : path, err))
        return false;
    row_params(s, after);
    if (!one_row(s, "update_usage.sql", &affected, err))
        return false;
    show(s, after, out);
    return publish_and_commit(s, err);
}

bool store_http_patch(struct store_http *s, const struct usage_id *id, struct text json,
                      struct text if_match, struct store_http_answer *out, struct err *err)
{
    start(s);
    if (!model_check(MODEL_USAGE_UPDATE, json, s->arena, err))
        return false;
    bool ok = patch(s, id, json, if_match, out, err) || http_write_give_up(s->db, err);
    store_forget(s->store);
    return ok;
}

static bool erase(struct store_http *s, const struct usage_id *id, struct text if_match,
                  struct err *err)
{
    const struct there *there;
    struct usage *last = arena_alloc(s->arena, sizeof *last);
    int affected;
    if (!lock(s, id, &there, err) || !http_write_matches(if_match, there->usage.revision, err))
        return false;
    if (there->usage.status == STATUS_BILLED)
        return http_write_refuse(err, 409, "The usage is billed and cannot be deleted");
    *last = there->usage;
    last->revision++;
    if (!tell(s, EVENT_DELETE, last, last->status, NULL, err))
        return false;
    db_params_reset(&s->params);
    db_param_uuid(&s->params, id->bytes);
    db_param_int8(&s->params, last->revision);
    db_param_time(&s->params, s->changes.now_ms);
    return one_row(s, "delete_usage.sql", &affected, err) && publish_and_commit(s, err);
}

bool store_http_delete(struct store_http *s, const struct usage_id *id, struct text if_match,
                       struct err *err)
{
    start(s);
    bool ok = erase(s, id, if_match, err) || http_write_give_up(s->db, err);
    store_forget(s->store);
    return ok;
}
