/* query_sql - a statement in the making: SQL, and the values that it names.
 *
 * All values are texts of one array, which is parameter $1, so that their number has no limit:
 * "($1::text[])[3]" is a constant to the planner, and so are a slice of it and its cast to another
 * type. Nothing that a client sent is ever part of the SQL. One thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/value.h"
#include "io/db.h"

struct query_sql {
    struct buf text;
    struct list values; /* struct text, in the arena or living as long */
    struct arena *a;
};

void query_sql_fini(struct query_sql *s); /* not the arena */

/* Writes "($1::text[])[n]". */
void query_sql_value(struct query_sql *s, struct text value);

/* Writes "= ($1::text[])[n]", or "= ANY(($1::text[])[n:m])"; with a cast to `type` ("uuid") unless
 * NULL. There is at least one value. */
void query_sql_compare(struct query_sql *s, const char *operator, const struct list * texts,
                       const char *type);

/* Writes "($1::text[])[n:m]". */
void query_sql_values(struct query_sql *s, const struct list *texts);

/* The parameters of the whole statement. */
void query_sql_params(const struct query_sql *s, struct db_params *p);
