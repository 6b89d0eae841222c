#include "usage/specification_store.h"

#include <stdlib.h>

#include "base/embed.h"
#include "base/instant.h"
#include "base/json_merge.h"
#include "usage/http_write.h"
#include "usage/id.h"
#include "usage/model.h"
#include "usage/outbox.h"

enum { ARENA_BLOCK = 16 * 1024 };

struct specification_store {
    struct specification_store_settings settings;
    struct db *db;
    struct arena *arena; /* of one request */
    struct db_params params;
    struct buf json, messages;
    int64_t now_ms;
};

struct specification_store *
specification_store_new(const struct specification_store_settings *settings)
{
    struct specification_store *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->settings = *settings;
    s->db = settings->db;
    s->arena = arena_new(ARENA_BLOCK);
    return s;
}

void specification_store_free(struct specification_store *s)
{
    if (!s)
        return;
    arena_free(s->arena);
    db_params_fini(&s->params);
    buf_fini(&s->json);
    buf_fini(&s->messages);
    free(s);
}

static void start(struct specification_store *s)
{
    arena_reset(s->arena);
    s->now_ms = instant_now();
}

static void show(struct specification_store *s, const struct specification *x,
                 struct specification_answer *out)
{
    const char *base = s->settings.base_url;
    buf_reset(&s->json);
    specification_render(&s->json, x, base, NULL);
    *out = (struct specification_answer){
        .json = {s->json.data, s->json.len},
        .href =
            text_of(arena_printf(s->arena, "%s/usageSpecification/%.*s", base, TEXT_ARGS(x->id))),
        .revision = x->revision};
}

static bool tell(struct specification_store *s, enum specification_event_type type,
                 const struct specification *x, const char *field_path, struct err *err)
{
    struct specification_event e = {.type = type,
                                    .schema_id = *s->settings.schema_id,
                                    .specification = x,
                                    .base_url = s->settings.base_url,
                                    .event_time = s->now_ms,
                                    .occurred = s->now_ms,
                                    .field_path = field_path};
    buf_reset(&s->messages);
    outbox_begin(&s->messages, OUTBOX_SPECIFICATION, x->id, NULL, 0);
    size_t mark = outbox_value_begin(&s->messages);
    specification_event_write(&s->messages, &e);
    size_t bytes = outbox_value_end(&s->messages, mark);
    return (int64_t)bytes <= s->settings.event_max ||
           http_write_refuse(
               err, 400,
               "the event of this specification would have %zu bytes, more than event.max-bytes "
               "(%lld)",
               bytes, (long long)s->settings.event_max);
}

static bool run(struct specification_store *s, const char *sql, struct err *err)
{
    return db_query(s->db, embed_text(embed_sql, sql), &s->params, NULL, err);
}

/* --- POST --- */

static bool insert(struct specification_store *s, const struct specification *x, struct err *err)
{
    db_params_reset(&s->params);
    db_param_text(&s->params, x->id);
    db_param_text(&s->params, x->name);
    db_param_int8(&s->params, x->revision);
    db_param_time(&s->params, x->updated_at);
    db_param_text(&s->params, x->document);
    return run(s, "insert_specification.sql", err);
}

static bool create(struct specification_store *s, const struct specification *x,
                   const struct idempotency *key, struct specification_answer *out, struct err *err)
{
    struct idempotency_answer first;
    if (!http_write_begin(s->db, err) || !idempotency_look(s->db, key, s->arena, &first, err))
        return false;
    if (first.found) {
        *out = (struct specification_answer){first.body, first.location, first.revision};
        return db_run(s->db, "ROLLBACK", err);
    }
    show(s, x, out);
    first = (struct idempotency_answer){
        .location = out->href, .body = out->json, .revision = out->revision};
    return insert(s, x, err) && idempotency_keep(s->db, key, &first, s->now_ms, err) &&
           http_write_commit(s->db, &s->messages, err);
}

bool specification_create(struct specification_store *s, struct text json,
                          const struct idempotency *key, struct specification_answer *out,
                          struct err *err)
{
    struct specification x;
    char id[ID_CHARS];
    start(s);
    if (!model_check(MODEL_SPECIFICATION_CREATE, json, s->arena, err) ||
        !specification_of(json, s->arena, &x, err))
        return false;
    struct usage_id random = id_random(s->now_ms);
    id_print(&random, id);
    x.id = text_of(arena_copy(s->arena, id, ID_CHARS - 1));
    x.revision = 1;
    x.updated_at = s->now_ms;
    return tell(s, SPECIFICATION_CREATE, &x, NULL, err) &&
           (create(s, &x, key, out, err) || http_write_give_up(s->db, err));
}

/* --- PATCH, DELETE --- */

static struct text kept(struct arena *a, struct text t)
{
    return (struct text){arena_copy(a, t.p, t.n), t.n};
}

static bool lock(struct specification_store *s, struct text id, struct specification *out,
                 struct err *err)
{
    struct db_rows rows = {0};
    char quoted[TEXT_QUOTED];
    db_params_reset(&s->params);
    db_param_text(&s->params, id);
    if (!http_write_begin(s->db, err) ||
        !db_query(s->db, embed_text(embed_sql, "lock_specification.sql"), &s->params, &rows, err))
        return false;
    bool found = rows.count == 1;
    if (found)
        *out = (struct specification){.id = id,
                                      .name = kept(s->arena, db_text(&rows, 0, 0)),
                                      .revision = db_int8(&rows, 0, 1),
                                      .updated_at = db_time(&rows, 0, 2),
                                      .document = kept(s->arena, db_text(&rows, 0, 3))};
    db_rows_fini(&rows);
    if (!found)
        http_write_refuse(err, 404, "No usageSpecification with id %s", text_quote(id, quoted));
    return found;
}

static bool merge(struct specification_store *s, const struct specification *before,
                  struct text patch, struct specification *after, struct err *err)
{
    struct buf merged = {0};
    bool ok = json_merge(before->document, patch, s->arena, &merged) ||
              http_write_refuse(err, 400, "The patch is nested too deep");
    struct text json = {arena_copy(s->arena, merged.data, merged.len), merged.len};
    buf_fini(&merged);
    if (!ok || !model_check(MODEL_SPECIFICATION_CREATE, json, s->arena, err) ||
        !specification_of(json, s->arena, after, err))
        return false;
    after->id = before->id;
    after->revision = before->revision + 1;
    after->updated_at = s->now_ms;
    return true;
}

static bool patch(struct specification_store *s, struct text id, struct text json,
                  struct text if_match, struct specification_answer *out, struct err *err)
{
    struct specification before, after;
    if (!lock(s, id, &before, err) || !http_write_matches(if_match, before.revision, err) ||
        !merge(s, &before, json, &after, err))
        return false;
    const char *path = specification_changed(&before, &after, s->arena);
    show(s, *path ? &after : &before, out);
    if (!*path)
        return db_run(s->db, "ROLLBACK", err);
    db_params_reset(&s->params);
    db_param_text(&s->params, id);
    db_param_text(&s->params, after.name);
    db_param_int8(&s->params, after.revision);
    db_param_time(&s->params, after.updated_at);
    db_param_text(&s->params, after.document);
    return tell(s, SPECIFICATION_ATTRIBUTE_CHANGE, &after, path, err) &&
           run(s, "update_specification.sql", err) && http_write_commit(s->db, &s->messages, err);
}

bool specification_patch(struct specification_store *s, struct text id, struct text json,
                         struct text if_match, struct specification_answer *out, struct err *err)
{
    start(s);
    return model_check(MODEL_SPECIFICATION_UPDATE, json, s->arena, err) &&
           (patch(s, id, json, if_match, out, err) || http_write_give_up(s->db, err));
}

static bool erase(struct specification_store *s, struct text id, struct text if_match,
                  struct err *err)
{
    struct specification last;
    if (!lock(s, id, &last, err) || !http_write_matches(if_match, last.revision, err))
        return false;
    last.revision++;
    return tell(s, SPECIFICATION_DELETE, &last, NULL, err) &&
           db_query(s->db, "DELETE FROM usage_specification WHERE id = $1::text", &s->params, NULL,
                    err) &&
           http_write_commit(s->db, &s->messages, err);
}

bool specification_delete(struct specification_store *s, struct text id, struct text if_match,
                          struct err *err)
{
    start(s);
    return erase(s, id, if_match, err) || http_write_give_up(s->db, err);
}
