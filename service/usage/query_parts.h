/* query_parts - what the parts of query.h's parser say to each other; for query*.c only. Pure.
 *
 * query_split.c cuts and decodes, query_filter.c makes conditions, query_page.c takes what pages
 * and sorts.
 */
#pragma once

#include "usage/query.h"

/* One "name operator values" between two '&' or ';'. */
struct query_piece {
    struct text name; /* decoded; without the operator, if that was written with signs */
    struct text raw;  /* what stands behind the operator, undecoded */
    enum query_op op;
    /* What stands behind a raw '=' right after the name, or absent: the value if the name is
     * offset, limit, ..., or ends with an operator. In "x=~y" and "x==y" raw is y, and this is not.
     */
    struct text simple;
};

/* Up to the first raw `separator`; rest->p is NULL behind the last piece. Cutting comes before
 * decoding, so that %2C is a comma of a value and ',' is "or". */
struct text query_cut(struct text *rest, char separator);

bool query_piece_read(struct text piece, struct arena *a, struct query_piece *out,
                      struct err *err) MUST_CHECK;

/* Takes an operator off the end of the name; false: there is none. */
bool query_piece_suffix(struct query_piece *piece);

/* The whole value, decoded, UTF-8. */
bool query_piece_value(const struct query_piece *piece, struct arena *a, struct text *out,
                       struct err *err) MUST_CHECK;

/* The next value between commas, decoded, UTF-8. *rest is piece->raw at first, and absent behind
 * the last one. */
bool query_next_value(struct text name, struct text *rest, struct arena *a, struct text *out,
                      struct err *err) MUST_CHECK;

/* Refusals: false, with the attribute and the value named. */
bool query_bad(struct err *err, int status, struct text name, const char *what);
bool query_bad_value(struct err *err, struct text name, struct text value, const char *what);

/* --- query_filter.c -------------------------------------------------------------------------- */

/* Counts against the limits of a query. */
struct query_count {
    size_t conditions, values, regexes;
};

/* Adds what a piece says to a group. */
bool query_filter_add(const struct query_resource *resource, const struct query_piece *piece,
                      struct arena *a, struct query_group *group, struct query_count *count,
                      struct err *err) MUST_CHECK;

/* A number that can be compared as PostgreSQL's numeric: JSON's grammar, and not too long. */
enum { QUERY_NUMBER_MAX = 300 };
bool query_is_number(struct text t);

/* Appends an item to a list that lives in the arena. */
void *query_list_add(struct list *list, size_t item_bytes, struct arena *a);

/* --- query_page.c ---------------------------------------------------------------------------- */

/* What has been given, to refuse a second one. */
struct query_given {
    bool offset, limit, sort, token;
    struct text token_text;
};

/* *mine: the piece was offset, limit, sort, fields, after or before. */
bool query_page_take(struct query *q, const struct query_piece *piece, struct query_given *given,
                     struct arena *a, bool *mine, struct err *err) MUST_CHECK;

/* Behind the last piece: the token is read against the sort. */
bool query_page_finish(struct query *q, const struct query_given *given, struct arena *a,
                       struct err *err) MUST_CHECK;

bool query_fields_take(const struct query_piece *piece, struct arena *a, struct render_fields *out,
                       struct err *err) MUST_CHECK;
