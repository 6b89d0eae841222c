/* replay - `usaged replay`: sends dead letters back to the topics that they came from.
 *
 * Each dead letter is sent back once, whatever is selected, over any number of runs and kills: what
 * was sent back is remembered in the offsets of the group `<group>-replay` (app/replay_memory.h),
 * which are committed in the Kafka transaction of the records. A run that was ended in the middle
 * is simply run again. One whose record dies once more is a new dead letter, and may be sent back
 * once more, until its record was sent back --max-replays times.
 *
 * Kafka forgets offsets after a while (offsets.retention.minutes, 7 days after the last run): what
 * is still in the topic then is sent back again by the next run that selects it. That costs
 * duplicates, never money: the record has the identity that it had.
 *
 * A run ends where the topic ended when it began, so it never meets what it causes itself. --from
 * and --to are places in each partition: the first dead letter that is not older. The Kafka time of
 * a record that is sent back is that of the replay: with an old one the inbound topic's retention
 * might remove it at once.
 *
 * Of two at once the later one goes on: it ends the other's transaction, reads what was remembered,
 * and the other one ends with exit 1.
 */
#pragma once

#include "app/replay_select.h"

/* Returns the exit code: 0 done, or stopped as asked; 1 failed; 2 an option is wrong. Counts on
 * standard output. */
int replay_run(const struct settings *s, const struct replay_options *options);
