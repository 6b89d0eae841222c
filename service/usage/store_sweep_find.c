#include "usage/store_sweep_find.h"

#include <string.h>

#include "base/embed.h"
#include "base/instant.h"
#include "usage/id.h"

enum { LOOK_RATINGS = 20000 /* in one question: a second of a backlog of millions */ };

bool sweep_find_begin(struct sweep_find *f, struct err *err)
{
    struct db_rows rows = {0};
    if (!db_query(f->db, "SELECT pg_postmaster_start_time()", NULL, &rows, err))
        return false;
    int64_t started = db_time(&rows, 0, 0);
    db_rows_fini(&rows);
    if (started != f->server)
        f->seen = f->after = f->ahead = 0;
    f->server = started;
    return true;
}

void sweep_find_fini(struct sweep_find *f)
{
    db_params_fini(&f->params);
}

/* --- ratings that were not swept yet --- */

static bool numbers(struct sweep_find *f, const char *sql, int n, int64_t *out, struct err *err)
{
    struct db_rows rows = {0};
    if (!db_query(f->db, sql, &f->params, &rows, err))
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
static bool look(struct sweep_find *f, struct err *err)
{
    int64_t at[3]; /* swept, all below are over, all before have lower numbers */
    bool first = f->after == 0;
    db_params_reset(&f->params);
    db_param_truth(&f->params, first);
    db_param_int8(&f->params, f->ahead);
    if (!numbers(f, embed_text(embed_sql, "sweep_look.sql"), 3, at, err))
        return false;
    f->swept = f->high = at[0];
    if (first) {
        f->seen = at[1];
        f->after = f->seen > f->swept ? at[2] : 0;
        return true;
    }
    if (at[1] < f->after)
        return true;
    db_params_reset(&f->params);
    db_param_int8(&f->params, f->swept);
    db_param_int8(&f->params, f->seen);
    db_param_int4(&f->params, LOOK_RATINGS);
    return numbers(f, embed_text(embed_sql, "sweep_chunk.sql"), 1, &f->high, err);
}

static bool find_missed(struct sweep_find *f, struct sweep_due *due, struct err *err)
{
    struct db_rows rows = {0};
    if (f->swept == f->high)
        return true;
    db_params_reset(&f->params);
    db_param_int8(&f->params, f->swept);
    db_param_int8(&f->params, f->high);
    db_param_int4(&f->params, SWEEP_USAGES);
    db_param_int8(&f->params, SWEEP_BYTES);
    sweep_passed_param(&f->passed, &f->params);
    if (!db_query(f->db, embed_text(embed_sql, "sweep_missed.sql"), &f->params, &rows, err))
        return false;
    for (int i = 0; i < rows.count; i++)
        memcpy(due->ids[due->count++].bytes, db_uuid(&rows, i, 0), sizeof due->ids[0].bytes);
    db_rows_fini(&rows);
    return true;
}

/* Nothing is missed in [swept, high). While a usage is passed over only we know: parked_sweep moves
 * on with all the next time that there is none. */
static bool note_swept(struct sweep_find *f, struct err *err)
{
    if (f->high == f->seen) /* all of it is swept: a new first look */
        f->after = 0;
    f->ahead = f->high;
    if (f->passed.count > 0)
        return true;
    db_params_reset(&f->params);
    db_param_int8(&f->params, f->high);
    return db_query(f->db, embed_text(embed_sql, "sweep_done.sql"), &f->params, NULL, err);
}

/* --- ratings that have waited too long --- */

/* Of those whose usage is there after all the usages, ascending, each once. */
static void usages_there(const struct db_rows *old, struct sweep_due *due)
{
    for (int i = 0; i < old->count; i++) {
        struct usage_id id;
        memcpy(id.bytes, db_uuid(old, i, 0), sizeof id.bytes);
        bool again = due->count > 0 && id_compare(&due->ids[due->count - 1], &id) == 0;
        if (db_truth(old, i, 4) && !again)
            due->ids[due->count++] = id;
    }
}

static bool find_old(struct sweep_find *f, int64_t cutoff, struct sweep_due *due, struct err *err)
{
    db_params_reset(&f->params);
    db_param_time(&f->params, cutoff);
    db_param_int4(&f->params, SWEEP_USAGES);
    db_param_int8(&f->params, SWEEP_BYTES);
    sweep_passed_param(&f->passed, &f->params);
    if (!db_query(f->db, embed_text(embed_sql, "sweep_old.sql"), &f->params, &due->old, err))
        return false;
    usages_there(&due->old, due);
    if (due->count > 0)
        db_rows_fini(&due->old); /* they are found again */
    return true;
}

bool sweep_find_due(struct sweep_find *f, int64_t cutoff, struct sweep_due *due, struct err *err)
{
    due->old = (struct db_rows){0};
    due->count = sweep_passed_due(&f->passed, instant_ticks(), due->ids);
    due->more = due->count > 0;
    if (due->count > 0)
        return true;
    if (!look(f, err) || !find_missed(f, due, err))
        return false;
    if (due->count > 0)
        return true;
    due->more = f->swept < f->high && f->high < f->seen;
    if (f->swept < f->high && !note_swept(f, err))
        return false;
    return find_old(f, cutoff, due, err);
}
