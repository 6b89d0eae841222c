/* What pages, sorts and chooses: offset, limit, sort, fields, after, before. */
#include "usage/id.h"
#include "usage/query_parts.h"

/* A whole number from 0; more than fits is as good as the largest. */
static bool take_number(const struct query_piece *piece, struct arena *a, int64_t *out,
                        struct err *err)
{
    struct text t;
    if (!query_piece_value(piece, a, &t, err))
        return false;
    int64_t v = 0;
    for (size_t i = 0; i < t.n; i++) {
        int digit = t.p[i] - '0';
        if (digit < 0 || digit > 9)
            return query_bad_value(err, piece->name, t, "is not a whole number from 0");
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            v = INT64_MAX / 10; /* stays large whatever follows */
    }
    *out = v;
    return t.n > 0 || query_bad_value(err, piece->name, t, "is not a whole number from 0");
}

/* Given twice, the choices add up. Empty is as if absent. */
bool query_fields_take(const struct query_piece *piece, struct arena *a, struct render_fields *out,
                       struct err *err)
{
    struct text names;
    if (!query_piece_value(piece, a, &names, err))
        return false;
    if (names.n == 0)
        return true;
    if (!out->all)
        names = text_of(arena_printf(a, "%.*s,%.*s", TEXT_ARGS(out->names), TEXT_ARGS(names)));
    *out = render_fields_of(names, a);
    return true;
}

/* --- sort ------------------------------------------------------------------------------------ */

static bool is_given(const struct query_sort *sort, const struct attribute_path *path)
{
    for (int i = 0; i < sort->count; i++)
        if (attribute_same(&sort->keys[i].path, path))
            return true;
    return false;
}

/* "-usageDate": a '+' that the client did not encode reaches us as a blank. */
static bool take_key(struct query *q, struct text text, bool *by_id, struct err *err)
{
    struct text name = text;
    bool descending = name.n > 0 && *name.p == '-';
    if (name.n > 0 && strchr("-+ ", *name.p)) {
        name.p++;
        name.n--;
    }
    struct query_key key = {.descending = descending};
    if (!attribute_find(q->resource, name, &key.path))
        return query_bad_value(err, TEXT("sort"), text, "names no attribute");
    if (!attribute_sorts(&key.path))
        return query_bad_value(err, TEXT("sort"), text,
                               "cannot be sorted by: it is no scalar of the first level or of "
                               "usageSpecification");
    enum attribute_role role = attribute_last(&key.path)->role;
    if (*by_id || is_given(&q->sort, &key.path))
        return true; /* decided by a key before it */
    if (role == ROLE_ID || role == ROLE_HREF) {
        q->sort.id_descending = descending;
        *by_id = true;
    } else {
        q->sort.keys[q->sort.count++] = key;
    }
    return true;
}

static bool take_sort(struct query *q, const struct query_piece *piece, struct arena *a,
                      struct err *err)
{
    struct text rest;
    bool by_id = false;
    if (!query_piece_value(piece, a, &rest, err))
        return false;
    do {
        if (!take_key(q, query_cut(&rest, ','), &by_id, err))
            return false;
    } while (rest.p);
    struct query_sort *sort = &q->sort;
    struct query_key *last = sort->count > 0 ? &sort->keys[sort->count - 1] : NULL;
    if (last && attribute_last(&last->path)->role == ROLE_USAGE_DATE &&
        (!by_id || sort->id_descending == last->descending)) {
        sort->id_descending = last->descending;
        sort->count--;
    }
    return true;
}

struct text query_sort_name(const struct query *q, struct arena *a)
{
    struct buf b = {0};
    buf_str(&b, q->resource->name);
    for (int i = 0; i < q->sort.count; i++) {
        const struct query_key *key = &q->sort.keys[i];
        buf_byte(&b, key->descending ? '-' : '+');
        for (int s = 0; s < key->path.depth; s++)
            buf_printf(&b, "%s%s", s ? "." : "", key->path.steps[s]->name);
    }
    buf_str(&b, q->sort.id_descending ? "-id" : "+id");
    struct text name = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    return name;
}

/* --- taking ---------------------------------------------------------------------------------- */

static bool take_token(struct query *q, const struct query_piece *piece, bool after,
                       struct query_given *given, struct arena *a, struct err *err)
{
    if (given->token)
        return query_bad(err, 400, piece->name, "after and before: one of them, once");
    given->token = true;
    q->after = after;
    q->before = !after;
    return query_piece_value(piece, a, &given->token_text, err);
}

static bool take_offset(struct query *q, const struct query_piece *piece, struct arena *a,
                        struct err *err)
{
    return take_number(piece, a, &q->offset, err);
}

static bool take_limit(struct query *q, const struct query_piece *piece, struct arena *a,
                       struct err *err)
{
    int64_t number = 0;
    if (!take_number(piece, a, &number, err))
        return false;
    q->limit = number < q->limits->limit_max ? number : q->limits->limit_max;
    return true;
}

static bool take_once(const struct query_piece *piece, bool *given, struct err *err)
{
    if (*given)
        return query_bad(err, 400, piece->name, "given more than once");
    *given = true;
    return true;
}

bool query_page_take(struct query *q, const struct query_piece *piece, struct query_given *given,
                     struct arena *a, bool *mine, struct err *err)
{
    struct query_piece p = *piece;
    p.raw = p.simple;
    *mine = p.simple.p != NULL;
    if (!*mine)
        return true;
    if (text_is(p.name, "offset"))
        return take_once(&p, &given->offset, err) && take_offset(q, &p, a, err);
    if (text_is(p.name, "limit"))
        return take_once(&p, &given->limit, err) && take_limit(q, &p, a, err);
    if (text_is(p.name, "sort"))
        return take_once(&p, &given->sort, err) && take_sort(q, &p, a, err);
    if (text_is(p.name, "fields"))
        return query_fields_take(&p, a, &q->fields, err);
    if (text_is(p.name, "after") || text_is(p.name, "before"))
        return take_token(q, &p, text_is(p.name, "after"), given, a, err);
    *mine = false;
    return true;
}

bool query_page_finish(struct query *q, const struct query_given *given, struct arena *a,
                       struct err *err)
{
    struct usage_id id;
    struct text name = q->after ? TEXT("after") : TEXT("before");
    if (!given->token)
        return true;
    if (given->offset)
        return query_bad(err, 400, name, "cannot stand beside offset");
    if (!query_token_read(given->token_text, query_sort_name(q, a), a, &q->token) ||
        q->token.count != q->sort.count || (q->resource->uuid && !id_parse(q->token.id, &id)))
        return query_bad_value(err, name, given->token_text,
                               "is no token of this list in this order");
    return true;
}
