#include "app/ingest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/batch.h"
#include "app/publish.h"
#include "app/takeover.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"
#include "usage/source.h"

enum {
    PATIENCE_MS = 100,       /* of an idle poll */
    BACKOFF_MS = 100,        /* doubles with each failure in a row */
    BACKOFF_MAX_MS = 5000,
    LOST_MS = 60000,         /* without an ASSIGN for so long: a new consumer */
    CHORES_MS = 500,
    NOTHING_LEFT_MS = 5000,
    PARKED_MS = 10000,
    SIZES_MS = 600000,
    BOUNDS_WAIT_MS = 1000,
    ARENA_BLOCK = 4 * 1024 * 1024,
    WATCH_MS = 120000
};

struct ingest {
    const struct settings *settings;
    const struct changes_settings *changes;
    struct registry *registry;
    pthread_t *threads;
    struct worker *workers;
};

/* --- rebalances: these run inside consumer_poll() ------------------------------------------------------ */

static void forget_messages(struct worker *w)
{
    if (!w->busy) /* else it is being stored: step() sees the generation and lets it go */
        batch_release(w, &w->batches[w->current]);
}

static void forget_slots(struct worker *w)
{
    for (int i = 0; i < w->slot_count; i++)
        metrics_disown(w->slots[i].topic_index, w->slots[i].partition);
    free(w->slots);
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

/* The topic's name as the settings hold it: it outlives the list. */
static const char *settings_topic(const struct settings *s, int index)
{
    return index < s->topic_raw.count ? s->topic_raw.names[index]
                                      : s->topic_rated.names[index - s->topic_raw.count];
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
        w->slots[w->slot_count++] = (struct slot){.topic = settings_topic(w->settings, index),
                                                  .topic_index = index,
                                                  .partition = parts->elems[i].partition};
    }
    qsort(w->slots, (size_t)w->slot_count, sizeof *w->slots, slot_order);
}

static void on_revoked(void *arg)
{
    struct worker *w = arg;
    failpoint("in-rebalance");
    forget_messages(w);
    forget_slots(w);
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
            if (w->slots[k].partition == parts->elems[i].partition && w->slots[k].state == SLOT_RUNNING &&
                strcmp(w->slots[k].topic, parts->elems[i].topic) == 0) {
                parts->elems[i].offset = w->slots[k].next;
                runs = true;
            }
        if (!runs)
            rd_kafka_topic_partition_list_del_by_idx(parts, i);
    }
}

static void waits_for(struct worker *w, const struct err *err)
{
    bool postgres = err->part && strcmp(err->part, "postgres") == 0;
    char text[400];
    snprintf(text, sizeof text, "%s%s%.340s", err->state, err->state[0] ? " " : "", err->text);
    worker_waits(w, postgres ? HEALTH_POSTGRES : HEALTH_KAFKA, text);
}

static void postgres_is_well(struct worker *w)
{
    w->store_failed = false;
    w->failures = 0;
    worker_goes(w, HEALTH_POSTGRES);
    metrics_dependency(DEPENDENCY_POSTGRES, true);
}

/* After a takeover. PostgreSQL that answers, but has not taken the last batch, is not well before it takes one. */
static void all_well(struct worker *w)
{
    worker_goes(w, HEALTH_KAFKA);
    metrics_dependency(DEPENDENCY_KAFKA, true);
    if (w->assigned) /* ready only now: before, what is taken over may still move */
        worker_goes(w, HEALTH_ASSIGNMENT);
    w->recovered_at = instant_ticks();
    if (!w->store_failed)
        postgres_is_well(w);
}

static bool on_assigned(void *arg, rd_kafka_topic_partition_list_t *parts)
{
    struct worker *w = arg;
    struct err err;
    forget_messages(w);
    forget_slots(w);
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
        all_well(w);
        set_offsets(w, parts);
    } else if (err.kind == ERR_FATAL) {
        log_line(LOG_ERROR, "cannot go on", "why=\"%s\"", err.text);
        stop_now(1);
    } else {
        waits_for(w, &err);
    }
    return ok;
}

/* --- recovering: the one way --------------------------------------------------------------------------- */

/* Keeps the membership while time passes; what arrives is dropped, and a seek must follow. A rebalance ends it: what an
 * ASSIGN in here has taken over flows at once, and is not to be dropped unseen. */
static void wait_polling(struct worker *w, int wait_ms)
{
    int64_t end = instant_ticks() + wait_ms;
    uint64_t generation = w->generation;
    struct err err;
    consumer_pause_all(w->consumer);
    w->idled = true;
    while (!stop_asked() && instant_ticks() < end && w->generation == generation) {
        int64_t left = end - instant_ticks();
        rd_kafka_message_t *m = consumer_poll(w->consumer, left > 100 ? 100 : (int)left, &err);
        if (m) {
            rd_kafka_message_destroy(m);
            w->idled = true; /* also if the same poll has served an ASSIGN */
        }
        health_beat(w->number);
    }
}

static bool seek_all(struct worker *w, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(w->slot_count + 1);
    for (int i = 0; i < w->slot_count; i++) {
        if (w->slots[i].state == SLOT_RUNNING)
            rd_kafka_topic_partition_list_add(parts, w->slots[i].topic, w->slots[i].partition)->offset =
                w->slots[i].next;
        else
            consumer_pause(w->consumer, w->slots[i].topic, w->slots[i].partition);
    }
    bool ok = consumer_seek(w->consumer, parts, err);
    rd_kafka_topic_partition_list_destroy(parts);
    w->idled = false;
    return ok;
}

static struct consumer *new_consumer(struct worker *w, struct err *err);

/* Out of the group: nothing may be taken over, since that would rob the legitimate successor. */
static void wait_for_assign(struct worker *w)
{
    struct err err;
    if (w->lost_since == 0) {
        w->lost_since = instant_ticks();
        w->busy = true;
        bool settled = producer_settle(w->producer, &err);
        w->busy = false;
        w->publishing = NULL;
        if (!settled && err.kind == ERR_FATAL) {
            log_line(LOG_ERROR, "cannot go on", "why=\"%s\"", err.text);
            stop_now(1);
        }
        forget_slots(w);
        w->assigned = false;
        worker_waits(w, HEALTH_ASSIGNMENT, "out of the group, waiting for the next assignment");
    }
    if (instant_ticks() - w->lost_since > LOST_MS) {
        log_line(LOG_WARNING, "no assignment for a minute: a new consumer", "worker=%d", w->number);
        consumer_free(w->consumer);
        w->consumer = new_consumer(w, &err);
        w->lost_since = instant_ticks();
        if (!w->consumer)
            stop_now(1);
    }
}

static int backoff_ms(const struct worker *w)
{
    int ms = BACKOFF_MS;
    for (int i = 1; i < w->failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* Forget the batch, wait, take the partitions over as if they had just been assigned, go to what is stored. */
static void recover(struct worker *w)
{
    struct err err;
    uint64_t generation = w->generation;
    forget_messages(w);
    if (w->failures > 0)
        wait_polling(w, backoff_ms(w));
    if (stop_asked() || w->generation != generation || w->lost_since)
        return; /* a rebalance has come meanwhile, and done or asked for all this */
    w->busy = true;
    bool ok = takeover_all(w, &err) && seek_all(w, &err);
    w->busy = false;
    if (ok) {
        w->must_take_over = false;
        all_well(w);
        return;
    }
    w->failures++;
    if (err.kind == ERR_FATAL) {
        log_line(LOG_ERROR, "cannot go on", "why=\"%s\"", err.text);
        stop_now(1);
    } else if (err.kind == ERR_LOST) {
        wait_for_assign(w);
    } else {
        waits_for(w, &err);
    }
}

/* This process has stood still for so long that a successor has ended its session, or the broker its transaction: the group
 * may have given its partitions away as well. */
static bool stood_still(const struct err *err)
{
    bool kafka = err->part && strcmp(err->part, "kafka") == 0;
    return strcmp(err->state, "57P01") == 0 ||
           (kafka && (err->code == RD_KAFKA_RESP_ERR__FENCED || err->code == RD_KAFKA_RESP_ERR_INVALID_TXN_STATE));
}

static void on_error(struct worker *w, const struct err *err)
{
    bool robbed = strcmp(err->state, STORE_CLAIM_LOST) == 0;
    forget_messages(w);
    if (err->kind == ERR_FATAL) {
        log_line(LOG_ERROR, "cannot go on", "why=\"%s\"", err->text);
        stop_now(1);
        return;
    }
    w->failures++;
    if (err->kind == ERR_LOST && w->publishing && w->publishing->generation != w->generation) {
        w->must_take_over = true; /* what was lost is an older assignment than the present one */
        return;
    }
    if (err->kind == ERR_LOST) {
        log_line(LOG_WARNING, "out of the group", "why=\"%s\"", err->text);
        wait_for_assign(w);
        return;
    }
    if (w->generation == 0 && kafka_is_right_missing((rd_kafka_resp_err_t)err->code) && err->part) {
        log_line(LOG_ERROR, "cannot start: Kafka refuses a right that is needed", "group=%s why=\"%s\"",
                 w->settings->group, err->text);
        stop_now(1);
        return;
    }
    w->must_take_over = true;
    if (robbed) {
        log_line(LOG_WARNING, "a claim was refused: another has taken the partition over", "why=\"%s\"", err->text);
    } else {
        log_line(LOG_DEBUG, "a batch failed and is taken again", "sqlstate=%s why=\"%s\"", err->state, err->text);
        waits_for(w, err);
    }
    if (robbed || stood_still(err))
        wait_polling(w, w->settings->heartbeat_interval_ms * 3 / 2); /* for the REVOKE that is due */
}

/* --- the story of a batch ------------------------------------------------------------------------------ */

static void count_stored(struct worker *w, const struct batch *b)
{
    for (size_t i = 0; i < b->part_count; i++) {
        const struct part *p = &b->parts[i];
        struct slot *slot = &w->slots[b->part_slots[i]];
        slot->stored = p->to;
        slot->cleaned = b->store_parts[i].published;
        metrics_offset(p->topic_index, p->partition, MARK_STORED, p->to);
        for (int o = 0; o < OUTCOME_COUNT; o++) {
            if (p->outcomes[o])
                metrics_records(p->topic_index, (enum outcome)o, p->outcomes[o]);
            if (p->parked_ended[o])
                metrics_parked_ended((enum outcome)o, p->parked_ended[o]);
        }
        for (int r = 0; r < REASON_COUNT; r++)
            if (p->dead[r])
                metrics_dead(p->topic_index, (enum reason)r, p->dead[r]);
    }
    if (b->oldest_ms >= 0)
        metrics_delay(false, (double)(instant_now() - b->oldest_ms) / 1000, b->piece_count);
}

static bool store(struct worker *w, struct batch *b, struct err *err)
{
    int64_t start = instant_ticks();
    w->busy = true;
    failpoint("before-claim");
    bool ok = db_open(w->db, err) && store_batch(w->store, &b->changes, b->store_parts, err);
    w->busy = false;
    metrics_stage(STAGE_STORE, (double)(instant_ticks() - start) / 1000);
    w->store_failed = !ok && strcmp(err->state, STORE_CLAIM_LOST) != 0;
    if (ok)
        postgres_is_well(w);
    if (ok && b->generation == w->generation)
        count_stored(w, b);
    return ok;
}

/* Batch n travels to Kafka while n+1 is stored; publishing is strictly in order, two batches at the most lie between the
 * two watermarks. When no record waits, n is committed at once. */
static bool step(struct worker *w, struct err *err)
{
    struct batch *b = &w->batches[w->current];
    if (!batch_collect(w, b, w->publishing ? 0 : PATIENCE_MS, err))
        return err->kind == ERR_NONE && publish_finish(w, err);
    if (!batch_decode(w, b)) {
        batch_release(w, b);
        return publish_finish(w, err);
    }
    bool stored = store(w, b, err);
    batch_release(w, b);
    if (!stored || !publish_finish(w, err))
        return false;
    if (b->generation != w->generation) /* a rebalance while it was stored: its successor publishes it */
        return true;
    w->current = 1 - w->current;
    return publish_begin(w, b, err);
}

/* --- between batches ----------------------------------------------------------------------------------- */

/* Published rows go within a second when idle, so that an offset that Kafka forgets finds an empty outbox. */
static bool clean(struct worker *w, struct err *err)
{
    struct store_mark marks[64];
    size_t n = 0;
    for (int i = 0; i < w->slot_count && n < 64; i++) {
        struct slot *slot = &w->slots[i];
        if (slot->state != SLOT_RUNNING || slot->cleaned >= slot->published)
            continue;
        marks[n++] = (struct store_mark){slot->topic, slot->partition, slot->published};
    }
    if (n == 0)
        return true;
    w->busy = true;
    bool ok = db_open(w->db, err) && store_clean(w->store, marks, n, err);
    w->busy = false;
    for (size_t i = 0; ok && i < n; i++) {
        struct slot *slot = worker_slot(w, marks[i].topic, marks[i].partition);
        if (slot)
            slot->cleaned = marks[i].published;
    }
    return ok;
}

/* One request on the consumer's handle: the metric of the high watermark, the proof that a broker answers, and what wakes
 * librdkafka 2.0.2 out of the second that it sleeps when its fetch queue was full. */
static void look_at_bounds(struct worker *w)
{
    struct err err;
    int64_t high;
    if (w->slot_count == 0) {
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_resp_err_t code = rd_kafka_metadata(consumer_client(w->consumer), 0, NULL, &metadata, BOUNDS_WAIT_MS);
        if (code) {
            kafka_err(&err, code, "no broker answers");
            worker_waits(w, HEALTH_KAFKA, err.text);
        } else {
            rd_kafka_metadata_destroy(metadata);
            worker_goes(w, HEALTH_KAFKA);
        }
        return;
    }
    struct slot *slot = &w->slots[w->bounds_turn++ % w->slot_count];
    if (consumer_bounds(w->consumer, slot->topic, slot->partition, BOUNDS_WAIT_MS, NULL, &high, &err)) {
        metrics_offset(slot->topic_index, slot->partition, MARK_HIGH, high);
        metrics_dependency(DEPENDENCY_KAFKA, true);
        worker_goes(w, HEALTH_KAFKA);
    } else {
        worker_waits(w, HEALTH_KAFKA, err.text);
    }
}

/* What one worker says for all: ratings that wait, and a partition that has outgrown its interval. */
static bool look_at_tables(struct worker *w, int64_t now, struct err *err)
{
    char name[64];
    int64_t waiting, oldest, rows = 0;
    if (now < w->next_parked)
        return true;
    w->next_parked = now + PARKED_MS;
    bool sizes = now >= w->next_sizes;
    w->busy = true;
    bool ok = db_open(w->db, err) && source_parked(w->db, &waiting, &oldest, err) &&
              (!sizes || store_largest_partition(w->store, name, sizeof name, &rows, err));
    w->busy = false;
    if (!ok)
        return false;
    metrics_parked(waiting, oldest);
    if (sizes)
        w->next_sizes = now + SIZES_MS;
    if (rows > STORE_PARTITION_ROWS && strcmp(name, w->said_large) != 0) {
        snprintf(w->said_large, sizeof w->said_large, "%s", name);
        log_line(LOG_WARNING, "a partition has outgrown partition.interval: its index by party will cost more than all the rest",
                 "partition=%s rows=%" PRId64 " rows_wanted=%d", name, rows, (int)STORE_PARTITION_ROWS);
    }
    return true;
}

static bool chores(struct worker *w, struct err *err)
{
    int64_t now = instant_ticks();
    health_beat(w->number);
    if (!batch_unhold(w, err))
        return false;
    if (now < w->next_chores)
        return true;
    w->next_chores = now + CHORES_MS;
    if (w->store_failed && now - w->recovered_at > NOTHING_LEFT_MS)
        postgres_is_well(w); /* the batch that failed was stored after all: nothing has come again */
    takeover_remind(w);
    if (!w->publishing && !clean(w, err))
        return false;
    return w->number != 0 || w->slot_count == 0 || look_at_tables(w, now, err);
}

/* What was dropped while something was waited for comes again. */
static bool resume(struct worker *w, struct err *err)
{
    return !w->idled || seek_all(w, err);
}

static void live(struct worker *w)
{
    while (!stop_asked()) {
        struct err err = {0};
        if (w->must_take_over && !w->lost_since) {
            recover(w);
            continue;
        }
        if (w->lost_since)
            wait_for_assign(w);
        if (!resume(w, &err) || !step(w, &err) || !chores(w, &err)) {
            if (!stop_asked())
                on_error(w, &err);
        } else if (w->publishing || w->slot_count == 0) {
            w->failures = 0;
        }
        if (instant_ticks() >= w->next_bounds) {
            w->next_bounds = instant_ticks() + (w->publishing ? 0 : 2000);
            look_at_bounds(w);
        }
    }
}

/* Finishes what travels, removes what is published, leaves the group: the successor then finds all equal. */
static void leave(struct worker *w)
{
    struct err err = {0};
    w->in_callback = true; /* no idle polls any more */
    if (w->publishing && !publish_finish(w, &err))
        log_line(LOG_INFO, "the last batch is left to the successor", "why=\"%s\"", err.text);
    else if (db_is_open(w->db) && !w->must_take_over && !clean(w, &err))
        log_line(LOG_INFO, "published outbox rows are left", "why=\"%s\"", err.text);
    if (w->producer && producer_is_open(w->producer) && !producer_settle(w->producer, &err))
        log_line(LOG_DEBUG, "transaction left open", "why=\"%s\"", err.text);
    w->busy = true; /* a REVOKE finds no batch to forget */
    forget_messages(w);
    consumer_free(w->consumer);
    producer_free(w->producer);
}

/* --- threads ------------------------------------------------------------------------------------------- */

static struct consumer *new_consumer(struct worker *w, struct err *err)
{
    const struct settings *s = w->settings;
    const char *topics[2 * CONFIG_LIST_MAX];
    size_t n = 0;
    for (int i = 0; i < s->topic_raw.count + s->topic_rated.count; i++)
        topics[n++] = settings_topic(s, i);
    char client_id[256];
    snprintf(client_id, sizeof client_id, "usaged-%s-%d", s->instance_id, w->number);
    struct consumer_options options = {.properties = (const struct kafka_property *)s->kafka,
                                       .property_count = (size_t)s->kafka_count,
                                       .group = s->group,
                                       .client_id = client_id,
                                       .topics = topics,
                                       .topic_count = n,
                                       .assigned = on_assigned,
                                       .revoked = on_revoked,
                                       .arg = w};
    return consumer_new(&options, err);
}

static void open_parts(struct worker *w)
{
    const struct settings *s = w->settings;
    static const char *const intervals[] = {"hour", "day", "month"};
    char id[512], name[300];
    snprintf(id, sizeof id, "%s-%s-%d", s->group, s->instance_id, w->number);
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    struct db_options db = {.url = s->database_url, .application_name = name, .idle = worker_idle_postgres, .idle_arg = w};
    w->db = db_new(&db);
    w->store = store_new(&(struct store_settings){.db = w->db, .interval = intervals[s->partition_interval]});
    w->producer = producer_new(&(struct producer_options){.properties = (const struct kafka_property *)s->kafka,
                                                          .property_count = (size_t)s->kafka_count,
                                                          .transactional_id = id,
                                                          .client_id = id,
                                                          .transaction_timeout_ms = s->transaction_timeout_ms,
                                                          .idle = worker_idle_kafka,
                                                          .idle_arg = w});
    w->arena = arena_new(ARENA_BLOCK);
    batch_init(&w->batches[0], s);
    batch_init(&w->batches[1], s);
    w->mapping = (struct mapping_settings){.default_specification_id = s->default_specification_id,
                                           .usage_oldest_ms = s->usage_oldest_ms,
                                           .usage_newest_ms = s->usage_newest_ms};
}

static void close_parts(struct worker *w)
{
    for (int i = 0; i < 2; i++) {
        batch_drop_member(&w->batches[i]);
        batch_fini(&w->batches[i]);
    }
    store_free(w->store);
    db_free(w->db);
    arena_free(w->arena);
    free(w->slots);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct err err = {0};
    char name[16];
    snprintf(name, sizeof name, "worker-%d", w->number);
    log_set_thread(name);
    health_watch(w->number, WATCH_MS);
    open_parts(w);
    w->consumer = new_consumer(w, &err);
    if (w->consumer) {
        live(w);
        leave(w);
    } else {
        log_line(LOG_ERROR, "cannot start", "why=\"%s\"", err.text);
        stop_now(1);
    }
    close_parts(w);
    health_unwatch(w->number);
    return NULL;
}

struct ingest *ingest_start(const struct settings *s, const struct changes_settings *changes,
                            struct registry *registry)
{
    struct ingest *in = calloc(1, sizeof *in);
    if (!in)
        abort();
    in->settings = s;
    in->threads = calloc((size_t)s->workers, sizeof *in->threads);
    in->workers = calloc((size_t)s->workers, sizeof *in->workers);
    if (!in->threads || !in->workers)
        abort();
    for (int i = 0; i < s->workers; i++) {
        in->workers[i] = (struct worker){
            .settings = s, .changes_settings = changes, .number = i, .registry = registry};
        worker_waits(&in->workers[i], HEALTH_ASSIGNMENT, "no stable group yet");
        if (pthread_create(&in->threads[i], NULL, run, &in->workers[i]) != 0)
            abort();
    }
    return in;
}

void ingest_join(struct ingest *in)
{
    for (int i = 0; i < in->settings->workers; i++)
        pthread_join(in->threads[i], NULL);
    free(in->threads);
    free(in->workers);
    free(in);
}
