/* changes_parts - what the files of changes share. Private to changes*.c and store_http.c. */
#pragma once

#include "usage/changes.h"

/* Source and record id for the effect's correlation: the change's (NULL: it names none), else, of a
 * usage that was only named by its id, what its own two last characteristics say, if their digest
 * is the id. */
void changes_correlate(const struct usage *u, const struct change *change, struct effect *f);

/* The record is a dead letter; the text is copied. */
void changes_die(struct changes *c, struct entry *e, enum reason reason, const char *text);

/* Whether the effect's event would be longer than event.max-bytes, and the text (of the limit) that
 * says so. */
bool changes_event_too_large(const struct changes *c, const struct effect *f);

static const char changes_large_text[] =
    "the event of this usage would be longer than event.max-bytes (%lld)";
