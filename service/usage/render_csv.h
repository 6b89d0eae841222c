/* render_csv - a usage as a line of CSV (RFC 4180; HTTP contract section 9).
 *
 * Columns are those of render_csv_columns, or the chosen ones of them, in that order; id and href
 * always. Texts stand there as they are, structures as their JSON, an absent attribute as an empty
 * cell. What has no column is left out: @type, @baseType, @schemaLocation and extensions. Whoever
 * wants them takes the JSON lines. Lines end with CRLF. Pure, any thread.
 */
#pragma once

#include "usage/render.h"

enum { RENDER_CSV_COLUMNS = 10 };

extern const char *const render_csv_columns[RENDER_CSV_COLUMNS];

/* The line of names. */
void render_csv_names(struct buf *b, const struct render_fields *fields);

/* `base_url` as for render_usage(); streams from the row, builds no tree. */
void render_csv(struct buf *b, const struct render_row *row, const char *base_url,
                const struct render_fields *fields);

/* One cell: in quotes if it has a quote, a comma or a line end in it. */
void render_csv_cell(struct buf *b, struct text t);
