#include "app/recover.h"

#include <stdio.h>
#include <string.h>

#include "app/rebalance.h"
#include "app/takeover.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/stop.h"

enum {
    BACKOFF_MS = 100, /* doubles with each failure in a row */
    BACKOFF_MAX_MS = 5000,
    LOST_MS = 60000 /* without an ASSIGN for so long: a new consumer */
};

void recover_waits_for(struct worker *w, const struct err *err)
{
    bool postgres = err->part && strcmp(err->part, "postgres") == 0;
    char text[400];
    snprintf(text, sizeof text, "%s%s%.340s", err->state, err->state[0] ? " " : "", err->text);
    worker_waits(w, postgres ? HEALTH_POSTGRES : HEALTH_KAFKA, text);
}

void recover_postgres_is_well(struct worker *w)
{
    w->store_failed = false;
    w->failures = 0;
    worker_goes(w, HEALTH_POSTGRES);
    metrics_dependency(DEPENDENCY_POSTGRES, true);
}

/* After a takeover. PostgreSQL that answers, but has not taken the last batch, is not well before
 * it takes one. */
void recover_all_well(struct worker *w)
{
    worker_goes(w, HEALTH_KAFKA);
    metrics_dependency(DEPENDENCY_KAFKA, true);
    if (w->assigned) /* ready only now: before, what is taken over may still move */
        worker_goes(w, HEALTH_ASSIGNMENT);
    w->recovered_at = instant_ticks();
    if (!w->store_failed)
        recover_postgres_is_well(w);
}

/* Keeps the membership while time passes; what arrives is dropped, and a seek must follow. A
 * rebalance ends it: what an ASSIGN in here has taken over flows at once, and is not to be dropped
 * unseen. */
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

bool recover_seek(struct worker *w, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(w->slot_count + 1);
    for (int i = 0; i < w->slot_count; i++) {
        if (w->slots[i].state == SLOT_RUNNING)
            rd_kafka_topic_partition_list_add(parts, w->slots[i].topic, w->slots[i].partition)
                ->offset = w->slots[i].next;
        else
            consumer_pause(w->consumer, w->slots[i].topic, w->slots[i].partition);
    }
    bool ok = consumer_seek(w->consumer, parts, err);
    rd_kafka_topic_partition_list_destroy(parts);
    w->idled = false;
    return ok;
}

/* Out of the group: nothing may be taken over, since that would rob the legitimate successor. */
void recover_wait_for_assign(struct worker *w)
{
    struct err err;
    uint64_t generation = w->generation;
    if (w->lost_since == 0) {
        w->lost_since = instant_ticks();
        w->busy = true;
        bool settled = producer_settle(w->producer, &err);
        w->busy = false;
        w->publishing = NULL;
        if (w->generation != generation)
            return; /* the next assignment has come while the transaction was ended */
        if (!settled && err.kind == ERR_FATAL) {
            health_end(&err);
        }
        rebalance_forget_slots(w);
        w->assigned = false;
        worker_waits(w, HEALTH_ASSIGNMENT, "out of the group, waiting for the next assignment");
    }
    if (instant_ticks() - w->lost_since > LOST_MS) {
        log_line(LOG_WARNING, "no assignment for a minute: a new consumer", "worker=%d", w->number);
        consumer_free(w->consumer);
        w->consumer = rebalance_consumer(w, &err);
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

/* The group has given this worker nothing, while it was busy. Nobody was asked anything, so only
 * what it cannot need any more is over. */
static void nothing_to_wait_for(struct worker *w)
{
    worker_goes(w, HEALTH_ASSIGNMENT);
    worker_goes(w, HEALTH_POSTGRES);
}

/* Forget the batch, wait, take the partitions over as if they had just been assigned, go to what is
 * stored. */
void recover(struct worker *w)
{
    struct err err;
    uint64_t generation = w->generation;
    rebalance_forget_messages(w);
    if (w->failures > 0)
        wait_polling(w, backoff_ms(w));
    if (stop_asked() || w->generation != generation || w->lost_since)
        return; /* a rebalance has come meanwhile, and done or asked for all this */
    w->busy = true;
    bool ok = takeover_all(w, &err) && recover_seek(w, &err);
    w->busy = false;
    if (ok) {
        w->must_take_over = false;
        if (w->slot_count > 0)
            recover_all_well(w);
        else if (w->assigned)
            nothing_to_wait_for(w);
        return;
    }
    w->failures++;
    if (err.kind == ERR_FATAL) {
        health_end(&err);
    } else if (w->generation != generation) {
        w->must_take_over = true; /* what failed is an older assignment than the present one */
    } else if (err.kind == ERR_LOST) {
        recover_wait_for_assign(w);
    } else {
        recover_waits_for(w, &err);
    }
}

/* This process has stood still for so long that a successor has ended its session, or the broker
 * its transaction: the group may have given its partitions away as well. */
static bool stood_still(const struct err *err)
{
    bool kafka = err->part && strcmp(err->part, "kafka") == 0;
    return strcmp(err->state, "57P01") == 0 ||
           (kafka && (err->code == RD_KAFKA_RESP_ERR__FENCED ||
                      err->code == RD_KAFKA_RESP_ERR_INVALID_TXN_STATE));
}

void recover_on_error(struct worker *w, const struct err *err)
{
    bool robbed = strcmp(err->state, STORE_CLAIM_LOST) == 0;
    rebalance_forget_messages(w);
    if (err->kind == ERR_FATAL) {
        health_end(err);
        return;
    }
    w->failures++;
    if (err->kind == ERR_LOST && w->publishing && w->publishing->generation != w->generation) {
        w->must_take_over = true; /* what was lost is an older assignment than the present one */
        return;
    }
    if (err->kind == ERR_LOST) {
        log_line(LOG_WARNING, "out of the group", "why=\"%s\"", err->text);
        recover_wait_for_assign(w);
        return;
    }
    w->must_take_over = true;
    if (robbed) {
        log_line(LOG_WARNING, "a claim was refused: another has taken the partition over",
                 "why=\"%s\"", err->text);
    } else {
        log_line(LOG_DEBUG, "a batch failed and is taken again", "sqlstate=%s why=\"%s\"",
                 err->state, err->text);
        recover_waits_for(w, err);
    }
    if (robbed || stood_still(err))
        wait_polling(w,
                     w->settings->heartbeat_interval_ms * 3 / 2); /* for the REVOKE that is due */
}
