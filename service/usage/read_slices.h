/* read_slices - any number of usages of a query, in its order, slice by slice.
 *
 * Each slice is one statement and its own transaction, and begins behind the last row of the one
 * before: between two of them nothing is held in PostgreSQL, so any time may pass, and on another
 * connection too. A row that is there all the time, and whose keys of the order do not change,
 * comes exactly once; so does every row in the order of ids, since no id changes. A slice's
 * documents and ratings have READ_SLICE_BYTES together, but for its last row.
 *
 * Any thread, one at a time.
 */
#pragma once

#include "usage/read.h"

enum {
    READ_SLICE_BYTES = 1024 * 1024,
    READ_SLICE_ROWS = 5000 /* of one slice at most */
};

struct read_slices {
    struct query query; /* of the next slice */
    int64_t left;       /* rows that may still come */
    int rows;           /* to be asked for next */
    int rows_max, bytes_max;
    bool begun, over;   /* over: there is no further slice */
    struct arena *keys; /* of query.token */
};

/* `query` is that of all rows together, not backwards; what it points to must outlive the slices.
 */
void read_slices_init(struct read_slices *s, const struct query *query);
void read_slices_fini(struct read_slices *s);

/* The next slice, to be asked for once and then while not `over`; the caller frees it, whatever
 * came out, before the next one. It may have no row, if it is the last. False: nothing has changed,
 * so it may be asked for again; failures are those of read.h. */
bool read_slices_next(struct read_slices *s, struct db *db, struct read_page *out,
                      struct err *err) MUST_CHECK;

/* Asks for much less the next time: what failed took too long. */
void read_slices_shrink(struct read_slices *s);
