/* indexes - on the values of the characteristics that usage.indexed-characteristics names.
 *
 * They are built and dropped step by step; what is to be done next is read from the catalogue each
 * time, so that whatever ended halfway goes on from there: an index that was left invalid is
 * dropped and built again. Writers go on meanwhile: a partition's index is built concurrently, and
 * the steps that need a lock on the whole take it for a moment. One thread; as the owner.
 */
#pragma once

#include "base/buf.h"
#include "io/db.h"

struct indexes_step {
    struct db_rows rows; /* holds the texts */
    struct text say;     /* for people, or absent */
    struct text run, after;
    bool beside; /* writers may go on: then it may take long, and waits as long as it must */
};

/* The next step; run.p is NULL when all is done. The names hold no quotes. The step is the caller's
 * to free, whatever came out. */
bool indexes_next(struct db *db, const char *const *names, int count, struct indexes_step *out,
                  struct err *err) MUST_CHECK;
void indexes_step_fini(struct indexes_step *step);

/* Takes it. *busy: others held a lock for too long, nothing was done. */
bool indexes_take(struct db *db, const struct indexes_step *step, bool *busy,
                  struct err *err) MUST_CHECK;

/* Adds to `out`, between commas, the names without which some partition is: a question for one of
 * them reads that partition from end to end. Nothing of it must be the owner's to read. */
bool indexes_missing(struct db *db, const char *const *names, int count, struct buf *out,
                     struct err *err) MUST_CHECK;
