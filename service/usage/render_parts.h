/* render_parts - the objects of a usage as tables: which member of the JSON goes where. Private to
 * render_read.c, which reads what is stored, body*.c, which reads what comes in, and event.c. Pure.
 */
#pragma once

#include "base/jsonr.h"
#include "usage/usage.h"

struct part;                                 /* one of the objects: which members it has */
extern const struct part parts_document;     /* struct usage, the attributes of a document */
extern const struct part parts_body;         /* struct parts_body */
extern const struct part parts_rating;       /* struct rating */
extern const struct part parts_relationship; /* struct parts_relationship */

/* All attributes of a usage as they come in; id and href are passed over. */
struct parts_body {
    struct usage usage; /* its `extensions` are members without braces: parts_braced() */
    struct value status;
};

struct parts_relationship {
    struct text id, href, relationship_type, more;
};

/* Failure sticks to the jsonr, so only the end is looked at. */
struct parts_source {
    struct jsonr r;
    struct arena *a;
    bool outside; /* it is not ours: an empty text is absent, so is an unknown member that is
                     null, and what is kept as it stands is brought onto one line */
    struct text attribute; /* the innermost member that is known and holds the fault, or absent */
};

/* One object into the struct at `base`, which the caller has cleared. Unknown members go to `more`
 * of each part. Of a member that is there twice the last counts. */
void parts_read(struct parts_source *s, const struct part *part, void *base);

/* An array of them. */
void parts_read_list(struct parts_source *s, const struct part *part, struct list *out);

/* The object of these members, in the arena; absent if there are none. */
struct text parts_braced(struct text members, struct arena *a);
