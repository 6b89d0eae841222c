#include "app/hub.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/health.h"
#include "app/hub_parts.h"
#include "app/metrics.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"
#include "usage/id.h"

enum {
    LOOK_MS = 1000, /* at the listeners, and how far they are is written down */
    SAY_AGAIN_MS = 60000,
    BACK_MS = 3000, /* without a new error all is well again */
    AGAIN_MS = 500, /* a takeover that failed */
    SOON_MS = 100,  /* .. that a partition asks for */
    CATCH_UP_MS = 50,
    CURSOR_MS = 5, /* while a cursor waits for its first message */
    WATCH_MS = 120000,
    FINISH_MS = 1000,
    FINISH_LOOK_MS = 50,
    BREATH_MS = 200, /* deliveries, before there is another look whether PostgreSQL has answered */
    BREATH_LOOK_MS = 20,
    GO_ON_MS = 50,
    DATABASE_MS = 5000,
    STATEMENT_MS = 4000, /* less: what we give up must not stay in line for a lock */
    ARENA_BLOCK = 64 * 1024
};

/* One hub a process. */
static int wake_fd = -1;
static atomic_bool woken;

void hub_topics(const struct settings *s, const char *out[HUB_TOPICS])
{
    for (int i = 0; i < EVENT_TYPES; i++)
        out[i] = s->topic_events[i];
    out[EVENT_TYPES] = s->topic_specification;
}

void hub_wake(void)
{
    uint64_t one = 1;
    atomic_store(&woken, true);
    ssize_t written = wake_fd >= 0 ? write(wake_fd, &one, sizeof one) : 0;
    (void)written; /* full: it is awake */
}

/* --- what goes wrong ------------------------------------------------------------------------ */

/* Each cause is said once, until all is well again: mostly others wait for the same, and say so. */
static void say_away(struct hub *h, const struct err *err)
{
    if (!h->away && !stop_asked())
        log_line(LOG_WARNING, "the hub waits", "sqlstate=%s why=\"%s\"", err->state, err->text);
    h->away = true;
    h->away_at = instant_ticks();
}

/* A right that is missing is said by Kafka again and again, and between that all looks well. */
static void say_back(struct hub *h)
{
    if (h->away && instant_ticks() - h->away_at < BACK_MS)
        return;
    if (h->away)
        log_line(LOG_INFO, "the hub goes on", "listeners=%zu", h->listener_count);
    h->away = false;
}

/* --- the consumer --------------------------------------------------------------------------- */

static void forget_assigned(struct hub *h)
{
    if (h->assigned)
        rd_kafka_topic_partition_list_destroy(h->assigned);
    h->assigned = NULL;
    h->is_begun = false;
    h->must_take_over = false;
}

static bool on_assigned(void *arg, rd_kafka_topic_partition_list_t *parts)
{
    struct hub *h = arg;
    struct err err = {0};
    forget_assigned(h);
    h->assigned = rd_kafka_topic_partition_list_copy(parts);
    failpoint("hub-in-assign");
    bool ok = hub_take_over(h, parts, &err);
    if (!ok)
        say_away(h, &err);
    h->is_begun = ok;
    h->must_take_over = !ok;
    log_line(LOG_INFO, "the hub has partitions", "count=%d listeners=%zu", parts->cnt,
             h->listener_count);
    return ok;
}

/* What is delivered is written down for the next one, if that can be. */
static void on_revoked(void *arg)
{
    struct hub *h = arg;
    struct err err = {0};
    arena_reset(h->arena);
    if (db_is_open(h->db) && !hub_lanes_keep(h, &err))
        say_away(h, &err);
    hub_drop_places(h);
    forget_assigned(h);
}

static void stop_reading(struct hub *h)
{
    if (!h->consumer)
        return;
    if (h->queue)
        rd_kafka_queue_destroy(h->queue);
    h->queue = NULL;
    consumer_free(h->consumer);
    h->consumer = NULL;
    hub_drop_places(h);
    forget_assigned(h);
    cursors_free(h->cursors);
    h->cursors = NULL;
}

static bool start_registry(struct hub *h, struct err *err)
{
    const struct settings *s = h->settings;
    struct registry_options options = settings_registry(s, hub_event_shapes);
    if (!h->registry)
        h->registry = registry_new(&options, err);
    return h->registry != NULL;
}

static bool start_reading(struct hub *h, struct err *err)
{
    const struct settings *s = h->settings;
    const char *topics[HUB_TOPICS];
    char group[300];
    struct kafka_property properties[SETTINGS_KAFKA_MAX + 2];
    size_t n = (size_t)s->kafka_count;
    memcpy(properties, s->kafka, n * sizeof *properties);
    properties[n++] = (struct kafka_property){"queued.max.messages.kbytes", "4096"};
    properties[n++] = (struct kafka_property){"queued.min.messages", "1000"};
    snprintf(group, sizeof group, "%s-hub", s->group);
    hub_topics(s, topics);
    struct consumer_options options = {.properties = properties,
                                       .property_count = n,
                                       .group = group,
                                       .topics = topics,
                                       .topic_count = HUB_TOPICS,
                                       .assigned = on_assigned,
                                       .revoked = on_revoked,
                                       .arg = h};
    if (!start_registry(h, err) || !(h->consumer = consumer_new(&options, err)))
        return false;
    uint64_t one = 1;
    h->queue = rd_kafka_queue_get_consumer(consumer_client(h->consumer));
    rd_kafka_queue_io_event_enable(h->queue, wake_fd, &one, sizeof one);
    return true;
}

/* --- a look at the listeners ---------------------------------------------------------------- */

static struct listener *find_listener(struct hub *h, const struct usage_id *id)
{
    for (size_t i = 0; i < h->listener_count; i++)
        if (memcmp(&h->listeners[i]->id, id, sizeof *id) == 0)
            return h->listeners[i];
    return NULL;
}

/* Every look finds it again: it is said once a minute, of all that there are. */
static void add_listener(struct hub *h, const struct hub_listener *from, bool say)
{
    char id[ID_CHARS];
    struct listener *l = hub_listener_new(h, from);
    if (!l && say) { /* registered by a newer version */
        id_print(&from->id, id);
        log_line(LOG_ERROR, "a listener's query cannot be read, nothing is sent to it",
                 "listener=%s", id);
        h->said_unread = instant_ticks();
    }
    if (!l)
        return;
    h->listeners = realloc(h->listeners, (h->listener_count + 1) * sizeof(struct listener *));
    if (!h->listeners)
        abort();
    h->listeners[h->listener_count++] = l;
    l->seen = true;
}

static void match_listeners(struct hub *h, const struct hub_listener *all, size_t n)
{
    bool say = h->said_unread == 0 || instant_ticks() - h->said_unread >= SAY_AGAIN_MS;
    for (size_t i = 0; i < h->listener_count; i++)
        h->listeners[i]->seen = false;
    for (size_t i = 0; i < n; i++) {
        struct listener *l = all[i].suspended ? NULL : find_listener(h, &all[i].id);
        if (l)
            l->seen = true;
        else if (!all[i].suspended)
            add_listener(h, &all[i], say);
    }
    for (size_t i = 0; i < h->listener_count;) {
        if (h->listeners[i]->seen) {
            i++;
            continue;
        }
        hub_listener_free(h, h->listeners[i]);
        h->listeners[i] = h->listeners[--h->listener_count];
    }
}

static void show_metrics(struct hub *h, const struct hub_listener *all, size_t n)
{
    struct metrics_listener *rows = arena_alloc(h->arena, (n + 1) * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        rows[i] =
            (struct metrics_listener){.suspended = all[i].suspended, .backlog = all[i].backlog};
        id_print(&all[i].id, rows[i].id);
    }
    metrics_hub(rows, n);
}

static bool suspend(struct hub *h, struct err *err)
{
    struct hub_listener *late;
    size_t n;
    char id[ID_CHARS];
    if (!hub_store_suspend(h->db, h->settings->hub_backlog, h->arena, &late, &n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct listener *l = find_listener(h, &late[i].id);
        id_print(&late[i].id, id);
        log_line(LOG_ERROR,
                 "listener suspended: it is too far behind, and gets nothing any more until it is "
                 "registered anew",
                 "listener=%s host=%s backlog=%lld hub.backlog=%lld", id, l ? l->origin : "-",
                 (long long)late[i].backlog, (long long)h->settings->hub_backlog);
    }
    return true;
}

static bool look(struct hub *h, struct err *err)
{
    struct hub_listener *all;
    size_t n;
    arena_reset(h->arena);
    if (!db_open(h->db, err) || !hub_lanes_keep(h, err) || !suspend(h, err) ||
        !hub_store_listeners(h->db, h->arena, &all, &n, err))
        return false;
    match_listeners(h, all, n);
    show_metrics(h, all, n);
    if (h->listener_count == 0)
        stop_reading(h);
    else if (!h->consumer)
        return start_reading(h, err);
    return h->must_take_over || hub_add_lanes(h, err);
}

/* --- the thread ----------------------------------------------------------------------------- */

/* Not at once: others may have lost their position too, and one takeover is for all. */
static void take_over_soon(struct hub *h)
{
    int64_t soon = instant_ticks() + SOON_MS;
    if (!h->assigned)
        return;
    h->must_take_over = true;
    h->next_take_over = h->next_take_over > soon ? h->next_take_over : soon;
}

/* What is being read must not be assigned once more, librdkafka may abort; and a seek fails for
 * ever in a topic that it has seen go. A new consumer is given all of it, and takes it over. */
static bool read_anew(struct hub *h, struct err *err)
{
    stop_reading(h);
    return start_reading(h, err);
}

static bool take_over_again(struct hub *h, struct err *err)
{
    int64_t now = instant_ticks();
    if (!h->must_take_over || now < h->next_take_over)
        return true;
    h->next_take_over = now + AGAIN_MS;
    arena_reset(h->arena); /* what is written down is not told twice */
    if (!db_open(h->db, err) || !hub_lanes_keep(h, err))
        return false;
    if (h->is_begun)
        return read_anew(h, err);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_copy(h->assigned);
    bool ok = hub_take_over(h, parts, err) && consumer_begin(h->consumer, parts, err);
    rd_kafka_topic_partition_list_destroy(parts);
    h->is_begun = ok;
    h->must_take_over = !ok;
    return ok;
}

/* False: the service cannot go on. */
static bool judge(struct hub *h, const struct err *err)
{
    if (err->kind == ERR_FATAL) {
        health_end(err);
        return false;
    }
    if (err->kind != ERR_NONE)
        say_away(h, err);
    return true;
}

/* How long nothing is to be done. */
static int idle_ms(const struct hub *h, bool more)
{
    int64_t now = instant_ticks(), next = h->next_look;
    int64_t retry = hub_lanes_next_retry(h);
    if (more)
        return 0;
    next = retry < next ? retry : next;
    next = h->listener_count > 0 && h->next_catch_up < next ? h->next_catch_up : next;
    next = h->must_take_over && h->next_take_over < next ? h->next_take_over : next;
    int64_t left = next - now;
    if (h->cursor_count > 0 && left > CURSOR_MS)
        left = CURSOR_MS;
    return left < 0 ? 0 : (int)left;
}

static bool step(struct hub *h, bool *more)
{
    struct err err = {0};
    uint64_t times;
    ssize_t taken = read(wake_fd, &times, sizeof times);
    (void)taken;
    if (atomic_exchange(&woken, false) || instant_ticks() >= h->next_look) {
        if (look(h, &err))
            say_back(h);
        else if (!judge(h, &err))
            return false;
        h->next_look = instant_ticks() + LOOK_MS;
    }
    *more = false;
    if (!h->consumer)
        return true;
    err_clear(&err);
    *more = hub_read_front(h, &err);
    if (!judge(h, &err))
        return false;
    if (hub_position_is_gone(&err))
        take_over_soon(h);
    err_clear(&err);
    if (!take_over_again(h, &err) && !judge(h, &err))
        return false;
    if (h->cursor_count > 0 || instant_ticks() >= h->next_catch_up) {
        *more |= h->place_count > 0 && hub_catch_up(h);
        h->next_catch_up = instant_ticks() + CATCH_UP_MS;
    }
    hub_lanes_retry(h);
    return true;
}

/* libcurl counts the time of a delivery whether we look or not: a listener that has answered long
 * ago would else have failed. */
static void look_at_deliveries(struct hub *h, int wait_ms, const int *fds, size_t n)
{
    poster_run(h->poster, wait_ms, fds, n);
    hub_lanes_results(h);
    h->deliveries_at = instant_ticks();
}

void hub_go_on(struct hub *h)
{
    if (instant_ticks() - h->deliveries_at < GO_ON_MS)
        return;
    health_beat(h->owner);
    look_at_deliveries(h, 0, NULL, 0);
}

static void live(struct hub *h)
{
    bool more;
    const int fds[] = {stop_fd(), wake_fd};
    while (!stop_asked()) {
        health_beat(h->owner);
        if (!step(h, &more))
            return;
        look_at_deliveries(h, idle_ms(h, more), fds, 2);
    }
}

/* What is under way is waited for a little: what a listener has taken need not be told again. */
static void finish(struct hub *h)
{
    int64_t end = instant_ticks() + FINISH_MS;
    h->ending = true;
    while (!poster_is_idle(h->poster) && instant_ticks() < end)
        look_at_deliveries(h, FINISH_LOOK_MS, NULL, 0);
}

/* While PostgreSQL is waited for. */
static void breathe(void *hub, int waited_ms)
{
    (void)waited_ms;
    struct hub *h = hub;
    int64_t end = instant_ticks() + BREATH_MS;
    health_beat(h->owner);
    do {
        hub_lanes_retry(h);
        if (poster_is_idle(h->poster))
            return;
        look_at_deliveries(h, BREATH_LOOK_MS, NULL, 0);
    } while (instant_ticks() < end && !stop_asked());
}

static void open_parts(struct hub *h)
{
    const struct settings *s = h->settings;
    char name[300];
    size_t count = 0;
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    for (int i = 0; i < s->hub_networks.count; i++)
        if (network_parse(s->hub_networks.names[i], &h->networks[count]))
            count++;
    h->db = db_new(&(struct db_options){.url = s->database_url,
                                        .application_name = name,
                                        .deadline_ms = DATABASE_MS,
                                        .statement_timeout_ms = STATEMENT_MS,
                                        .idle = breathe,
                                        .idle_arg = h});
    h->arena = arena_new(ARENA_BLOCK);
    h->scratch = arena_new(ARENA_BLOCK);
    h->poster = poster_new(&(struct poster_options){.allowed = h->networks,
                                                    .allowed_count = count,
                                                    .timeout_ms = s->hub_timeout_ms,
                                                    .ca_file = s->hub_ca_file});
}

static void close_parts(struct hub *h)
{
    stop_reading(h);
    for (size_t i = 0; i < h->listener_count; i++)
        hub_listener_free(h, h->listeners[i]);
    free(h->listeners);
    registry_free(h->registry);
    poster_free(h->poster);
    db_free(h->db);
    arena_free(h->arena);
    arena_free(h->scratch);
    buf_fini(&h->text);
}

static void *run(void *arg)
{
    struct hub *h = arg;
    log_set_thread("hub");
    health_watch(h->owner, WATCH_MS);
    open_parts(h);
    live(h);
    finish(h);
    close_parts(h);
    health_unwatch(h->owner);
    return NULL;
}

struct hub *hub_start(const struct settings *s, int owner)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    h->settings = s;
    h->owner = owner;
    TAILQ_INIT(&h->retrying);
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0 || pthread_create(&h->thread, NULL, run, h) != 0)
        abort();
    return h;
}

void hub_join(struct hub *h)
{
    pthread_join(h->thread, NULL);
    free(h);
}
