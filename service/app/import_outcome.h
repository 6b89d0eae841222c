/* import_outcome - what became of the lines that an import has sent. One thread.
 *
 * A line is done when the group has published past it. Which are dead, and why, the dead letters
 * themselves tell: each has the header of its line. All others were created or are duplicates;
 * which of the two, the account in PostgreSQL tells where nobody else's records lie between.
 */
#pragma once

#include "app/settings.h"
#include "base/arena.h"

struct import_outcome;

struct import_outcome *import_outcome_new(const struct settings *s, const char *run);
void import_outcome_free(struct import_outcome *o); /* NULL is allowed */

/* Before the first line is sent. */
bool import_outcome_begin(struct import_outcome *o, struct err *err) MUST_CHECK;

/* A line that was acknowledged; offset -1: not known. */
void import_outcome_add(struct import_outcome *o, int partition, int64_t offset);

/* True: all is done. Else *done of *of are; to be asked again. ERR_FATAL: a right is missing. */
bool import_outcome_look(struct import_outcome *o, int64_t *done, int64_t *of, struct err *err);

struct import_outcomes {
    int64_t created, duplicate; /* if `split` */
    int64_t dead;
    bool split;
};

struct import_outcome_calls {
    void *arg;
    /* Of each dead letter, by the order of the dead-letter topic. */
    bool (*dead)(void *arg, uint64_t line, const char *reason, struct text message,
                 struct err *err);
    void (*slow)(void *arg, const char *why); /* once, when none is to be had for some seconds */
};
enum { IMPORT_OUTCOME_PATIENCE_MS = 60000 }; /* for so long */

/* Once all is done. */
bool import_outcome_read(struct import_outcome *o, struct import_outcomes *out,
                         const struct import_outcome_calls *calls, struct err *err) MUST_CHECK;
