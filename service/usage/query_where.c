#include "usage/query.h"

#include "usage/id.h"

/* The parameter that was added last is "$count". */

#define QUERY_ID_LAST (((int64_t)1 << 48) - 1) /* the last millisecond that an id can name */

static void and (struct buf * sql, size_t start)
{
    if (sql->len > start)
        buf_str(sql, " AND ");
}

static void param_texts(struct db_params *p, const struct query_values *v)
{
    const struct text *t = v->values.items;
    db_array_begin(p, DB_TEXT, v->values.count);
    for (size_t i = 0; i < v->values.count; i++)
        db_array_text(p, t[i]);
    db_array_end(p);
}

static void where_ids(const struct query_values *v, struct buf *sql, struct db_params *p)
{
    const struct usage_id *ids = v->values.items;
    if (v->values.count ==
        1) { /* equality, so that the one partition is known when the statement is planned */
        db_param_uuid(p, ids[0].bytes);
        buf_printf(sql, "id = $%d", p->count);
        return;
    }
    db_array_begin(p, DB_UUID, v->values.count);
    for (size_t i = 0; i < v->values.count; i++)
        db_array_uuid(p, ids[i].bytes);
    db_array_end(p);
    buf_printf(sql, "id = ANY($%d::uuid[])", p->count);
}

static void where_window(int64_t from, int64_t to, struct buf *sql, size_t start,
                         struct db_params *p)
{
    if (from > QUERY_ID_LAST || to <= 0 || from >= to) {
        and(sql, start);
        buf_str(sql, "false");
        return;
    }
    if (from > 0) {
        and(sql, start);
        db_param_uuid(p, id_floor(from).bytes);
        buf_printf(sql, "id >= $%d", p->count);
    }
    if (to <= QUERY_ID_LAST) {
        and(sql, start);
        db_param_uuid(p, id_floor(to).bytes);
        buf_printf(sql, "id < $%d", p->count);
    }
}

static void where_dates(const struct query_values *v, struct buf *sql, size_t start,
                        struct db_params *p)
{
    const int64_t *ms = v->values.items;
    int64_t first = INT64_MAX, last = INT64_MIN;
    db_array_begin(p, DB_TIME, v->values.count);
    for (size_t i = 0; i < v->values.count; i++) {
        db_array_time(p, ms[i]);
        first = ms[i] < first ? ms[i] : first;
        last = ms[i] > last ? ms[i] : last;
    }
    db_array_end(p);
    and(sql, start);
    buf_printf(sql, "usage_date = ANY($%d::timestamptz[])", p->count);
    where_window(first, last + 1, sql, start, p);
}

void query_where(const struct query *q, struct buf *sql, struct db_params *p)
{
    size_t start = sql->len;
    const struct query_values *all[] = {&q->ids, &q->statuses, &q->types, &q->parties, &q->dates};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->given && all[i]->values.count == 0) {
            buf_str(sql, "false"); /* none of the values can be anybody's */
            return;
        }
    if (q->ids.given)
        where_ids(&q->ids, sql, p);
    if (q->from != INT64_MIN || q->to != INT64_MAX)
        where_window(q->from, q->to, sql, start, p);
    if (q->dates.given)
        where_dates(&q->dates, sql, start, p);
    if (q->statuses.given) {
        and(sql, start);
        param_texts(p, &q->statuses);
        buf_printf(sql, "status = ANY($%d::text[])", p->count);
    }
    if (q->types.given) {
        and(sql, start);
        param_texts(p, &q->types);
        buf_printf(sql, "usage_type = ANY($%d::text[])", p->count);
    }
    if (q->parties.given) {
        and(sql, start);
        param_texts(p, &q->parties);
        buf_printf(sql, "(party_id = ANY($%d::text[]) OR other_party_ids && $%d::text[])", p->count,
                   p->count);
    }
    if (sql->len == start)
        buf_str(sql, "true");
}
