/* import_csv - a record of CSV, as an export writes it, becomes a line of an import: one JSON
 * object. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "usage/render_csv.h"

/* Which column each cell is of; of any order, and not all need be there. */
struct import_csv {
    int columns[RENDER_CSV_COLUMNS]; /* of render_csv_columns */
    size_t count;
};

/* The names of the first record. ERR_DATA: one is unknown or stands twice, or usageDate or
 * usageSpecification is missing. */
bool import_csv_names(struct import_csv *c, const struct text *cells, size_t count,
                      struct err *err) MUST_CHECK;

/* Appends the object. An empty cell is an absent attribute. ERR_DATA: another number of cells than
 * names, a text that is no UTF-8, a structure that is no JSON. */
bool import_csv_line(const struct import_csv *c, const struct text *cells, size_t count,
                     struct buf *b, struct err *err) MUST_CHECK;
