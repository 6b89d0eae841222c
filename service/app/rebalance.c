#include "app/rebalance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/batch.h"
#include "app/recover.h"
#include "app/takeover.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/stop.h"

void rebalance_forget_messages(struct worker *w)
{
    if (!w->busy) /* else it is being stored: step() sees the generation and lets it go */
        batch_release(w, &w->batches[w->current]);
    batch_forget_rest(w);
}

/* Whoever waits (a takeover, a store) may hold pointers into the slots until it comes back and sees
 * the generation. */
static void retire(struct worker *w)
{
    w->retired = realloc(w->retired, (w->retired_count + 1) * sizeof(struct slot *));
    if (!w->retired)
        abort();
    w->retired[w->retired_count++] = w->slots;
}

void rebalance_free_retired(struct worker *w)
{
    for (size_t i = 0; i < w->retired_count; i++)
        free(w->retired[i]);
    w->retired_count = 0;
}

void rebalance_forget_slots(struct worker *w)
{
    for (int i = 0; i < w->slot_count; i++)
        metrics_disown(w->slots[i].topic_index, w->slots[i].partition);
    retire(w);
    w->slots = NULL;
    w->slot_count = 0;
    w->generation++;
    health_go(HEALTH_PARTITIONS, w->number);
    w->registry_waits = false;
    worker_goes(w, HEALTH_REGISTRY);
}

static int slot_order(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static void make_slots(struct worker *w, const rd_kafka_topic_partition_list_t *parts)
{
    w->slots = calloc((size_t)parts->cnt + 1, sizeof *w->slots);
    if (!w->slots)
        abort();
    for (int i = 0; i < parts->cnt; i++) {
        int index = metrics_topic(parts->elems[i].topic);
        if (index < 0)
            continue;
        enum settings_inbound kind; /* the name as the settings hold it: it outlives the list */
        const char *topic = settings_inbound_topic(w->settings, index, &kind);
        w->slots[w->slot_count++] = (struct slot){.topic = topic,
                                                  .kind = kind,
                                                  .topic_index = index,
                                                  .partition = parts->elems[i].partition};
    }
    qsort(w->slots, (size_t)w->slot_count, sizeof *w->slots, slot_order);
}

static void on_revoked(void *arg)
{
    struct worker *w = arg;
    failpoint("in-rebalance");
    rebalance_forget_messages(w);
    rebalance_forget_slots(w);
    if (w->publishing)
        w->must_take_over = true; /* the transaction must be ended, by the loop */
    w->assigned = false;
    worker_waits(w, HEALTH_ASSIGNMENT, "no stable group yet");
}

/* Explicit start offsets; refused partitions left out. */
static void set_offsets(const struct worker *w, rd_kafka_topic_partition_list_t *parts)
{
    for (int i = parts->cnt - 1; i >= 0; i--) {
        bool runs = false;
        for (int k = 0; k < w->slot_count; k++)
            if (w->slots[k].partition == parts->elems[i].partition &&
                w->slots[k].state == SLOT_RUNNING &&
                strcmp(w->slots[k].topic, parts->elems[i].topic) == 0) {
                parts->elems[i].offset = w->slots[k].next;
                runs = true;
            }
        if (!runs)
            rd_kafka_topic_partition_list_del_by_idx(parts, i);
    }
}

static bool on_assigned(void *arg, rd_kafka_topic_partition_list_t *parts)
{
    struct worker *w = arg;
    struct err err;
    rebalance_forget_messages(w);
    rebalance_forget_slots(w);
    make_slots(w, parts);
    w->lost_since = 0;
    w->idled = false;
    w->assigned = true;
    failpoint("in-assign");
    if (w->busy) { /* inside another wait: the loop takes over */
        w->must_take_over = true;
        return false;
    }
    w->busy = w->in_callback = true;
    bool ok = takeover_all(w, &err);
    w->busy = w->in_callback = false;
    w->must_take_over = !ok;
    if (ok) {
        recover_all_well(w);
        set_offsets(w, parts);
    } else if (err.kind == ERR_FATAL) {
        health_end(&err);
    } else {
        recover_waits_for(w, &err);
    }
    return ok;
}

struct consumer *rebalance_consumer(struct worker *w, struct err *err)
{
    const struct settings *s = w->settings;
    const char *topics[SETTINGS_INBOUND_MAX];
    enum settings_inbound kind;
    size_t n = 0;
    for (int i = 0; i < settings_inbound_count(s); i++)
        topics[n++] = settings_inbound_topic(s, i, &kind);
    struct consumer_options options = {.properties = (const struct kafka_property *)s->kafka,
                                       .property_count = (size_t)s->kafka_count,
                                       .group = s->group,
                                       .topics = topics,
                                       .topic_count = n,
                                       .assigned = on_assigned,
                                       .revoked = on_revoked,
                                       .arg = w};
    return consumer_new(&options, err);
}
