/* lines - a stream of bytes cut into lines, each of limited length. One thread.
 *
 * A line ends in LF or CRLF, the last one also at the end of the stream. Of a line that is too long
 * no more than the limit is held in memory; the rest is passed over.
 */
#pragma once

#include "base/buf.h"
#include "base/text.h"

struct lines {
    size_t max;      /* bytes of a line without its end */
    uint64_t number; /* of the line that was given last, from 1 */
    struct buf held; /* what came, from `at` on not given yet */
    size_t at, seen; /* up to `seen` there is no line end */
    bool skipping;   /* the rest of a line that was too long */
    bool whole;      /* the stream has ended */
};

enum lines_found { LINES_NONE, LINES_LINE, LINES_TOO_LONG };

void lines_add(struct lines *l, const char *bytes, size_t n);
void lines_end(struct lines *l);

/* The next line, without its end; its text holds until lines_add(). NONE: more must be added, or
 * after lines_end() there is no more. TOO_LONG: the number counts, there is no text. */
enum lines_found lines_next(struct lines *l, struct text *line);

void lines_fini(struct lines *l);

/* Nothing but blanks and tabs. */
bool lines_is_blank(struct text line);
