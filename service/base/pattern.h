/* pattern - regular expressions as PostgreSQL's ~ has them in collation C, in linear time.
 *
 * For what is judged here and not in the database: a listener's query. Of PostgreSQL's advanced
 * expressions there are characters, ".", [...], \d \s \w \D \S \W, escapes, groups, "|", "^", "$"
 * and the quantifiers, greedy or not (which is the same here: the question is whether it matches).
 * What cannot be done in linear time (back references, looking ahead or behind), and what hardly
 * anybody uses (embedded options, \m \M \y \Y \A \Z, collating elements), is refused by name.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

enum { PATTERN_STATES_MAX = 1000 };

struct pattern;

/* All memory is the arena's. NULL: ERR_DATA, the text says what is wrong, beginning with "has". */
struct pattern *pattern_new(struct text expression, struct arena *a, struct err *err);

/* Does it match somewhere in `t`, which is UTF-8? One thread at a time. `*steps` is what it may
 * cost (a hundred million steps take some seconds), and is less what it has cost; a text so long
 * that it would cost more counts as a match. */
bool pattern_matches(struct pattern *p, struct text t, int64_t *steps);
