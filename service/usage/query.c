#include "usage/query.h"

#include "usage/query_parts.h"

/* 501 whatever else is asked, and whatever stands in it. */
static bool has_filter(struct text raw, struct arena *a)
{
    while (raw.p) {
        struct text rest = query_cut(&raw, '&'), name;
        while (rest.p) {
            struct text piece = query_cut(&rest, ';');
            bool value = piece.n > 0 && memchr(piece.p, '=', piece.n);
            if (value && query_decode(query_cut(&piece, '='), true, a, &name) &&
                text_is(name, "filter"))
                return true;
        }
    }
    return false;
}

static bool take_piece(struct query *q, struct text text, struct arena *a,
                       struct query_group *group, struct query_count *count,
                       struct query_given *given, struct err *err)
{
    struct query_piece piece;
    bool mine;
    return query_piece_read(text, a, &piece, err) &&
           query_page_take(q, &piece, given, a, &mine, err) &&
           (mine || query_filter_add(q->resource, &piece, a, group, count, err));
}

bool query_parse(struct text raw, const struct query_resource *resource,
                 const struct query_limits *limits, struct arena *a, struct query *out,
                 struct err *err)
{
    struct query_given given = {0};
    struct query_count count = {0};
    *out = (struct query){.resource = resource,
                          .limits = limits,
                          .limit = limits->limit_default,
                          .sort.id_descending = true,
                          .fields = {.all = true}};
    if (has_filter(raw, a))
        return query_bad(err, 501, TEXT("filter"),
                         "JSONPath filters are not implemented; filter by attributes");
    bool joined = raw.n > 0 && memchr(raw.p, ';', raw.n);
    while (raw.p) {
        struct text rest = query_cut(&raw, ';');
        struct query_group group = {0};
        while (rest.p) {
            struct text piece = query_cut(&rest, '&');
            if (piece.n > 0 && !take_piece(out, piece, a, &group, &count, &given, err))
                return false;
        }
        if (group.conditions.count > 0)
            *(struct query_group *)query_list_add(&out->groups, sizeof group, a) = group;
        else if (joined)
            return query_bad(err, 400, TEXT("query"),
                             "no condition stands before or behind a ';'; write %3B for one in a "
                             "value");
    }
    return query_page_finish(out, &given, a, err);
}

bool query_parse_fields(struct text raw, struct arena *a, struct render_fields *out,
                        struct err *err)
{
    *out = (struct render_fields){.all = true};
    while (raw.p) {
        struct text text = query_cut(&raw, '&');
        struct query_piece piece;
        if (text.n == 0)
            continue;
        if (!query_piece_read(text, a, &piece, err))
            return false;
        if (!piece.simple.p || !text_is(piece.name, "fields"))
            return query_bad(err, 400, piece.name,
                             "only `fields` may be asked of a single resource");
        piece.raw = piece.simple;
        if (!query_fields_take(&piece, a, out, err))
            return false;
    }
    return true;
}
