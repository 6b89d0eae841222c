/* import_say - what `usaged import` says on standard error while it works: a bar on a terminal, and
 * a line each for what it waits for. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* All zero at the begin. */
struct import_say {
    int64_t shown; /* ticks */
    bool has_bar, has_waited;
    int64_t stored, stall_at; /* lines so far; ticks when it is said that there are no more */
};

/* Takes the bar away; so does whatever else is said. */
void import_say_wipe(struct import_say *s);

/* Returns false, as err_set() does. */
bool import_say_fail(struct import_say *s, const char *text);

/* Whether a bar is due: there is a terminal, and the last one was some time ago. */
bool import_say_is_due(struct import_say *s);
void import_say_bar(const char *what, int64_t part, int64_t of, uint64_t lines);

/* Once until import_say_goes(): what is waited for, and for how long at most. */
void import_say_waiting(struct import_say *s, const char *why, int most_ms);
void import_say_goes(struct import_say *s);

/* The same where all is sent, which is waited for without an end. */
void import_say_sent(struct import_say *s, const char *why);

/* All is sent, and `stored` of `of` lines are: said after some seconds without another one, since
 * perhaps nobody is there who stores, and once a minute. */
void import_say_stored(struct import_say *s, int64_t stored, int64_t of, const char *group);

/* The error of a wait that is over: by its time, or by the stop. Returns false. */
bool import_say_over(const char *why, int most_ms, struct err *err) MUST_CHECK;
