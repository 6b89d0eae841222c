/* storm - dead letters in the log: a line when they begin, one a minute while they go on, one when
 * they have ended, whatever their number.
 *
 * What was said of a topic and reason is not said again within a minute; what has come meanwhile
 * stands as a count in the next line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usage/reason.h"

/* Any thread, some times a batch: `n` records of the inbound `topic` have become dead letters, and
 * that is stored. */
void storm_dead(const char *topic, enum reason reason, uint64_t n);

/* Says what is due: after a batch, and from time to time. */
void storm_look(void);

/* At the end of the process: says what was counted and not said. */
void storm_end(void);

/* --- of one topic, without a clock and a log --- */

enum {
    STORM_MINUTE_MS = 60000,
    STORM_QUIET_MS = 10000,
    STORM_MANY = 100, /* from here on its end is worth a line, and need not wait for the minute */
    STORM_COUNTS = 640
};

struct storm {
    uint64_t unsaid[REASON_COUNT];
    int64_t said[REASON_COUNT]; /* when; only where `known` */
    bool known[REASON_COUNT];
    uint64_t total; /* since it began */
    int64_t last;   /* when the last came */
};

enum storm_line { STORM_SILENT, STORM_GOES_ON, STORM_HAS_ENDED };

void storm_add(struct storm *s, enum reason reason, uint64_t n, int64_t now);

/* The line that is due, if one is: `counts` becomes "framing=3 value=1", what was not said before;
 * *total all since it began. `end`: nothing is held back. */
enum storm_line storm_due(struct storm *s, int64_t now, bool end, char counts[STORM_COUNTS],
                          uint64_t *total);
