/* importer - lines of an import on their way to topic.import. Any thread.
 *
 * Each line is checked as a POST is, becomes a UsageDocument, and counts as queued once the brokers
 * have it. One for all threads.
 */
#pragma once

#include "app/settings.h"
#include "base/arena.h"
#include "io/registry.h"
#include "usage/id.h"

struct importer;

/* `send_ms`: how long a line may wait for the brokers. */
struct importer *importer_new(const struct settings *s, struct registry *registry, int send_ms);
void importer_free(struct importer *i); /* NULL is allowed */

/* Each record has a header `import.line`, "RUN/NUMBER": a dead letter then tells which line it was.
 * Before the first importer_ready(). */
void importer_mark(struct importer *i, const char *run);
#define IMPORTER_HEADER "import.line"
enum { IMPORTER_RUN_CHARS = 37 };

/* `call` is called of each importer_send() that waits for the brokers, after IMPORTER_SLOW_MS, on
 * its thread. Before the first importer_ready(). */
void importer_on_wait(struct importer *i, void (*call)(void *arg, const char *why), void *arg);
enum { IMPORTER_SLOW_MS = 3000 };

/* Whether lines can be taken now: Kafka answers, the topic is there, and the schema is registered.
 * Asks for some seconds at most. True once before importer_send(). */
bool importer_ready(struct importer *i, struct err *err) MUST_CHECK;

/* The topic of an import: the first of topic.import. */
const char *importer_topic(const struct settings *s);

enum importer_status { IMPORTER_QUEUED, IMPORTER_REFUSED, IMPORTER_FAILED };

struct importer_line {
    uint64_t number;
    struct text text; /* without its end; p = NULL: it was too long */
    enum importer_status status;
    struct usage_id id; /* QUEUED */
    int partition;      /* QUEUED: where it lies */
    int64_t offset;     /* .. -1: not known */
    int reason;         /* REFUSED: enum reason */
    bool forbidden;     /* FAILED: for a right that is missing, so a second try fails too */
    const char *why;    /* REFUSED, FAILED: in the arena */
};

/* The bytes of a line at most: a record with a longer one would be a dead letter. */
size_t importer_line_max(const struct settings *s);

/* Decides each line. `away`: they are not tried, the brokers are away; set when one has failed.
 * `dry`: only checked. */
void importer_send(struct importer *i, struct importer_line *lines, size_t n, bool dry, bool *away,
                   struct arena *a);
