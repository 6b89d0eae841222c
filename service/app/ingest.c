#include "app/ingest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/batch.h"
#include "app/batch_schema.h"
#include "app/counts.h"
#include "app/publish.h"
#include "app/rebalance.h"
#include "app/recover.h"
#include "app/storm.h"
#include "app/takeover.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"
#include "usage/source.h"

enum {
    PATIENCE_MS = 100, /* of an idle poll */
    CHORES_MS = 500,
    NOTHING_LEFT_MS = 5000,
    PARKED_MS = 10000,
    LIGHT_BATCHES = 200,
    DOCUMENTS_MAX = 32 * 1024 * 1024, /* what a batch's own records may become, too */
    SIZES_MS = 600000,
    BOUNDS_WAIT_MS = 1000,
    ARENA_BLOCK = 4 * 1024 * 1024,
    SCRATCH_BLOCK = 256 * 1024,
    WATCH_MS = 120000,
    LOOK_MS = 1000,
    STILL_MS = 5000
};

struct ingest {
    const struct settings *settings;
    const struct changes_settings *changes;
    struct registry *registry;
    pthread_t *threads, watch;
    struct worker *workers;
};

/* --- the story of a batch --- */

static void note_stored(struct worker *w, const struct batch *b)
{
    for (size_t i = 0; i < b->part_count; i++) {
        const struct part *p = &b->parts[i];
        struct slot *slot = &w->slots[b->part_slots[i]];
        slot->stored = p->to;
        slot->next = slot->next > p->to ? slot->next : p->to; /* of a tail */
        slot->cleaned = b->store_parts[i].published;
        metrics_offset(p->topic_index, p->partition, MARK_STORED, p->to);
    }
}

/* Also of partitions that are not ours any more: whoever has them does not count it. */
static void count_stored(const struct batch *b)
{
    for (size_t i = 0; i < b->part_count; i++) {
        const struct part *p = &b->parts[i];
        for (int o = 0; o < OUTCOME_COUNT; o++) {
            if (p->outcomes[o])
                metrics_records(p->topic_index, (enum outcome)o, p->outcomes[o]);
        }
        for (int r = 0; r < REASON_COUNT; r++)
            if (p->dead[r]) {
                metrics_dead(p->topic_index, (enum reason)r, p->dead[r]);
                storm_dead(p->topic, (enum reason)r, p->dead[r]);
            }
    }
    counts_parked(&b->changes);
    storm_look();
    metrics_delays(false, b->arrivals, b->arrival_count);
}

/* The usages that a batch rates, or their events, are too large together. It is forgotten like one
 * that failed, and comes again in smaller ones, until many of these have been stored. */
static bool shrink(struct worker *w, int records, struct err *err)
{
    log_line(LOG_INFO, "the usages that are rated are large: smaller batches",
             "records=%d why=\"%s\"", records, err->text);
    w->records_max = records;
    w->light_batches = 0;
    w->must_take_over = true;
    return publish_finish(w, err);
}

static void grow(struct worker *w)
{
    int max = w->settings->batch_records;
    if (w->records_max == max || ++w->light_batches < LIGHT_BATCHES)
        return;
    w->records_max = w->records_max > max / 2 ? max : 2 * w->records_max;
    w->light_batches = 0;
}

static bool store(struct worker *w, struct batch *b, struct err *err)
{
    int64_t start = instant_ticks();
    w->busy = true;
    failpoint("before-claim");
    bool ok = db_open(w->db, err) && store_batch(w->store, &b->changes, b->store_parts, err);
    w->busy = false;
    metrics_stage(STAGE_STORE, (double)(instant_ticks() - start) / 1000);
    bool kafka = !ok && err->part && strcmp(err->part, "kafka") == 0; /* publish_before_search() */
    w->store_failed = !ok && !kafka && strcmp(err->state, STORE_CLAIM_LOST) != 0 &&
                      strcmp(err->state, STORE_TOO_HEAVY) != 0;
    if (ok && b->changes.entry_count > 0)
        grow(w);
    if (ok)
        recover_postgres_is_well(w);
    if (ok)
        count_stored(b);
    if (ok && b->generation == w->generation)
        note_stored(w, b);
    return ok;
}

/* Batch n travels to Kafka while n+1 is stored; publishing is strictly in order, two batches at the
 * most lie between the two watermarks. When no record waits, n is committed at once. */
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
    if (!stored && strcmp(err->state, STORE_TOO_HEAVY) == 0)
        return shrink(w, err->code, err);
    if (!stored || !publish_finish(w, err))
        return false;
    if (b->generation !=
        w->generation) /* a rebalance while it was stored: its successor publishes it */
        return true;
    w->current = 1 - w->current;
    return publish_begin(w, b, err);
}

/* --- between batches --- */

/* Published rows go within a second when idle, so that an offset that Kafka forgets finds an empty
 * outbox. */
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

/* One request on the consumer's handle: the metric of the high watermark, the proof that a broker
 * answers, and what wakes librdkafka 2.0.2 out of the second that it sleeps when its fetch queue
 * was full. */
static void look_at_bounds(struct worker *w)
{
    struct err err;
    int64_t high;
    if (w->slot_count == 0) {
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_resp_err_t code =
            rd_kafka_metadata(consumer_client(w->consumer), 0, NULL, &metadata, BOUNDS_WAIT_MS);
        if (code) {
            kafka_err(&err, code, "no broker answers");
            worker_waits(w, HEALTH_KAFKA, err.text);
        } else {
            rd_kafka_metadata_destroy(metadata);
            worker_goes(w, HEALTH_KAFKA);
        }
        return;
    }
    struct slot *slot = &w->slots[w->bounds_turn++ % (unsigned)w->slot_count];
    if (consumer_bounds(w->consumer, slot->topic, slot->partition, BOUNDS_WAIT_MS, NULL, &high,
                        &err)) {
        metrics_offset(slot->topic_index, slot->partition, MARK_HIGH, high);
        metrics_dependency(DEPENDENCY_KAFKA, true);
        worker_goes(w, HEALTH_KAFKA);
    } else {
        worker_waits(w, HEALTH_KAFKA, err.text);
    }
}

/* The worker that says what one says for all; -1: none. Not always the first: where there are more
 * workers than partitions it may have nothing to do. */
static atomic_int teller = -1;

static bool is_teller(const struct worker *w)
{
    int nobody = -1, me = w->number;
    if (w->slot_count > 0)
        return atomic_load(&teller) == me || atomic_compare_exchange_strong(&teller, &nobody, me);
    if (atomic_load(&teller) == me) {
        metrics_parked(0, 0); /* unless another worker has partitions this process knows nothing */
        atomic_store(&teller, -1);
    }
    return false;
}

/* What one worker says for all: ratings that wait, and a partition that has outgrown its interval.
 */
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
        log_line(LOG_WARNING,
                 "a partition has outgrown partition.interval: its index by party will cost more "
                 "than all the rest",
                 "partition=%s rows=%" PRId64 " rows_wanted=%d", name, rows,
                 (int)STORE_PARTITION_ROWS);
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
        recover_postgres_is_well(
            w); /* the batch that failed was stored after all: nothing has come again */
    takeover_remind(w);
    storm_look();
    if (!w->publishing && !clean(w, err))
        return false;
    return !is_teller(w) || look_at_tables(w, now, err);
}

/* What was dropped while something was waited for comes again. */
static bool resume(struct worker *w, struct err *err)
{
    return !w->idled || recover_seek(w, err);
}

static void live(struct worker *w)
{
    while (!stop_asked()) {
        struct err err = {0};
        rebalance_free_retired(w);
        if (w->must_take_over && !w->lost_since) {
            recover(w);
            continue;
        }
        if (w->lost_since)
            recover_wait_for_assign(w);
        if (!w->consumer)
            break;
        if (!resume(w, &err) || !step(w, &err) || !chores(w, &err)) {
            if (!stop_asked())
                recover_on_error(w, &err);
        } else if (w->publishing || w->slot_count == 0) {
            w->failures = 0;
        }
        if (instant_ticks() >= w->next_bounds) {
            w->next_bounds = instant_ticks() + (w->publishing ? 0 : 2000);
            look_at_bounds(w);
        }
    }
}

/* Finishes what travels, removes what is published, leaves the group: the successor then finds all
 * equal. */
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
    rebalance_forget_messages(w);
    consumer_free(w->consumer);
    producer_free(w->producer);
}

/* --- threads --- */

/* In the middle of store(): a Kafka transaction must not stay open for as long as that lasts. */
static bool publish_before_search(void *worker, struct err *err)
{
    struct worker *w = worker;
    bool ok = publish_finish(w, err);
    w->busy = true;
    return ok;
}

static void open_parts(struct worker *w)
{
    const struct settings *s = w->settings;
    char id[512], name[300];
    snprintf(id, sizeof id, "%s-%s-%d", s->group, s->instance_id, w->number);
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    struct db_options db = {.url = s->database_url,
                            .application_name = name,
                            .idle = worker_idle_postgres,
                            .idle_arg = w};
    w->db = db_new(&db);
    w->store = store_new(&(struct store_settings){.db = w->db,
                                                  .interval = settings_interval(s),
                                                  .documents_max = DOCUMENTS_MAX,
                                                  .before_search = publish_before_search,
                                                  .before_search_arg = w});
    w->producer = producer_new(
        &(struct producer_options){.properties = (const struct kafka_property *)s->kafka,
                                   .property_count = (size_t)s->kafka_count,
                                   .transactional_id = id,
                                   .transaction_timeout_ms = s->transaction_timeout_ms,
                                   .idle = worker_idle_kafka,
                                   .idle_arg = w,
                                   .batch_bytes = settings_largest_message(s)});
    w->records_max = s->batch_records;
    w->arena = arena_new(ARENA_BLOCK);
    w->scratch = arena_new(SCRATCH_BLOCK);
    w->rest = calloc((size_t)s->batch_records, sizeof *w->rest);
    if (!w->rest)
        abort();
    batch_init(&w->batches[0], s);
    batch_init(&w->batches[1], s);
    w->mapping = settings_mapping(s);
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
    arena_free(w->scratch);
    free(w->slots);
    rebalance_free_retired(w);
    free(w->retired);
    free(w->rest);
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
    w->consumer = rebalance_consumer(w, &err);
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

/* librdkafka 2.0.2 may hold a worker inside one call for as long as the broker is silent:
 * send_offsets_to_transaction() forgets its timeout, and a takeover waits for a dead process's
 * transaction. Nothing is lost by that, but the worker cannot say it: this thread does, once the
 * worker has stood still in two looks (in one only it may be this whole process that stood still).
 */
static void *watch(void *arg)
{
    struct ingest *in = arg;
    int looks[HEALTH_OWNERS_MAX] = {0};
    log_set_thread("watch");
    while (!stop_wait(LOOK_MS))
        for (int i = 0; i < in->settings->workers; i++) {
            looks[i] = health_still_ms(i) > STILL_MS ? looks[i] + 1 : 0;
            if (looks[i] > 1)
                worker_waits(&in->workers[i], HEALTH_KAFKA,
                             "the broker has not answered for some seconds");
        }
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
    if (pthread_create(&in->watch, NULL, watch, in) != 0)
        abort();
    return in;
}

void ingest_join(struct ingest *in)
{
    for (int i = 0; i < in->settings->workers; i++)
        pthread_join(in->threads[i], NULL);
    pthread_join(in->watch, NULL);
    storm_end();
    free(in->threads);
    free(in->workers);
    free(in);
}
