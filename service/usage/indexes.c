#include "usage/indexes.h"

#include "base/embed.h"

/* Whoever waits for a lock on the whole stops all who come after: better to ask again. */
static const char short_wait[] = "SET lock_timeout = '1s'", long_wait[] = "SET lock_timeout = 0";

static bool ask(struct db *db, const char *file, const char *const *names, int count,
                struct db_rows *rows, struct err *err)
{
    struct db_params p = {0};
    db_array_begin(&p, DB_TEXT, (size_t)count);
    for (int i = 0; i < count; i++)
        db_array_text(&p, text_of(names[i]));
    db_array_end(&p);
    bool ok = db_query_once(db, embed_text(embed_sql, file), &p, rows, err);
    db_params_fini(&p);
    return ok;
}

bool indexes_next(struct db *db, const char *const *names, int count, struct indexes_step *out,
                  struct err *err)
{
    *out = (struct indexes_step){0};
    bool ok = ask(db, "index_next.sql", names, count, &out->rows, err);
    if (!ok || out->rows.count == 0)
        return ok;
    out->say = db_text(&out->rows, 0, 0);
    out->run = db_text(&out->rows, 0, 1);
    out->after = db_text(&out->rows, 0, 2);
    out->beside = db_truth(&out->rows, 0, 3);
    return true;
}

void indexes_step_fini(struct indexes_step *step)
{
    db_rows_fini(&step->rows);
}

/* The server's texts end with a 0. */
bool indexes_take(struct db *db, const struct indexes_step *step, bool *busy, struct err *err)
{
    *busy = false;
    if (!db_run(db, step->beside ? long_wait : short_wait, err))
        return false;
    bool ok = db_run(db, step->run.p, err) && (!step->after.p || db_run(db, step->after.p, err));
    *busy = !ok && strcmp(err->state, "55P03") == 0;
    return ok || *busy;
}

bool indexes_missing(struct db *db, const char *const *names, int count, struct buf *out,
                     struct err *err)
{
    struct db_rows rows;
    if (!ask(db, "index_missing.sql", names, count, &rows, err))
        return false;
    for (int i = 0; i < rows.count; i++)
        buf_printf(out, "%s%.*s", i > 0 ? "," : "", TEXT_ARGS(db_text(&rows, i, 0)));
    db_rows_fini(&rows);
    return true;
}
