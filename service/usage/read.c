#include "usage/read.h"

#include <inttypes.h>

#include "base/jsonr.h"

#define READ_COLUMNS "id, status, description, rated_product_usage, document, revision"

enum {
    COLUMN_ID,
    COLUMN_STATUS,
    COLUMN_DESCRIPTION,
    COLUMN_RATINGS,
    COLUMN_DOCUMENT,
    COLUMN_REVISION
};

void read_row(const struct db_rows *rows, int row, struct render_row *out)
{
    memcpy(out->id.bytes, db_uuid(rows, row, COLUMN_ID), sizeof out->id.bytes);
    out->status = db_text(rows, row, COLUMN_STATUS);
    out->description = db_text(rows, row, COLUMN_DESCRIPTION);
    out->ratings = db_text(rows, row, COLUMN_RATINGS);
    out->document = db_text(rows, row, COLUMN_DOCUMENT);
}

int64_t read_revision(const struct db_rows *rows, int row)
{
    return db_int8(rows, row, COLUMN_REVISION);
}

bool read_usage(struct db *db, const struct usage_id *id, struct db_rows *rows, struct err *err)
{
    struct db_params p = {0};
    db_param_uuid(&p, id->bytes);
    bool ok =
        db_query(db, "SELECT " READ_COLUMNS " FROM usage_row WHERE id = $1 AND deleted_at IS NULL",
                 &p, rows, err);
    db_params_fini(&p);
    return ok;
}

/* "<head> FROM usage_row WHERE ...": the same rows for the page, the count and the guess. */
static void select_rows(const char *head, const struct query *q, struct buf *sql,
                        struct db_params *p)
{
    buf_str(sql, head);
    buf_str(sql, " FROM usage_row WHERE deleted_at IS NULL AND ");
    query_where(q, sql, p);
}

bool read_page(struct db *db, const struct query *q, struct db_rows *rows, struct err *err)
{
    struct buf sql = {0};
    struct db_params p = {0};
    select_rows("SELECT " READ_COLUMNS, q, &sql, &p);
    buf_printf(&sql, " ORDER BY id DESC LIMIT %d OFFSET %" PRId64, q->limit, q->offset);
    bool ok = db_query_once(db, buf_text(&sql), &p, rows, err);
    db_params_fini(&p);
    buf_fini(&sql);
    return ok;
}

/* *late: the count was ended by its timeout, *out is not set. */
static bool count(struct db *db, const struct query *q, int timeout_ms, int64_t *out, bool *late,
                  struct err *err)
{
    struct buf sql = {0}, limit = {0};
    struct db_params p = {0};
    struct db_rows rows = {0};
    select_rows("SELECT count(*)", q, &sql, &p);
    buf_printf(&limit, "SET LOCAL statement_timeout = %d", timeout_ms > 0 ? timeout_ms : 1);
    /* None is prepared: preparing what stands behind a failed statement would cost the connection.
     */
    struct db_call calls[] = {
        {.sql = "BEGIN READ ONLY", .once = true},
        {.sql = buf_text(&limit), .once = true},
        {.sql = buf_text(&sql), .params = &p, .rows = &rows, .once = true},
        {.sql = "COMMIT", .once = true},
    };
    size_t failed;
    bool ok = db_pipe(db, calls, sizeof calls / sizeof *calls, &failed, err);
    *late = !ok && failed == 2 && strcmp(err->state, "57014") == 0;
    if (ok)
        *out = db_int8(&rows, 0, 0);
    else if (db_is_open(db))
        db_rollback(db);
    db_rows_fini(&rows);
    db_params_fini(&p);
    buf_fini(&limit);
    buf_fini(&sql);
    return ok || *late;
}

/* The first "Plan Rows" of EXPLAIN (FORMAT JSON): [{"Plan": {..., "Plan Rows": 12345, ...}}] */
static int64_t plan_rows(struct text json)
{
    struct arena *a = arena_new(1024);
    struct jsonr r = jsonr_start(json);
    struct text key, number = {0};
    bool inside = jsonr_enter(&r, JSONR_ARRAY) && jsonr_next_item(&r) &&
                  jsonr_enter(&r, JSONR_OBJECT) && jsonr_next_key(&r, a, &key) &&
                  text_is(key, "Plan") && jsonr_enter(&r, JSONR_OBJECT);
    while (inside && !number.p && jsonr_next_key(&r, a, &key)) {
        if (text_is(key, "Plan Rows"))
            inside = jsonr_number(&r, &number);
        else
            inside = jsonr_skip(&r, NULL);
    }
    int64_t rows = 0;
    for (size_t i = 0;
         i < number.n && number.p[i] >= '0' && number.p[i] <= '9' && rows < INT64_MAX / 20; i++)
        rows = rows * 10 + (number.p[i] - '0');
    arena_free(a);
    return rows;
}

static bool guess(struct db *db, const struct query *q, int64_t *out, struct err *err)
{
    struct buf sql = {0};
    struct db_params p = {0};
    struct db_rows rows = {0};
    select_rows("EXPLAIN (FORMAT JSON) SELECT 1", q, &sql, &p);
    bool ok = db_query_once(db, buf_text(&sql), &p, &rows, err);
    if (ok)
        *out = rows.count > 0 ? plan_rows(db_text(&rows, 0, 0)) : 0;
    db_rows_fini(&rows);
    db_params_fini(&p);
    buf_fini(&sql);
    return ok;
}

bool read_count(struct db *db, const struct query *q, int timeout_ms, int64_t at_least,
                struct read_total *out, struct err *err)
{
    *out = (struct read_total){0};
    if (!count(db, q, timeout_ms, &out->count, &out->estimated, err))
        return false;
    if (out->estimated && !guess(db, q, &out->count, err))
        return false;
    if (out->count < at_least)
        out->count = at_least;
    return true;
}
