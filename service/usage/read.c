#include "usage/read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/instant.h"
#include "base/jsonr.h"
#include "usage/id.h"
#include "usage/query_where.h"
#include "usage/read_parts.h"
#include "usage/render_csv.h"

/* Of both collections id, document and revision come first; keys of the order come behind all. */
#define READ_USAGE "id, document, revision, status, description, rated_product_usage"
#define READ_SPECIFICATION "id, document, revision, updated_at"

enum {
    COLUMN_ID,
    COLUMN_DOCUMENT,
    COLUMN_REVISION,
    COLUMN_STATUS,
    COLUMN_DESCRIPTION,
    COLUMN_RATINGS,
    COLUMNS_USAGE,
    COLUMN_UPDATED_AT = COLUMN_STATUS,
    COLUMNS_SPECIFICATION
};

/* --- rows ------------------------------------------------------------------------------------ */

static struct render_row usage_row(const struct db_rows *rows, int row)
{
    struct render_row r = {.status = db_text(rows, row, COLUMN_STATUS),
                           .description = db_text(rows, row, COLUMN_DESCRIPTION),
                           .ratings = db_text(rows, row, COLUMN_RATINGS),
                           .document = db_text(rows, row, COLUMN_DOCUMENT)};
    memcpy(r.id.bytes, db_uuid(rows, row, COLUMN_ID), sizeof r.id.bytes);
    return r;
}

static void render_usage_row(const struct db_rows *rows, int row, const char *base_url,
                             const struct render_fields *fields, struct buf *b)
{
    struct render_row r = usage_row(rows, row);
    render_usage(b, &r, base_url, fields);
}

static void render_specification_row(const struct db_rows *rows, int row, const char *base_url,
                                     const struct render_fields *fields, struct buf *b)
{
    struct specification s = {.id = db_text(rows, row, COLUMN_ID),
                              .updated_at = db_time(rows, row, COLUMN_UPDATED_AT),
                              .document = db_text(rows, row, COLUMN_DOCUMENT)};
    specification_render(b, &s, base_url, fields);
}

static int row_of(const struct read_page *page, int i)
{
    return page->turned ? page->count - 1 - i : i;
}

void read_render(const struct read_page *page, int i, const char *base_url, struct buf *b)
{
    const struct query *q = page->query;
    if (q->resource == &query_usages)
        render_usage_row(&page->rows, row_of(page, i), base_url, &q->fields, b);
    else
        render_specification_row(&page->rows, row_of(page, i), base_url, &q->fields, b);
}

void read_render_csv(const struct read_page *page, int i, const char *base_url, struct buf *b)
{
    struct render_row r = usage_row(&page->rows, row_of(page, i));
    render_csv(b, &r, base_url, &page->query->fields);
}

void read_render_usage(const struct db_rows *rows, const char *base_url,
                       const struct render_fields *fields, struct buf *b)
{
    render_usage_row(rows, 0, base_url, fields, b);
}

void read_render_specification(const struct db_rows *rows, const char *base_url,
                               const struct render_fields *fields, struct buf *b)
{
    render_specification_row(rows, 0, base_url, fields, b);
}

int read_columns(const struct query *q)
{
    return (q->resource == &query_usages ? (int)COLUMNS_USAGE : (int)COLUMNS_SPECIFICATION) +
           q->sort.count;
}

int64_t read_revision(const struct db_rows *rows)
{
    return db_int8(rows, 0, COLUMN_REVISION);
}

struct query_token read_page_token(const struct read_page *page, int i, int64_t position,
                                   struct arena *a)
{
    const struct query *q = page->query;
    int row = row_of(page, i), first = COLUMNS_SPECIFICATION;
    struct query_token token = {.position = position, .count = q->sort.count};
    if (q->resource->uuid) {
        struct usage_id id;
        char *text = arena_alloc(a, ID_CHARS);
        memcpy(id.bytes, db_uuid(&page->rows, row, COLUMN_ID), sizeof id.bytes);
        id_print(&id, text);
        token.id = text_of(text);
        first = COLUMNS_USAGE;
    } else {
        token.id = db_text(&page->rows, row, COLUMN_ID);
    }
    for (int k = 0; k < token.count; k++)
        token.keys[k] = db_text(&page->rows, row, first + k);
    return token;
}

/* --- one ------------------------------------------------------------------------------------- */

bool read_usage(struct db *db, const struct usage_id *id, struct db_rows *rows, struct err *err)
{
    struct db_params p = {0};
    db_param_uuid(&p, id->bytes);
    bool ok =
        db_query(db, "SELECT " READ_USAGE " FROM usage_row WHERE id = $1 AND deleted_at IS NULL",
                 &p, rows, err);
    db_params_fini(&p);
    return ok;
}

bool read_specification(struct db *db, struct text id, struct db_rows *rows, struct err *err)
{
    struct db_params p = {0};
    db_param_text(&p, id);
    bool ok = db_query(db, "SELECT " READ_SPECIFICATION " FROM usage_specification WHERE id = $1",
                       &p, rows, err);
    db_params_fini(&p);
    return ok;
}

/* --- statements ------------------------------------------------------------------------------ */

/* "<head> FROM ... WHERE ...": the same rows for the page, the count and the guess. */
static void select_rows(const char *head, const struct query *q, int party, struct query_sql *s)
{
    buf_printf(&s->text, "%s FROM %s WHERE %s AND ", head, q->resource->table, q->resource->there);
    query_where(q, party, s);
}

static int64_t rows_wanted(const struct query *q)
{
    int64_t offset = q->after || q->before ? 0 : q->offset;
    return offset < INT64_MAX - q->limit - 1 ? offset + q->limit + 1 : INT64_MAX;
}

static const char *columns(const struct query *q)
{
    return q->resource == &query_usages ? READ_USAGE : READ_SPECIFICATION;
}

/* An order that begins with usageDate and goes on with other keys has no index, but the ids say
 * where the rows that are wanted end: all that come later have a later date. */
static void end_by_date(const struct query *q, struct query_sql *s)
{
    const struct query_key *first = q->sort.keys;
    if (q->sort.count == 0 || attribute_last(&first->path)->role != ROLE_USAGE_DATE)
        return;
    bool down = first->descending != q->before;
    const char *digit = down ? "0" : "f";
    buf_printf(&s->text, " AND id %s coalesce((SELECT rpad(left(id::text, 13), 33, '%s')::uuid",
               down ? ">=" : "<=", digit);
    select_rows("", q, QUERY_PARTY_ALL, s);
    query_order_token(q, s);
    buf_printf(&s->text, " ORDER BY id %s LIMIT 1 OFFSET %" PRId64 "), repeat('%s', 32)::uuid)",
               down ? "DESC" : "ASC", rows_wanted(q) - 1, digit);
}

/* A part of a party's rows, as many as may be wanted. The others are found first and sorted then:
 * else the planner, who knows little of them, may look for them among all rows by id. */
static void select_party(const struct query *q, int party, struct query_sql *s)
{
    bool others = party == QUERY_PARTY_OTHERS;
    buf_str(&s->text, others ? "(SELECT * FROM (" : "(");
    select_rows("SELECT " READ_USAGE, q, party, s);
    query_order_token(q, s);
    if (others)
        buf_str(&s->text, " OFFSET 0) AS others");
    query_order(q, s);
    buf_printf(&s->text, " LIMIT %" PRId64 ")", rows_wanted(q));
}

static void read_select(const struct query *q, struct query_sql *s)
{
    int parties = query_parties(q);
    if (parties > 0) {
        buf_str(&s->text, "SELECT * FROM (");
        for (int i = 0; i < parties; i++) {
            select_party(q, i, s);
            buf_str(&s->text, " UNION ALL ");
        }
        select_party(q, QUERY_PARTY_OTHERS, s);
        buf_str(&s->text, ") AS parts");
    } else {
        buf_printf(&s->text, "SELECT %s", columns(q));
        query_order_keys(q, s);
        select_rows("", q, QUERY_PARTY_ALL, s);
        query_order_token(q, s);
        end_by_date(q, s);
    }
    query_order(q, s);
    buf_printf(&s->text, " LIMIT %" PRId64, q->limit + 1);
    if (!q->after && !q->before && q->offset > 0)
        buf_printf(&s->text, " OFFSET %" PRId64, q->offset);
}

/* The lengths cost nothing, they stand in front of the texts, and a text that is left out is never
 * fetched. The window keeps the page's order: it has none of its own. The columns have names of
 * their own: a key of the order may be called as a column is. */
void read_select_within(const struct query *q, int bytes_max, struct query_sql *s)
{
    bool usages = q->resource == &query_usages;
    const char *bytes = usages ? "(octet_length(row_document) + "
                                 "coalesce(octet_length(row_description), 0) + "
                                 "coalesce(octet_length(row_ratings), 0))"
                               : "octet_length(row_document)";
    buf_printf(&s->text,
               "SELECT * FROM (SELECT *, sum(%s) OVER rows_so_far AS bytes_so_far, "
               "lead(true, 1, false) OVER rows_so_far AS is_followed FROM (",
               bytes);
    read_select(q, s);
    buf_printf(&s->text,
               ") AS page (%s) WINDOW rows_so_far AS (ROWS UNBOUNDED PRECEDING)) AS slice "
               "WHERE bytes_so_far - %s < %d",
               usages ? "row_id, row_document, row_revision, row_status, row_description, "
                        "row_ratings"
                      : "row_id, row_document, row_revision, row_updated_at",
               bytes, bytes_max);
}

bool read_run(struct db *db, struct query_sql *s, struct db_rows *rows, struct err *err)
{
    struct db_params p = {0};
    query_sql_params(s, &p);
    bool ok = db_query_once(db, buf_text(&s->text), &p, rows, err);
    db_params_fini(&p);
    query_sql_fini(s);
    return ok;
}

/* --- regular expressions --------------------------------------------------------------------- */

/* Whether PostgreSQL takes the expression, asked apart: in the query itself it may never be looked
 * at. */
static bool check_regex(struct db *db, const struct query_condition *c, struct text regex,
                        struct err *err)
{
    struct db_params p = {0};
    db_param_text(&p, regex);
    bool ok = db_query_once(db, "SELECT '' ~ $1::text COLLATE \"C\"", &p, NULL, err);
    db_params_fini(&p);
    failpoint("regex-checked");
    if (!ok && strcmp(err->state, "2201B") == 0) {
        char quoted[TEXT_QUOTED];
        struct buf name = {0};
        attribute_name(&c->path, &name);
        err_set(err, ERR_DATA, "%s: \"%s\" is no regular expression of PostgreSQL's",
                buf_text(&name), text_quote(regex, quoted));
        err->code = 400;
        buf_fini(&name);
    }
    return ok;
}

/* Each is a statement of its own, but a query's time is meant for all: compiling one can take
 * seconds, and a thread must not be held for the sum. */
static bool is_in_time(const struct db *db, int64_t began, struct err *err)
{
    int most = db_statement_timeout_ms(db);
    if (most == 0 || instant_ticks() - began < most)
        return true;
    err_set(err, ERR_RETRY, "the regular expressions take longer than %d ms to compile", most);
    snprintf(err->state, sizeof err->state, "57014");
    return false;
}

bool read_check_regexes(struct db *db, const struct query *q, struct err *err)
{
    const struct query_group *g = q->groups.items;
    int64_t began = instant_ticks();
    for (size_t i = 0; i < q->groups.count; i++) {
        const struct query_condition *c = g[i].conditions.items;
        for (size_t j = 0; j < g[i].conditions.count; j++) {
            const struct text *t = c[j].values.items;
            for (size_t k = 0; c[j].op == QUERY_REGEX && k < c[j].values.count; k++)
                if (!check_regex(db, &c[j], t[k], err) || !is_in_time(db, began, err))
                    return false;
        }
    }
    return true;
}

/* --- page ------------------------------------------------------------------------------------ */

/* A test build can be made to meet the edges of short pages everywhere. */
static int page_bytes(void)
{
#ifdef USAGED_FAILPOINTS
    const char *bytes = getenv("USAGED_FAILPOINT_PAGE_BYTES");
    if (bytes)
        return (int)strtol(bytes, NULL, 10);
#endif
    return READ_PAGE_BYTES;
}

static bool is_followed(const struct read_page *page)
{
    return page->count > 0 && db_truth(&page->rows, page->count - 1, read_columns(page->query) + 1);
}

bool read_page(struct db *db, const struct query *q, struct read_page *out, struct err *err)
{
    *out = (struct read_page){.query = q, .turned = q->before};
    if (!read_check_regexes(db, q, err))
        return false;
    if (q->limit == 0)
        return true;
    struct query_sql s = {.a = arena_new(4096)};
    read_select_within(q, page_bytes(), &s);
    bool ok = read_run(db, &s, &out->rows, err);
    arena_free(s.a);
    out->count = out->rows.count > q->limit ? (int)q->limit : out->rows.count;
    out->more = is_followed(out);
    return ok;
}

void read_page_fini(struct read_page *page)
{
    db_rows_fini(&page->rows);
}

/* --- counting -------------------------------------------------------------------------------- */

/* *late: the count was ended by its timeout, *out is not set. */
static bool count(struct db *db, const struct query *q, int timeout_ms, int64_t *out, bool *late,
                  struct err *err)
{
    struct query_sql s = {.a = arena_new(4096)};
    struct buf limit = {0};
    struct db_params p = {0};
    struct db_rows rows = {0};
    select_rows("SELECT count(*)", q, QUERY_PARTY_ALL, &s);
    query_sql_params(&s, &p);
    buf_printf(&limit, "SET LOCAL statement_timeout = %d", timeout_ms > 0 ? timeout_ms : 1);
    /* None is prepared: preparing what stands behind a failed statement would cost the connection.
     */
    struct db_call calls[] = {
        {.sql = "BEGIN READ ONLY", .once = true},
        {.sql = buf_text(&limit), .once = true},
        {.sql = buf_text(&s.text), .params = &p, .rows = &rows, .once = true},
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
    query_sql_fini(&s);
    arena_free(s.a);
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
    struct query_sql s = {.a = arena_new(4096)};
    struct db_rows rows = {0};
    select_rows("EXPLAIN (FORMAT JSON) SELECT 1", q, QUERY_PARTY_ALL, &s);
    bool ok = read_run(db, &s, &rows, err);
    if (ok)
        *out = rows.count > 0 ? plan_rows(db_text(&rows, 0, 0)) : 0;
    db_rows_fini(&rows);
    arena_free(s.a);
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
