#include "app/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"

enum { SILENT_MS = 4000 };

static const char *const key_names[HEALTH_KEYS] = {"kafka",  "postgres",   "registry",
                                                   "topics", "assignment", "partitions"};

/* A part outside, which has a metric too; false: the key is of something else. */
static bool dependency_of(enum health_key key, enum metrics_dependency *d)
{
    *d = key == HEALTH_KAFKA      ? DEPENDENCY_KAFKA
         : key == HEALTH_POSTGRES ? DEPENDENCY_POSTGRES
                                  : DEPENDENCY_REGISTRY;
    return key == HEALTH_KAFKA || key == HEALTH_POSTGRES || key == HEALTH_REGISTRY;
}

void worker_waits(struct worker *w, enum health_key key, const char *text)
{
    enum metrics_dependency d;
    if (dependency_of(key, &d)) {
        metrics_retry(d);
        metrics_dependency(d, false);
    }
    if (health_wait(key, w->number, text) && !stop_asked()) /* the end explains itself */
        log_line(LOG_WARNING, "waiting", "for=%s why=\"%s\"", key_names[key], text);
}

void worker_goes(struct worker *w, enum health_key key)
{
    enum metrics_dependency d;
    if (!health_go(key, w->number))
        return;
    if (dependency_of(key, &d))
        metrics_dependency(d, true);
    if (!stop_asked())
        log_line(LOG_INFO, "going on", "after=%s", key_names[key]);
}

static void idle(struct worker *w)
{
    struct err err;
    if (w->in_callback)
        return;
    bool was_busy = w->busy;
    w->busy = true;
    if (!w->idled)
        consumer_pause_all(w->consumer);
    w->idled = true;
    rd_kafka_message_t *m;
    /* What was delivered before the pause is fetched again: `idled` leads to a seek. */
    while ((m = consumer_poll(w->consumer, 0, &err)))
        rd_kafka_message_destroy(m);
    if (err.kind == ERR_LOST)
        w->must_take_over = true;
    w->busy = was_busy;
}

static void waiting(struct worker *w, enum health_key key, int waited_ms, const char *text)
{
    health_beat(w->number);
    if (waited_ms >= SILENT_MS)
        worker_waits(w, key, text);
    idle(w);
}

void worker_idle_postgres(void *worker, int waited_ms)
{
    waiting(worker, HEALTH_POSTGRES, waited_ms, "PostgreSQL is silent");
}

void worker_idle_kafka(void *worker, int waited_ms)
{
    waiting(worker, HEALTH_KAFKA, waited_ms, "the broker is silent");
}

struct slot *worker_slot(struct worker *w, const char *topic, int partition)
{
    for (int i = 0; i < w->slot_count; i++)
        if (w->slots[i].partition == partition && strcmp(w->slots[i].topic, topic) == 0)
            return &w->slots[i];
    return NULL;
}
