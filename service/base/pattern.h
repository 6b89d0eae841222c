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

/* Does it match somewhere in `t`, which is UTF-8? One thread at a time. A text so long that it
 * would take more than PATTERN_STEPS_MAX steps counts as a match. */
enum { PATTERN_STEPS_MAX = 20000000 };
bool pattern_matches(struct pattern *p, struct text t);
