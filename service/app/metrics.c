#include "app/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/metrics_process.h"
#include "base/instant.h"

#ifndef USAGED_VERSION
#define USAGED_VERSION "0.1.0"
#endif

enum {
    METRICS_TOPICS_MAX = SETTINGS_INBOUND_MAX,
    METRICS_BUCKETS_MAX = 16,
    METRICS_HTTP_MAX = 256, /* method, route, status: all three from short lists */
    METRICS_OFFSETS_MAX = 4096
};

typedef atomic_uint_fast64_t counter;

/* Bounds in nanoseconds (of seconds) or as they are (of records); 0 ends them. */
struct histogram {
    const uint64_t *bounds;
    counter buckets[METRICS_BUCKETS_MAX + 1], sum;
};

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static const uint64_t record_bounds[] = {1,    10,    100,   500,   1000,   2000,
                                         5000, 10000, 20000, 50000, 100000, 0};
static const uint64_t stage_bounds[] = {1 * MS,  2 * MS,   5 * MS,   10 * MS,  20 * MS,
                                        50 * MS, 100 * MS, 200 * MS, 500 * MS, 1 * S,
                                        2 * S,   5 * S,    10 * S,   0};
static const uint64_t delay_bounds[] = {20 * MS, 50 * MS, 100 * MS, 200 * MS, 500 * MS,
                                        1 * S,   2 * S,   5 * S,    10 * S,   30 * S,
                                        60 * S,  300 * S, 1800 * S, 7200 * S, 0};

static const char *const stage_names[STAGE_COUNT] = {"poll", "decode", "store", "publish"};
static const char *const dependency_names[DEPENDENCY_COUNT] = {"kafka", "postgres", "registry"};
static const char *const mark_names[MARK_COUNT] = {"high", "stored", "published"};
const char *const metrics_found_names[FOUND_COUNT] = {"equal", "ahead", "first", "forgotten",
                                                      "refused"};

/* Set once by metrics_init(), before there are threads. */
static const char *topics[METRICS_TOPICS_MAX], *out_topics[OUTBOX_TOPICS];
static int topic_count;

static counter records[METRICS_TOPICS_MAX][OUTCOME_COUNT], dead[METRICS_TOPICS_MAX][REASON_COUNT];
static counter events[OUTBOX_TOPICS], parked_ended[OUTCOME_COUNT], takeovers[FOUND_COUNT];
static counter retries[DEPENDENCY_COUNT];
static atomic_bool up[DEPENDENCY_COUNT];
static atomic_int_fast64_t parked_waiting, parked_oldest;
static struct histogram batch = {.bounds = record_bounds};
static struct histogram stages[STAGE_COUNT], delays[2];

struct offset_row {
    int topic, partition;
    bool set[MARK_COUNT];
    int64_t marks[MARK_COUNT];
};

struct http_row {
    const char *method, *route;
    int status;
    uint64_t count;
};

struct route_row {
    const char *route;
    struct histogram seconds;
};

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards these tables, whose rows come and go */
static struct offset_row offsets[METRICS_OFFSETS_MAX];
static int offset_count;
static struct http_row http_rows[METRICS_HTTP_MAX];
static int http_count;
static struct route_row routes[32];
static int route_count;
static struct metrics_listener *listeners;
static size_t listener_count;

static void add(counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static uint64_t get(counter *c)
{
    return (uint64_t)atomic_load_explicit(c, memory_order_relaxed);
}

static void observe(struct histogram *h, uint64_t value, uint64_t n)
{
    int i = 0;
    while (h->bounds[i] != 0 && value > h->bounds[i])
        i++;
    add(&h->buckets[i], n);
    add(&h->sum, value * n);
}

/* Clocks of two machines may disagree: a record from the future waited for no time. */
static uint64_t nanoseconds(double seconds)
{
    return seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
}

void metrics_init(const struct settings *s)
{
    enum settings_inbound kind;
    topic_count = settings_inbound_count(s);
    for (int i = 0; i < topic_count; i++)
        topics[i] = settings_inbound_topic(s, i, &kind);
    for (int i = 0; i < EVENT_TYPES; i++)
        out_topics[i] = s->topic_events[i];
    out_topics[OUTBOX_DEAD] = s->topic_dead_letter;
    out_topics[OUTBOX_SPECIFICATION] = s->topic_specification;
    for (int i = 0; i < STAGE_COUNT; i++)
        stages[i].bounds = stage_bounds;
    delays[0].bounds = delays[1].bounds = delay_bounds;
}

int metrics_topic(const char *name)
{
    for (int i = 0; i < topic_count; i++)
        if (strcmp(topics[i], name) == 0)
            return i;
    return -1;
}

void metrics_records(int topic, enum outcome outcome, uint64_t n)
{
    if (topic >= 0)
        add(&records[topic][outcome], n);
}

void metrics_dead(int topic, enum reason reason, uint64_t n)
{
    if (topic >= 0)
        add(&dead[topic][reason], n);
}

void metrics_events(int out_topic, uint64_t n)
{
    add(&events[out_topic], n);
}

void metrics_parked_ended(enum outcome outcome, uint64_t n)
{
    add(&parked_ended[outcome], n);
}

void metrics_batch(uint64_t n)
{
    observe(&batch, n, 1);
}

void metrics_stage(enum metrics_stage stage, double seconds)
{
    observe(&stages[stage], nanoseconds(seconds), 1);
}

void metrics_delays(bool published, const int64_t *since, size_t n)
{
    int64_t now = instant_now();
    for (size_t i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && since[i + same] == since[i];)
            same++;
        observe(&delays[published], nanoseconds((double)(now - since[i]) / 1000), same);
    }
}

void metrics_takeover(enum metrics_found found)
{
    add(&takeovers[found], 1);
}

void metrics_dependency(enum metrics_dependency d, bool is_up)
{
    atomic_store_explicit(&up[d], is_up, memory_order_relaxed);
}

void metrics_retry(enum metrics_dependency d)
{
    add(&retries[d], 1);
}

void metrics_parked(int64_t waiting, int64_t oldest_seconds)
{
    atomic_store_explicit(&parked_waiting, waiting, memory_order_relaxed);
    atomic_store_explicit(&parked_oldest, oldest_seconds, memory_order_relaxed);
}

/* With the lock held. */
static struct offset_row *find_offset(int topic, int partition)
{
    for (int i = 0; i < offset_count; i++)
        if (offsets[i].topic == topic && offsets[i].partition == partition)
            return &offsets[i];
    return NULL;
}

void metrics_offset(int topic, int partition, enum metrics_mark mark, int64_t offset)
{
    if (topic < 0)
        return;
    pthread_mutex_lock(&lock);
    struct offset_row *row = find_offset(topic, partition);
    if (!row && offset_count < METRICS_OFFSETS_MAX) {
        row = &offsets[offset_count++];
        *row = (struct offset_row){.topic = topic, .partition = partition};
    }
    if (row) {
        row->set[mark] = true;
        row->marks[mark] = offset;
    }
    pthread_mutex_unlock(&lock);
}

void metrics_disown(int topic, int partition)
{
    pthread_mutex_lock(&lock);
    struct offset_row *row = find_offset(topic, partition);
    if (row)
        *row = offsets[--offset_count];
    pthread_mutex_unlock(&lock);
}

/* With the lock held; the literals may be of several files, so texts are compared. */
static struct http_row *http_row(const char *method, const char *route, int status)
{
    for (int i = 0; i < http_count; i++) {
        struct http_row *r = &http_rows[i];
        if (r->status == status && strcmp(r->method, method) == 0 && strcmp(r->route, route) == 0)
            return r;
    }
    if (http_count == METRICS_HTTP_MAX)
        return NULL;
    http_rows[http_count] = (struct http_row){method, route, status, 0};
    return &http_rows[http_count++];
}

static struct route_row *route_row(const char *route)
{
    for (int i = 0; i < route_count; i++)
        if (strcmp(routes[i].route, route) == 0)
            return &routes[i];
    if (route_count == (int)(sizeof routes / sizeof *routes))
        return NULL;
    routes[route_count].route = route;
    routes[route_count].seconds.bounds = stage_bounds;
    return &routes[route_count++];
}

void metrics_http(const char *method, const char *route, int status, double seconds)
{
    pthread_mutex_lock(&lock);
    struct http_row *row = http_row(method, route, status);
    if (row)
        row->count++;
    struct route_row *times = route_row(route);
    if (times)
        observe(&times->seconds, nanoseconds(seconds), 1);
    pthread_mutex_unlock(&lock);
}

void metrics_hub(const struct metrics_listener *all, size_t n)
{
    pthread_mutex_lock(&lock);
    struct metrics_listener *copy = realloc(listeners, (n + 1) * sizeof *copy);
    if (!copy)
        abort();
    listeners = memcpy(copy, all, n * sizeof *copy);
    listener_count = n;
    pthread_mutex_unlock(&lock);
}

/* --- the text
 * ---------------------------------------------------------------------------------------- */

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Values of labels are topics, routes and our own words; topics cannot hold what needs escaping. */
static void line(struct buf *b, const char *name, const char *label, const char *value, uint64_t n)
{
    buf_printf(b, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, n);
}

static void number(struct buf *b, uint64_t v, bool is_time)
{
    if (is_time)
        buf_printf(b, "%" PRIu64 ".%09" PRIu64, v / (uint64_t)S, v % (uint64_t)S);
    else
        buf_printf(b, "%" PRIu64, v);
}

/* "0.02", not "0.020000000": a bound is a label, and people write it in queries. */
static void bound(struct buf *b, uint64_t v, bool is_time)
{
    number(b, v, is_time);
    while (is_time && b->data[b->len - 1] == '0')
        b->len--;
    if (is_time && b->data[b->len - 1] == '.')
        b->len--;
}

/* `labels` is "" or like `stage="poll",`. */
static void histogram(struct buf *b, const char *name, const char *labels, struct histogram *h,
                      bool is_time)
{
    uint64_t total = 0;
    for (int i = 0; h->bounds[i] != 0; i++) {
        total += get(&h->buckets[i]);
        buf_printf(b, "%s_bucket{%sle=\"", name, labels);
        bound(b, h->bounds[i], is_time);
        buf_printf(b, "\"} %" PRIu64 "\n", total);
    }
    int last = 0;
    while (h->bounds[last] != 0)
        last++;
    total += get(&h->buckets[last]);
    buf_printf(b, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, total);
    size_t n = strlen(labels);
    const char *open = n ? "{" : "", *close = n ? "}" : "";
    buf_printf(b, "%s_sum%s%.*s%s ", name, open, (int)(n ? n - 1 : 0), labels, close);
    number(b, get(&h->sum), is_time);
    buf_printf(b, "\n%s_count%s%.*s%s %" PRIu64 "\n", name, open, (int)(n ? n - 1 : 0), labels,
               close, total);
}

static void labelled(struct buf *b, const char *name, const char *label, const char *value,
                     struct histogram *h)
{
    char labels[320];
    snprintf(labels, sizeof labels, "%s=\"%s\",", label, value);
    histogram(b, name, labels, h, true);
}

static void render_records(struct buf *b)
{
    head(b, "usaged_records_total", "counter", "Inbound records by what became of them, stored");
    for (int t = 0; t < topic_count; t++)
        for (int o = 0; o < OUTCOME_COUNT; o++)
            buf_printf(b, "usaged_records_total{topic=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                       topics[t], outcome_names[o], get(&records[t][o]));
    head(b, "usaged_dead_letters_total", "counter",
         "Records that could not be taken, by inbound topic and reason");
    for (int t = 0; t < topic_count; t++)
        for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
            buf_printf(b, "usaged_dead_letters_total{topic=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
                       topics[t], reason_name((enum reason)r), get(&dead[t][r]));
}

/* Two kinds of event may share a topic: one line then. */
static void render_events(struct buf *b)
{
    head(b, "usaged_events_total", "counter", "Messages published, by topic");
    for (int i = 0; i < OUTBOX_TOPICS; i++) {
        uint64_t n = 0;
        bool first = out_topics[i] != NULL;
        for (int j = 0; first && j < OUTBOX_TOPICS; j++) {
            if (!out_topics[j] || strcmp(out_topics[i], out_topics[j]) != 0)
                continue;
            first = j >= i;
            n += get(&events[j]);
        }
        if (first)
            line(b, "usaged_events_total", "topic", out_topics[i], n);
    }
}

static void render_batches(struct buf *b)
{
    head(b, "usaged_batch_records", "histogram", "Records in a batch");
    histogram(b, "usaged_batch_records", "", &batch, false);
    head(b, "usaged_batch_seconds", "histogram", "Time that a batch spends in each stage");
    for (int i = 0; i < STAGE_COUNT; i++)
        labelled(b, "usaged_batch_seconds", "stage", stage_names[i], &stages[i]);
    head(b, "usaged_delay_seconds", "histogram",
         "From a record's Kafka timestamp until it is stored, published");
    labelled(b, "usaged_delay_seconds", "to", "stored", &delays[0]);
    labelled(b, "usaged_delay_seconds", "to", "published", &delays[1]);
}

static void render_offsets(struct buf *b)
{
    head(b, "usaged_offset", "gauge", "Offsets of the partitions that this process owns");
    pthread_mutex_lock(&lock);
    for (int i = 0; i < offset_count; i++)
        for (int m = 0; m < MARK_COUNT; m++)
            if (offsets[i].set[m])
                buf_printf(b,
                           "usaged_offset{topic=\"%s\",partition=\"%d\",mark=\"%s\"} %" PRId64 "\n",
                           topics[offsets[i].topic], offsets[i].partition, mark_names[m],
                           offsets[i].marks[m]);
    pthread_mutex_unlock(&lock);
}

static void render_parked(struct buf *b)
{
    head(b, "usaged_parked_ended_total", "counter", "What became of parked ratings");
    for (int o = 0; o < OUTCOME_COUNT; o++)
        line(b, "usaged_parked_ended_total", "outcome", outcome_names[o], get(&parked_ended[o]));
    head(b, "usaged_parked", "gauge", "Ratings that wait for their usage");
    buf_printf(b, "usaged_parked %" PRIdFAST64 "\n", atomic_load(&parked_waiting));
    head(b, "usaged_parked_seconds", "gauge", "Age of the oldest of them");
    buf_printf(b, "usaged_parked_seconds %" PRIdFAST64 "\n", atomic_load(&parked_oldest));
}

static void render_dependencies(struct buf *b)
{
    head(b, "usaged_takeovers_total", "counter", "Partitions taken over, by what was found");
    for (int i = 0; i < FOUND_COUNT; i++)
        line(b, "usaged_takeovers_total", "found", metrics_found_names[i], get(&takeovers[i]));
    head(b, "usaged_dependency_up", "gauge", "1 while the dependency answers");
    for (int i = 0; i < DEPENDENCY_COUNT; i++)
        line(b, "usaged_dependency_up", "name", dependency_names[i], atomic_load(&up[i]));
    head(b, "usaged_retries_total", "counter", "Attempts that failed and are made again");
    for (int i = 0; i < DEPENDENCY_COUNT; i++)
        line(b, "usaged_retries_total", "name", dependency_names[i], get(&retries[i]));
}

static void render_http(struct buf *b)
{
    head(b, "usaged_http_requests_total", "counter", "HTTP requests answered");
    pthread_mutex_lock(&lock);
    for (int i = 0; i < http_count; i++)
        buf_printf(
            b, "usaged_http_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %" PRIu64 "\n",
            http_rows[i].method, http_rows[i].route, http_rows[i].status, http_rows[i].count);
    head(b, "usaged_http_request_seconds", "histogram",
         "From a request's head until its answer is ready");
    for (int i = 0; i < route_count; i++)
        labelled(b, "usaged_http_request_seconds", "route", routes[i].route, &routes[i].seconds);
    pthread_mutex_unlock(&lock);
}

static void render_hub(struct buf *b)
{
    uint64_t suspended = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < listener_count; i++)
        suspended += listeners[i].suspended;
    head(b, "usaged_hub_listeners", "gauge", "Listeners that are registered");
    line(b, "usaged_hub_listeners", "state", "active", listener_count - suspended);
    line(b, "usaged_hub_listeners", "state", "suspended", suspended);
    head(b, "usaged_hub_backlog", "gauge", "Events that a listener is behind");
    for (size_t i = 0; i < listener_count; i++)
        line(b, "usaged_hub_backlog", "listener", listeners[i].id, (uint64_t)listeners[i].backlog);
    pthread_mutex_unlock(&lock);
}

void metrics_render(struct buf *b)
{
    render_records(b);
    render_events(b);
    render_batches(b);
    render_offsets(b);
    render_parked(b);
    render_dependencies(b);
    render_http(b);
    render_hub(b);
    head(b, "usaged_build_info", "gauge", "The version that runs");
    buf_str(b, "usaged_build_info{version=\"" USAGED_VERSION "\"} 1\n");
    metrics_process(b);
}
