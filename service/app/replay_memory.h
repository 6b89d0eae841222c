/* replay_memory - what was sent back of one dead-letter partition, and by which selections. Pure.
 *
 * It is the metadata text of the offset that `usaged replay` commits for the partition, in the
 * Kafka transaction of the records that it sends back: so it is right after any crash. A single
 * offset could not be: a run that wants one reason passes over the others, which a later run may
 * want. The text is a list of runs, each of which says: of [begin, end), all that this selection
 * wants was sent back. Times need not be remembered, since --from and --to are turned into offsets
 * first.
 *
 *     1|value,date;*;3;0;120|*;usage.raw;3;0;80
 *
 * Runs of one selection are joined where they meet, one that lies within another is dropped, and so
 * is what retention has removed. So there are as many as there are different selections in use.
 */
#pragma once

#include "app/replay_select.h"
#include "base/buf.h"
#include "base/err.h"

/* Brokers take 4,096 bytes, if not told otherwise (offset.metadata.max.bytes). */
enum { REPLAY_MEMORY_BYTES = 4000, REPLAY_RUNS_MAX = 500 };

struct replay_run {
    struct replay_selection what;
    int64_t begin, end;
};

/* Texts are in an arena of the caller's. All 0: nothing was sent back. */
struct replay_memory {
    struct replay_run *runs; /* in the arena */
    size_t count;
};

/* ERR_FATAL: the text is not ours. */
bool replay_memory_read(struct replay_memory *m, struct text bytes, struct arena *a,
                        struct err *err) MUST_CHECK;
/* ERR_FATAL: it is longer than a broker takes. */
bool replay_memory_write(const struct replay_memory *m, struct buf *b, struct err *err) MUST_CHECK;

/* Whether the dead letter was sent back. */
bool replay_memory_has(const struct replay_memory *m, int64_t offset, struct text reason,
                       struct text topic, int replays);

/* Where a run with this selection begins that wants to begin at `from`: behind what needs no look.
 */
int64_t replay_memory_begin(const struct replay_memory *m, const struct replay_selection *what,
                            int64_t from);

/* All that `what` wants of [begin, end) is sent back. The texts of `what` are kept. */
void replay_memory_add(struct replay_memory *m, const struct replay_selection *what, int64_t begin,
                       int64_t end, struct arena *a);

/* Nothing below `low` is there any more. */
void replay_memory_forget(struct replay_memory *m, int64_t low);
