#include "app/takeover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "app/publish.h"
#include "app/verdict.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "usage/source.h"

enum { BOUNDS_MS = 10000, CLUSTER_MS = 5000, SWEEP_MS = 15000, AGAIN_MAX = 5, REMIND_MS = 60000 };

/* What is known of one partition while it is taken over. */
struct taking {
    struct slot *slot;
    struct source_state pg;
    int64_t published, low, high;
    /* What the table says: */
    enum metrics_found found;
    char why[VERDICT_WHY];
    int64_t start; /* FIRST, FORGOTTEN: the offset to begin at */
    bool commits;  /* .. which Kafka does not know yet */
};

static bool fresh_owner(struct slot *slot, struct err *err)
{
    if (getrandom(slot->owner, sizeof slot->owner, 0) != (ssize_t)sizeof slot->owner)
        return err_set(err, ERR_RETRY, "getrandom failed");
    return true;
}

/* A wait may have served a rebalance: to take more would rob whoever has the partitions now. */
static bool still_ours(const struct worker *w, struct err *err)
{
    return w->generation == w->taking ||
           err_set(err, ERR_RETRY, "a rebalance came during the takeover");
}

/* PostgreSQL is asked before Kafka: read the other way round, what a predecessor publishes in
 * between looks like a gap. */
static bool ask_postgres(struct worker *w, struct taking *t, size_t n, struct arena *a,
                         struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct slot *slot = t[i].slot;
        if (!still_ours(w, err))
            return false;
        if (!fresh_owner(slot, err) ||
            !source_take(w->db, slot->topic, slot->partition, slot->owner, a, &t[i].pg, err))
            return err_wrap(err, "taking over %s[%d]", slot->topic, slot->partition);
    }
    return true;
}

static bool ask_kafka(struct worker *w, struct taking *t, size_t n, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(parts, t[i].slot->topic, t[i].slot->partition);
    /* The broker answers once no open transaction holds offsets of these partitions. */
    bool ok =
        consumer_committed(w->consumer, parts, w->settings->transaction_timeout_ms + SWEEP_MS, err);
    for (size_t i = 0; ok && i < n; i++) {
        t[i].published = parts->elems[i].offset < 0 ? -1 : parts->elems[i].offset;
        ok = consumer_bounds(w->consumer, t[i].slot->topic, t[i].slot->partition, BOUNDS_MS,
                             &t[i].low, &t[i].high, err);
    }
    rd_kafka_topic_partition_list_destroy(parts);
    return ok;
}

static enum metrics_found judge(struct worker *w, const struct taking *t, struct arena *a,
                                char *why, size_t why_bytes)
{
    struct verdict_range *ranges = arena_alloc(a, (t->pg.outbox_count + 1) * sizeof *ranges);
    for (size_t i = 0; i < t->pg.outbox_count; i++)
        ranges[i] = (struct verdict_range){t->pg.outbox[i].from, t->pg.outbox[i].to};
    struct verdict_input in = {.topic = t->slot->topic,
                               .partition = t->slot->partition,
                               .has_row = t->pg.found,
                               .stored = t->pg.stored,
                               .row_cluster = t->pg.cluster,
                               .cluster = consumer_cluster(w->consumer, CLUSTER_MS),
                               .low = t->low,
                               .high = t->high,
                               .published = t->published,
                               .outbox = ranges,
                               .outbox_count = t->pg.outbox_count};
    return verdict_of(&in, why, why_bytes);
}

/* --- acting
 * ------------------------------------------------------------------------------------------ */

static void run_from(struct worker *w, struct slot *slot, int64_t stored)
{
    (void)w;
    slot->state = SLOT_RUNNING;
    slot->stored = slot->published = slot->next = stored;
    slot->end_from = -1; /* nothing is known of what is behind */
    slot->cleaned = -1;  /* rows that were published before may still lie there */
    slot->why[0] = 0;
}

static void note(struct worker *w, const struct taking *t, enum metrics_found found)
{
    const struct slot *slot = t->slot;
    metrics_takeover(found);
    metrics_offset(slot->topic_index, slot->partition, MARK_STORED, slot->stored);
    metrics_offset(slot->topic_index, slot->partition, MARK_PUBLISHED, slot->published);
    metrics_offset(slot->topic_index, slot->partition, MARK_HIGH, t->high);
    log_line(LOG_INFO, "partition taken over",
             "topic=%s partition=%d found=%s stored=%" PRId64 " high=%" PRId64, slot->topic,
             slot->partition, metrics_found_names[found], slot->stored, t->high);
    (void)w;
}

static bool act_ahead(struct worker *w, struct taking *t, struct err *err)
{
    for (size_t i = 0; i < t->pg.outbox_count; i++) {
        const struct source_row_outbox *row = &t->pg.outbox[i];
        if (row->to <= t->published)
            continue; /* published, not yet removed */
        failpoint("before-left");
        if (!publish_left(w, t->slot->topic, t->slot->partition, row->to, row->messages, err))
            return err_wrap(err, "publishing what was left of %s[%d]", t->slot->topic,
                            t->slot->partition);
    }
    run_from(w, t->slot, t->pg.stored);
    return true;
}

/* Where a partition begins that nobody has ever read. */
static bool first_offset(struct worker *w, const struct taking *t, int64_t *start, struct err *err)
{
    bool known;
    const struct slot *slot = t->slot;
    if (t->published >= 0) {
        log_line(LOG_WARNING, "no row in source_offset: starting at the group's committed offset",
                 "topic=%s partition=%d offset=%" PRId64, slot->topic, slot->partition,
                 t->published);
        *start = t->published;
        return true;
    }
    failpoint("before-first-offset");
    if (!source_knows_topic(w->db, slot->topic, &known, err))
        return false;
    *start = w->settings->start_latest && !known ? t->high : t->low;
    return true;
}

/* The row of a first start; the offset is committed already. */
static bool act_first(struct worker *w, struct taking *t, bool *again, struct err *err)
{
    bool inserted;
    struct slot *slot = t->slot;
    failpoint("before-first-row");
    if (!source_insert(w->db, slot->topic, slot->partition, slot->owner, t->start,
                       consumer_cluster(w->consumer, CLUSTER_MS), &inserted, err))
        return false;
    *again = !inserted;
    if (inserted)
        run_from(w, slot, t->start);
    return true;
}

/* Believed only on a second look, with the row read again after the offset: a slow taker reads the
 * two at different times, and what was published between looks like a database from a backup. */
static bool act_refused(struct worker *w, struct taking *t, struct arena *a, bool *again,
                        const char *why, struct err *err)
{
    struct source_state before = t->pg;
    struct slot *slot = t->slot;
    if (!source_look(w->db, slot->topic, slot->partition, a, &t->pg, err))
        return false;
    *again = t->pg.found != before.found || t->pg.stored != before.stored ||
             t->pg.outbox_count != before.outbox_count;
    if (*again)
        return true;
    slot->state = SLOT_REFUSED;
    snprintf(slot->why, sizeof slot->why, "%s", why);
    slot->said = 0;
    metrics_takeover(FOUND_REFUSED);
    return true;
}

/* Reads the table for one partition. */
static bool decide(struct worker *w, struct taking *t, struct arena *a, struct err *err)
{
    const struct slot *slot = t->slot;
    t->found = judge(w, t, a, t->why, sizeof t->why);
    t->commits = false;
    if (t->found == FOUND_FIRST) {
        t->commits = t->published < 0;
        return first_offset(w, t, &t->start, err);
    }
    if (t->found == FOUND_FORGOTTEN) {
        log_line(LOG_WARNING,
                 "the group's offset was deleted or has expired; all was published, so it is "
                 "committed again",
                 "topic=%s partition=%d stored=%" PRId64, slot->topic, slot->partition,
                 t->pg.stored);
        t->commits = true;
        t->start = t->pg.stored;
    }
    return true;
}

/* A start is committed to Kafka before its row is there: so "a row, nothing committed" always means
 * "forgotten". All at once: a transaction of offsets alone takes a tenth of a second. */
static bool commit_starts(struct worker *w, const struct taking *t, size_t n, struct err *err)
{
    rd_kafka_topic_partition_list_t *starts = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        if (t[i].commits)
            rd_kafka_topic_partition_list_add(starts, t[i].slot->topic, t[i].slot->partition)
                ->offset = t[i].start;
    bool ok = starts->cnt == 0 || publish_offsets(w, starts, err);
    rd_kafka_topic_partition_list_destroy(starts);
    return ok || err_wrap(err, "committing first offsets");
}

static bool act(struct worker *w, struct taking *t, struct arena *a, bool *again, struct err *err)
{
    bool ok = true;
    *again = false;
    switch (t->found) {
    case FOUND_REFUSED:
        return act_refused(w, t, a, again, t->why, err);
    case FOUND_FIRST:
        ok = act_first(w, t, again, err);
        break;
    case FOUND_AHEAD:
        ok = act_ahead(w, t, err);
        break;
    case FOUND_FORGOTTEN:
    case FOUND_EQUAL:
    case FOUND_COUNT:
        run_from(w, t->slot, t->pg.stored);
        break;
    }
    if (!ok || *again)
        return ok;
    if (!still_ours(w, err))
        return false;
    note(w, t, t->found);
    return true;
}

/* One partition again from the beginning: its row appeared, or has moved, meanwhile. */
static bool take_again(struct worker *w, struct taking *t, struct arena *a, bool *again,
                       struct err *err)
{
    return ask_postgres(w, t, 1, a, err) && still_ours(w, err) && ask_kafka(w, t, 1, err) &&
           decide(w, t, a, err) && commit_starts(w, t, 1, err) && act(w, t, a, again, err);
}

static void say_refused(struct worker *w)
{
    char text[400];
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < w->slot_count && n < sizeof text; i++)
        if (w->slots[i].state == SLOT_REFUSED)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s[%d]", n ? ", " : "",
                                  w->slots[i].topic, w->slots[i].partition);
    if (n > 0)
        health_wait(HEALTH_PARTITIONS, w->number, text);
    else
        health_go(HEALTH_PARTITIONS, w->number);
}

void takeover_remind(struct worker *w)
{
    int64_t now = instant_ticks();
    for (int i = 0; i < w->slot_count; i++) {
        struct slot *slot = &w->slots[i];
        if (slot->state != SLOT_REFUSED || (slot->said && now - slot->said < REMIND_MS))
            continue;
        slot->said = now;
        log_line(LOG_ERROR, "partition refused", "topic=%s partition=%d why=\"%s\"", slot->topic,
                 slot->partition, slot->why);
    }
}

static bool take_all(struct worker *w, struct taking *t, size_t n, struct arena *a, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        t[i].slot = &w->slots[i];
        t[i].slot->state = SLOT_NEW;
    }
    if (!ask_postgres(w, t, n, a, err) || !still_ours(w, err) || !ask_kafka(w, t, n, err) ||
        !still_ours(w, err))
        return false;
    if (!consumer_cluster(w->consumer, CLUSTER_MS))
        return err_set(err, ERR_RETRY, "no broker has told the cluster's id");
    for (size_t i = 0; i < n; i++)
        if (!decide(w, &t[i], a, err))
            return false;
    if (!commit_starts(w, t, n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool again;
        if (!still_ours(w, err) || !act(w, &t[i], a, &again, err))
            return false;
        for (int k = 0; again; k++)
            if (k == AGAIN_MAX)
                return err_set(err, ERR_RETRY, "%s[%d] moves while it is taken over",
                               t[i].slot->topic, t[i].slot->partition);
            else if (!take_again(w, &t[i], a, &again, err))
                return false;
    }
    return true;
}

bool takeover_all(struct worker *w, struct err *err)
{
    if (!producer_settle(w->producer, err))
        return false;
    w->publishing = NULL;
    if (w->slot_count == 0)
        return true;
    struct arena *a = arena_new(64 * 1024);
    struct taking *t = arena_zero(a, (size_t)w->slot_count * sizeof *t);
    w->taking = w->generation;
    bool ok = db_open(w->db, err) && store_prepare(w->store, err) &&
              take_all(w, t, (size_t)w->slot_count, a, err);
    arena_free(a);
    if (ok && !still_ours(w, err))
        return false;
    if (ok) {
        say_refused(w);
        takeover_remind(w);
    }
    return ok;
}
