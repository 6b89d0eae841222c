/* csv - a stream of bytes cut into the records of RFC 4180, each of limited length. One thread.
 *
 * A record ends in LF or CRLF, the last one also at the end of the stream; in quotes both belong to
 * the cell, and a quote is written twice. Nothing is trimmed or guessed: a quote in a cell that
 * does not begin with one, or something behind a closing one, makes the record bad. A byte order
 * mark at the begin is passed over. Own code, since a line number for each record, a limit of its
 * bytes and going on behind a bad one are most of what is asked here.
 */
#pragma once

#include "base/buf.h"
#include "base/text.h"

enum { CSV_CELLS_MAX = 64 };

struct csv {
    size_t max;                       /* bytes of a record */
    uint64_t line;                    /* on which the record that was given last begins, from 1 */
    const char *bad;                  /* what is wrong with it: CSV_BAD */
    bool too_long;                    /* .. that it has more than `max` bytes */
    struct text cells[CSV_CELLS_MAX]; /* of it, without quotes; they hold until the next call */
    size_t count;
    /* private */
    struct buf held, text;
    size_t at, seen; /* the record begins; up to here it was looked at */
    uint64_t lines;  /* that have ended */
    int state;
    bool begun, whole, skipping;
    const char *fault;
};

enum csv_found { CSV_NONE, CSV_RECORD, CSV_BAD };

void csv_add(struct csv *c, const char *bytes, size_t n);
void csv_end(struct csv *c);

/* The next record; an empty line is none. NONE: more must be added, or after csv_end() there is no
 * more. */
enum csv_found csv_next(struct csv *c);
void csv_fini(struct csv *c);
