/* query_where - a checked query as SQL: WHERE, ORDER BY, and where a token's row stands in it.
 *
 * Windows of usageDate and of id become ranges of ids, so that PostgreSQL looks only at the
 * partitions of that time. What has no column is asked of the stored JSON: of its text cast to
 * json, since jsonb refuses numbers that a document may hold. Pure; any thread.
 */
#pragma once

#include "usage/query.h"
#include "usage/query_sql.h"

/* Which rows of a filter by relatedParty.id: all; those whose party_id is the value of this number;
 * those that have one of them among the other parties only. The parts are disjoint, and in each
 * PostgreSQL can go through an index in the order of ids, which in the whole it cannot. */
enum { QUERY_PARTY_ALL = -1, QUERY_PARTY_OTHERS = -2, QUERY_PARTIES_MAX = 8 };

/* How many values a party filter has that can be read in parts; 0: this query is not one. */
int query_parties(const struct query *q);

/* Writes "id >= ($1::text[])[1]::uuid AND ...", "true" if there is no filter. */
void query_where(const struct query *q, int party, struct query_sql *s);

/* What a group or condition under arrays asks of the JSON; for query_where.c. */
void query_where_json(const struct query_condition *const *conditions, size_t count,
                      struct query_sql *s);

/* An attribute's text, of which there is one in a row: "usage_type", "document::json->>'@type'". */
const char *query_where_text(const struct attribute_path *path, struct arena *a);

/* Writes the comparison of a scalar with its values. `json` is the SQL of its JSON; NULL: it has a
 * column. */
void query_where_scalar(const struct query_condition *c, const char *text, const char *json,
                        struct query_sql *s);

/* Writes " ORDER BY ..."; with `before` the other way round. */
void query_order(const struct query *q, struct query_sql *s);

/* Writes " AND ..." for the rows behind, or before, the token's; nothing without a token. */
void query_order_token(const struct query *q, struct query_sql *s);

/* Writes ", key, ..." as columns, for the tokens of a page's rows. */
void query_order_keys(const struct query *q, struct query_sql *s);
