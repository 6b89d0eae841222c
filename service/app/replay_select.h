/* replay_select - which dead letters `usaged replay` sends back, by its options. Pure, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "app/settings.h"
#include "base/text.h"

struct arena;

/* As given on the command line; NULL: not given. */
struct replay_options {
    const char *reasons, *topics;    /* names between commas */
    const char *from, *to;           /* a time or a date */
    const char *limit, *max_replays; /* numbers */
    bool dry_run;
};

/* The lists are "*", for all, or names between commas, each once, always in the same order. */
struct replay_selection {
    const char *reasons, *topics;
    int max; /* a record that was sent back so often is left out */
};

struct replay_wish {
    struct replay_selection what;
    int64_t from_ms, to_ms; /* INT64_MIN, INT64_MAX: without */
    int64_t limit;          /* INT64_MAX: without */
    bool dry_run;
};

/* Checks the options and fills in the defaults; texts lie in the arena. False: a line on `errors`
 * for each that is wrong. */
bool replay_select(const struct replay_options *options, const struct settings *s, struct arena *a,
                   struct replay_wish *wish, FILE *errors);

bool replay_list_has(const char *list, struct text name);
bool replay_selects(const struct replay_selection *what, struct text reason, struct text topic,
                    int replays);
/* Whether `outer` selects all that `inner` does. */
bool replay_is_within(const struct replay_selection *inner, const struct replay_selection *outer);
bool replay_is_same(const struct replay_selection *a, const struct replay_selection *b);
