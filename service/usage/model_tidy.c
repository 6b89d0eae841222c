#include <assert.h>

#include "base/instant.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "usage/model_parts.h"

/* One document on its way; it is known to be sound. */
struct tidy {
    struct jsonr r;
    struct jsonw w;
    struct arena *a;
};

static void tidy(struct tidy *t, const struct model *m);

static bool is_empty_array(struct jsonr ahead)
{
    return jsonr_peek(&ahead) == JSONR_ARRAY && jsonr_enter(&ahead, JSONR_ARRAY) &&
           !jsonr_next_item(&ahead);
}

/* NULL: a member that the model does not know. */
static bool is_absent(const struct jsonr *r, const struct model *m)
{
    struct jsonr ahead = *r;
    if (m && m->kind == MODEL_ANY)
        return false;
    return jsonr_peek(&ahead) == JSONR_NULL || (m && is_empty_array(ahead));
}

static void tidy_member(struct tidy *t, struct text key, const struct model *m)
{
    if (is_absent(&t->r, m)) {
        jsonr_skip(&t->r, NULL);
        return;
    }
    jsonw_member(&t->w, key);
    tidy(t, m);
}

static void tidy_object(struct tidy *t, const struct model *m)
{
    struct text key;
    size_t from = 0;
    jsonw_object(&t->w);
    if (jsonr_enter(&t->r, JSONR_OBJECT))
        while (jsonr_next_key(&t->r, t->a, &key)) {
            size_t i = model_find(m, key, from);
            from = i < m->count ? i + 1 : from;
            tidy_member(t, key, i < m->count ? m->members[i].model : NULL);
        }
    jsonw_end(&t->w);
}

static void tidy_array(struct tidy *t, const struct model *m)
{
    jsonw_array(&t->w);
    if (jsonr_enter(&t->r, JSONR_ARRAY))
        while (jsonr_next_item(&t->r))
            tidy(t, m->items);
    jsonw_end(&t->w);
}

static void tidy_date(struct tidy *t)
{
    struct text date;
    int64_t ms;
    if (jsonr_text(&t->r, t->a, &date) && instant_parse(date, &ms))
        jsonw_instant(&t->w, ms);
}

static void tidy(struct tidy *t, const struct model *m)
{
    struct text raw;
    if (jsonr_peek(&t->r) == JSONR_NULL)
        m = NULL;
    if (m && m->kind == MODEL_OBJECT)
        tidy_object(t, m);
    else if (m && m->kind == MODEL_ARRAY)
        tidy_array(t, m);
    else if (m && m->kind == MODEL_TEXT && m->format == MODEL_DATE_TIME)
        tidy_date(t);
    else if (jsonr_skip(&t->r, &raw))
        jsonw_raw(&t->w, raw);
}

void model_tidy(enum model_type type, struct text json, struct arena *a, struct buf *out)
{
    struct tidy t = {.r = jsonr_start(json), .w = jsonw_start(out), .a = a};
    tidy(&t, model_of(type));
    assert(jsonr_done(&t.r));
}
