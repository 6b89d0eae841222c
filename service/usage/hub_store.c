#include "usage/hub_store.h"

#include "base/embed.h"

bool hub_store_add(struct db *db, const struct hub_listener *l, struct text token,
                   const struct hub_position *positions, size_t n, struct err *err)
{
    struct db_params p = {0};
    db_param_uuid(&p, l->id.bytes);
    db_param_text(&p, l->callback);
    db_param_text(&p, l->query);
    db_param_text(&p, token.p ? token : TEXT(""));
    db_array_begin(&p, DB_TEXT, n);
    for (size_t i = 0; i < n; i++)
        db_array_text(&p, positions[i].topic);
    db_array_end(&p);
    db_array_begin(&p, DB_INT4, n);
    for (size_t i = 0; i < n; i++)
        db_array_int4(&p, positions[i].partition);
    db_array_end(&p);
    db_array_begin(&p, DB_INT8, n);
    for (size_t i = 0; i < n; i++)
        db_array_int8(&p, positions[i].next);
    db_array_end(&p);
    bool ok = db_query(db, embed_text(embed_sql, "hub_add.sql"), &p, NULL, err);
    db_params_fini(&p);
    return ok;
}

bool hub_store_remove(struct db *db, const struct usage_id *id, bool *found, struct err *err)
{
    struct db_params p = {0};
    db_param_uuid(&p, id->bytes);
    struct db_call call = {.sql = "DELETE FROM hub_listener WHERE id = $1::uuid", .params = &p};
    bool ok = db_pipe(db, &call, 1, NULL, err);
    *found = ok && call.affected > 0;
    db_params_fini(&p);
    return ok;
}

/* The insertion waits for one that is not committed yet; a deletion alone would not see it. */
bool hub_store_forget(struct db *db, const struct usage_id *id, struct err *err)
{
    struct db_params p = {0};
    db_param_uuid(&p, id->bytes);
    struct db_call calls[] = {
        {.sql = "INSERT INTO hub_listener (id, callback, token) "
                "VALUES ($1::uuid, '', '') ON CONFLICT DO NOTHING",
         .params = &p},
        {.sql = "DELETE FROM hub_listener WHERE id = $1::uuid", .params = &p}};
    bool ok = db_pipe(db, calls, 2, NULL, err);
    db_params_fini(&p);
    return ok;
}

static struct text kept(struct arena *a, struct text t)
{
    return t.p ? (struct text){arena_copy(a, t.p, t.n), t.n} : (struct text){0};
}

static struct usage_id id_at(const struct db_rows *rows, int row)
{
    struct usage_id id;
    memcpy(id.bytes, db_uuid(rows, row, 0), sizeof id.bytes);
    return id;
}

static void take_listeners(const struct db_rows *rows, struct arena *a, struct hub_listener **out,
                           size_t *n)
{
    *n = (size_t)rows->count;
    *out = arena_alloc(a, (*n + 1) * sizeof **out);
    for (int i = 0; i < rows->count; i++)
        (*out)[i] = (struct hub_listener){.id = id_at(rows, i),
                                          .callback = kept(a, db_text(rows, i, 1)),
                                          .query = kept(a, db_text(rows, i, 2)),
                                          .suspended = db_truth(rows, i, 3),
                                          .backlog = db_int8(rows, i, 4)};
}

bool hub_store_listeners(struct db *db, struct arena *a, struct hub_listener **out, size_t *n,
                         struct err *err)
{
    struct db_rows rows = {0};
    bool ok = db_query(db, embed_text(embed_sql, "hub_listeners.sql"), NULL, &rows, err);
    if (ok)
        take_listeners(&rows, a, out, n);
    db_rows_fini(&rows);
    return ok;
}

bool hub_store_positions(struct db *db, struct arena *a, struct hub_position **out, size_t *n,
                         struct err *err)
{
    struct db_rows rows = {0};
    if (!db_query(db, embed_text(embed_sql, "hub_positions.sql"), NULL, &rows, err))
        return false;
    *n = (size_t)rows.count;
    *out = arena_alloc(a, (*n + 1) * sizeof **out);
    for (int i = 0; i < rows.count; i++)
        (*out)[i] = (struct hub_position){.listener = id_at(&rows, i),
                                          .topic = kept(a, db_text(&rows, i, 1)),
                                          .partition = db_int4(&rows, i, 2),
                                          .next = db_int8(&rows, i, 3),
                                          .high = db_int8(&rows, i, 4),
                                          .failures = db_int4(&rows, i, 5),
                                          .retry_at = db_null(&rows, i, 6) ? INSTANT_NONE
                                                                           : db_time(&rows, i, 6)};
    db_rows_fini(&rows);
    return true;
}

bool hub_store_keep(struct db *db, const struct hub_position *x, size_t n, struct err *err)
{
    struct db_params p = {0};
    db_array_begin(&p, DB_UUID, n);
    for (size_t i = 0; i < n; i++)
        db_array_uuid(&p, x[i].listener.bytes);
    db_array_end(&p);
    db_array_begin(&p, DB_TEXT, n);
    for (size_t i = 0; i < n; i++)
        db_array_text(&p, x[i].topic);
    db_array_end(&p);
    db_array_begin(&p, DB_INT4, n);
    for (size_t i = 0; i < n; i++)
        db_array_int4(&p, x[i].partition);
    db_array_end(&p);
    db_array_begin(&p, DB_INT8, n);
    for (size_t i = 0; i < n; i++)
        db_array_int8(&p, x[i].next);
    db_array_end(&p);
    db_array_begin(&p, DB_INT8, n);
    for (size_t i = 0; i < n; i++)
        db_array_int8(&p, x[i].high);
    db_array_end(&p);
    db_array_begin(&p, DB_INT4, n);
    for (size_t i = 0; i < n; i++)
        db_array_int4(&p, x[i].failures);
    db_array_end(&p);
    db_array_begin(&p, DB_TIME, n);
    for (size_t i = 0; i < n; i++)
        if (x[i].retry_at == INSTANT_NONE)
            db_array_null(&p);
        else
            db_array_time(&p, x[i].retry_at);
    db_array_end(&p);
    bool ok = db_query(db, embed_text(embed_sql, "hub_keep.sql"), &p, NULL, err);
    db_params_fini(&p);
    return ok;
}

bool hub_store_reset(struct db *db, const struct hub_position *x, struct err *err)
{
    struct db_params p = {0};
    db_param_uuid(&p, x->listener.bytes);
    db_param_text(&p, x->topic);
    db_param_int4(&p, x->partition);
    db_param_int8(&p, x->next);
    bool ok = db_query(db,
                       "UPDATE hub_position SET next_offset = $4::bigint, high_offset = $4::bigint "
                       "WHERE listener = $1::uuid AND topic = $2::text AND partition = $3::int",
                       &p, NULL, err);
    db_params_fini(&p);
    return ok;
}

bool hub_store_suspend(struct db *db, int64_t backlog, struct arena *a, struct hub_listener **out,
                       size_t *n, struct err *err)
{
    struct db_params p = {0};
    struct db_rows rows = {0};
    db_param_int8(&p, backlog);
    bool ok = db_query(db, embed_text(embed_sql, "hub_suspend.sql"), &p, &rows, err);
    if (ok)
        take_listeners(&rows, a, out, n);
    db_rows_fini(&rows);
    db_params_fini(&p);
    return ok;
}
