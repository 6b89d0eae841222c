/* replay_report - what `usaged replay` says: counts by topic and reason, what it leaves out, and on
 * a terminal how far it is. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/replay_letter.h"

enum replay_column { COLUMN_SENT, COLUMN_BEFORE, COLUMN_LEFT, COLUMNS };

struct replay_count {
    char reason[REPLAY_REASON_CHARS], topic[REPLAY_TOPIC_CHARS];
    int64_t now[COLUMNS], kept[COLUMNS];
};

/* All 0 at first. */
struct replay_report {
    struct replay_count *counts;
    size_t count, size;
    int64_t looked, of; /* dead letters; `of` is a guess: offsets may be empty */
    bool dry_run, has_bar;
    int64_t shown_ms;
    char waiting[200]; /* what was said last about waiting, "" : nothing is waited for */
};

void replay_report_fini(struct replay_report *r);

void replay_report_add(struct replay_report *r, const struct replay_letter *l,
                       enum replay_column column);
int64_t replay_report_sum(const struct replay_report *r, enum replay_column column);

/* Counts of a transaction: kept once it is committed, else back to what was kept before. */
void replay_report_keep(struct replay_report *r);
void replay_report_back(struct replay_report *r);

/* One line on standard output for a dead letter that is left out. `at`: the dead letter itself. */
void replay_report_left(struct replay_report *r, const struct replay_letter *l, const char *why,
                        const rd_kafka_message_t *at);

/* On standard error: a line that moves if that is a terminal; what is waited for is said in any
 * case, once. `waiting` NULL: for nothing. */
void replay_report_progress(struct replay_report *r, const char *waiting);

/* The table, on standard output. */
void replay_report_print(struct replay_report *r);
