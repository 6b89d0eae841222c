/* registry - schemas by id from a Confluent-compatible registry, cached; subjects registered.
 *
 * Threads of its own fetch (libcurl), REGISTRY_ASKERS at once, so that no caller waits longer than
 * it asks to. Any thread may call. What was found is immutable and lives as long as the registry:
 * ids are a few, and past REGISTRY_ENTRIES_MAX another one is answered as away (they are chosen by
 * writers, memory is not). An id is asked for once for each time that somebody wants an answer
 * which is newer than the last one, with back-off; after UNKNOWN it is kept for 60 s, then it has
 * the whole time again.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/plan.h"

enum { REGISTRY_ENTRIES_MAX = 10000, REGISTRY_ASKERS = 8 };

struct registry_options {
    const char *url;             /* up to and without "/schemas/..." */
    const char *user, *password; /* NULL: none */
    int unknown_wait_ms;         /* registry.unknown-wait */
    const struct shape *const *shapes;
};

/* What there is to know about an id. */
struct registry_schema {
    int32_t id;
    const struct plan *plan; /* NULL: unsupported */
    struct err why;          /* then: ERR_DATA and its text */
    atomic_flag looked_at;   /* registry_first_look() */
};

enum registry_answer {
    REGISTRY_FOUND,   /* *schema is set */
    REGISTRY_UNKNOWN, /* 404 with an error_code for unknown_wait_ms: the record is a dead letter */
    REGISTRY_NOT_YET, /* the same answer, but not for so long: wait */
    REGISTRY_AWAY     /* no usable answer yet: wait; `why` says what was seen, with HTTP status */
};

struct registry;

struct registry *registry_new(const struct registry_options *options, struct err *err);
void registry_free(struct registry *r);

/* What the registry has answered, at `since` (instant_ticks()) or later unless it is for ever.
 * Where there is no such answer, one is asked for, and waited for at most wait_ms (0: not at all);
 * AWAY is also that there is none yet. */
enum registry_answer registry_find(struct registry *r, int32_t id, int64_t since, int wait_ms,
                                   const struct registry_schema **schema, struct err *why);

/* Has an id asked for, unless there is such an answer, behind all others that are. For many in a
 * row, again and again: they are asked for in the order of the last time. */
void registry_ask(struct registry *r, int32_t id, int64_t since);

/* The same without waiting, for one who waits for an id and looks again from time to time: another
 * answer is asked for in any case, until FOUND or UNKNOWN, and what is known of the id is kept for
 * 5 s, however many others come. */
enum registry_answer registry_again(struct registry *r, int32_t id, int64_t since,
                                    const struct registry_schema **schema, struct err *why);

/* True for the first caller of all threads: what there is to say of a schema is said once. */
bool registry_first_look(const struct registry_schema *schema);

/* The id under which `schema` stands in `subject`: looked up, then registered if absent and
 * `may_register`. Blocks up to some seconds; only at start. ERR_RETRY: away. ERR_FATAL: refused, or
 * absent and not to be registered; the text has the registry's answer. */
bool registry_subject(struct registry *r, const char *subject, const char *schema,
                      bool may_register, int32_t *id, struct err *err) MUST_CHECK;
