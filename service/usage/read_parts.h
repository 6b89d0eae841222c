/* read_parts - what read.c and read_slices.c say to each other; for them only. */
#pragma once

#include "usage/query_sql.h"
#include "usage/read.h"

/* Writes the statement of a page: a row more than q->limit at most. */
void read_select(const struct query *q, struct query_sql *s);

/* How many columns it has. */
int read_columns(const struct query *q);

/* Ends the statement. */
bool read_run(struct db *db, struct query_sql *s, struct db_rows *rows, struct err *err) MUST_CHECK;

bool read_check_regexes(struct db *db, const struct query *q, struct err *err) MUST_CHECK;
