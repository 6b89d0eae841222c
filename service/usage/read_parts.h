/* read_parts - what read.c and read_slices.c say to each other; for them only. */
#pragma once

#include "usage/query_sql.h"
#include "usage/read.h"

/* Writes the statement of a page: a row more than q->limit at most, and only those whose texts,
 * with all before them, begin below `bytes_max`: the first always comes. Behind the columns of a
 * usage stand two more: the bytes up to and with the row, and whether the page has a row behind it,
 * be it left out or not. */
void read_select_within(const struct query *q, int bytes_max, struct query_sql *s);

/* How many columns it has without those two. */
int read_columns(const struct query *q);

/* Ends the statement. */
bool read_run(struct db *db, struct query_sql *s, struct db_rows *rows, struct err *err) MUST_CHECK;

bool read_check_regexes(struct db *db, const struct query *q, struct err *err) MUST_CHECK;
