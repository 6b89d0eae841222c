/* metrics - the counters of wire contract section 7, and their Prometheus text.
 *
 * Any thread adds, with relaxed atomics, some times a batch and never a record. Topics are named by
 * their index in a list that metrics_init() is given once. Labels hold no personal data and no ids
 * of usages.
 */
#pragma once

#include "app/settings.h"
#include "base/buf.h"
#include "usage/outbox.h"
#include "usage/outcome.h"

enum metrics_stage { STAGE_POLL, STAGE_DECODE, STAGE_STORE, STAGE_PUBLISH, STAGE_COUNT };
enum metrics_found {
    FOUND_EQUAL,
    FOUND_AHEAD,
    FOUND_FIRST,
    FOUND_FORGOTTEN,
    FOUND_REFUSED,
    FOUND_COUNT
};
enum metrics_dependency {
    DEPENDENCY_KAFKA,
    DEPENDENCY_POSTGRES,
    DEPENDENCY_REGISTRY,
    DEPENDENCY_COUNT
};
enum metrics_mark { MARK_HIGH, MARK_STORED, MARK_PUBLISHED, MARK_COUNT };

extern const char *const metrics_found_names[FOUND_COUNT];

void metrics_init(const struct settings *s);

/* Index of an inbound topic, that of settings_inbound_topic(). -1 if it is none of them. */
int metrics_topic(const char *name);

void metrics_records(int topic, enum outcome outcome, uint64_t n);
void metrics_dead(int topic, enum reason reason, uint64_t n);
void metrics_events(int outbox_topic, uint64_t n);
void metrics_parked_ended(enum outcome outcome, uint64_t n);
void metrics_batch(uint64_t records);
void metrics_stage(enum metrics_stage stage, double seconds);
/* Records with these Kafka timestamps (ms) are stored, or published, now. */
void metrics_delays(bool published, const int64_t *since, size_t n);
void metrics_takeover(enum metrics_found found);
void metrics_dependency(enum metrics_dependency d, bool up);
void metrics_retry(enum metrics_dependency d);
void metrics_parked(int64_t waiting, int64_t oldest_seconds);

/* usaged_offset, for partitions that this process owns. */
void metrics_offset(int topic, int partition, enum metrics_mark mark, int64_t offset);
void metrics_disown(int topic, int partition);

/* usaged_http_requests_total and usaged_http_request_seconds; `route` is a literal like
 * "/usage/{id}". */
void metrics_http(const char *method, const char *route, int status, double seconds);

/* usaged_hub_listeners and usaged_hub_backlog: all listeners there are, each time. Copies. */
struct metrics_listener {
    char id[37];
    bool suspended;
    int64_t backlog; /* events */
};
void metrics_hub(const struct metrics_listener *listeners, size_t n);

/* All of it, Prometheus text format 0.0.4. */
void metrics_render(struct buf *b);
