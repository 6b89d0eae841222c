/* The parameters of what a batch writes. */
#include "usage/render.h"
#include "usage/store_parts.h"

/* --- what is written --- */

static struct text json_of(struct store *s, const struct list *ratings)
{
    buf_reset(&s->row);
    if (ratings->count == 0)
        return (struct text){0};
    render_ratings(&s->row, ratings);
    return (struct text){s->row.data, s->row.len};
}

size_t store_update_params(struct store *s, const struct changes *c)
{
    struct db_params *p = &s->updates;
    size_t n = 0;
    for (size_t i = 0; i < c->group_count; i++)
        n += c->groups[i].changed;
    if (n == 0)
        return 0;
#define EACH_CHANGED(type, element)                                                                \
    db_array_begin(p, type, n);                                                                    \
    for (size_t i = 0; i < c->group_count; i++)                                                    \
        if (c->groups[i].changed) {                                                                \
            const struct group *g = &c->groups[i];                                                 \
            element;                                                                               \
        }                                                                                          \
    db_array_end(p)
    db_params_reset(p);
    EACH_CHANGED(DB_UUID, db_array_uuid(p, g->id.bytes));
    EACH_CHANGED(DB_TEXT, db_array_text(p, text_of(usage_status_names[g->now->usage.status])));
    EACH_CHANGED(DB_TEXT, db_array_text(p, g->now->usage.description));
    EACH_CHANGED(DB_TEXT, db_array_text(p, json_of(s, &g->now->usage.ratings)));
    EACH_CHANGED(DB_INT8, db_array_int8(p, g->now->usage.revision));
    EACH_CHANGED(DB_BYTES, db_array_bytes(p, g->now->rated, (size_t)g->now->rated_count * 8));
#undef EACH_CHANGED
    db_param_time(p, c->now_ms);
    return n;
}

static struct text packed_headers(struct store *s, const struct inbound *in)
{
    buf_reset(&s->row);
    if (in->header_count == 0)
        return (struct text){0};
    inbound_pack_headers(&s->row, in);
    return (struct text){s->row.data, s->row.len};
}

void store_park_params(struct store *s, const struct changes *c)
{
    struct db_params *p = &s->parks;
#define EACH_PARKED(type, element)                                                                 \
    db_array_begin(p, type, c->to_park_count);                                                     \
    for (const struct parked *k = c->to_park; k; k = k->next)                                      \
        element;                                                                                   \
    db_array_end(p)
    db_params_reset(p);
    EACH_PARKED(DB_UUID, db_array_uuid(p, k->change.id.bytes));
    EACH_PARKED(DB_TEXT, db_array_text(p, text_of(k->in.topic)));
    EACH_PARKED(DB_INT4, db_array_int4(p, k->in.partition));
    EACH_PARKED(DB_INT8, db_array_int8(p, k->in.offset));
    EACH_PARKED(DB_BYTES, db_array_text(p, k->in.key));
    EACH_PARKED(DB_BYTES, db_array_text(p, k->in.value));
    EACH_PARKED(DB_BYTES, db_array_text(p, packed_headers(s, &k->in)));
    EACH_PARKED(DB_INT8, db_array_int8(p, k->in.timestamp));
    EACH_PARKED(DB_TEXT, db_array_text(p, text_of(usage_status_names[k->change.status])));
    EACH_PARKED(DB_TEXT, db_array_text(p, k->change.description));
    EACH_PARKED(DB_TEXT, db_array_text(p, json_of(s, &k->change.ratings)));
    EACH_PARKED(DB_INT8, db_array_int8(p, (int64_t)k->change.rated));
#undef EACH_PARKED
}

/* The counts of all parts that are not 0, by (topic, partition): one order of locks. */
size_t store_account_params(struct db_params *p, const struct changes *c, bool parked)
{
    size_t n = 0;
#define COUNTS(i) (parked ? c->parts[i].parked_ended : c->parts[i].outcomes)
    for (size_t i = 0; i < c->part_count; i++)
        for (int o = 0; o < OUTCOME_COUNT; o++)
            n += COUNTS(i)[o] > 0;
    if (n == 0)
        return 0;
#define EACH_COUNT(type, element)                                                                  \
    db_array_begin(p, type, n);                                                                    \
    for (size_t i = 0; i < c->part_count; i++)                                                     \
        for (int o = 0; o < OUTCOME_COUNT; o++)                                                    \
            if (COUNTS(i)[o] > 0)                                                                  \
                element;                                                                           \
    db_array_end(p)
    db_params_reset(p);
    EACH_COUNT(DB_TEXT, db_array_text(p, text_of(c->parts[i].topic)));
    EACH_COUNT(DB_INT4, db_array_int4(p, c->parts[i].partition));
    EACH_COUNT(DB_TEXT, db_array_text(p, text_of(outcome_names[o])));
    EACH_COUNT(DB_INT8, db_array_int8(p, (int64_t)COUNTS(i)[o]));
#undef EACH_COUNT
#undef COUNTS
    return n;
}

void store_outbox_params(struct db_params *p, const struct part *part)
{
    db_params_reset(p);
    db_param_text(p, text_of(part->topic));
    db_param_int4(p, part->partition);
    db_param_int8(p, part->from);
    db_param_int8(p, part->to);
    db_param_int4(p, OUTBOX_FORMAT);
    db_param_borrow(p, part->messages.data, part->messages.len);
}

void store_clean_params(struct db_params *p, const struct store_mark *marks, size_t n)
{
    db_params_reset(p);
    db_array_begin(p, DB_TEXT, n);
    for (size_t i = 0; i < n; i++)
        db_array_text(p, text_of(marks[i].topic));
    db_array_end(p);
    db_array_begin(p, DB_INT4, n);
    for (size_t i = 0; i < n; i++)
        db_array_int4(p, marks[i].partition);
    db_array_end(p);
    db_array_begin(p, DB_INT8, n);
    for (size_t i = 0; i < n; i++)
        db_array_int8(p, marks[i].published);
    db_array_end(p);
}
