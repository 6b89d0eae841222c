/* worker - one thread, one pipeline: what its parts (ingest, batch, takeover, publish) share.
 *
 * A worker has its own consumer, producer, connection and arena. Other threads see of it only
 * metrics and health. Rebalance callbacks run inside its polls, on its thread.
 */
#pragma once

#include "app/health.h"
#include "app/metrics.h"
#include "app/verdict.h"
#include "io/db.h"
#include "io/producer.h"
#include "io/registry.h"
#include "usage/store.h"

enum slot_state {
    SLOT_NEW,     /* assigned, not taken over: what arrives is dropped */
    SLOT_RUNNING, /* between a takeover and the next one */
    SLOT_HELD,    /* waits for a schema; paused, later sought to `next` */
    SLOT_REFUSED  /* left out of the assignment */
};

/* One partition that the group has given to this worker. Slots are ascending by (topic, partition).
 */
struct slot {
    const char *topic; /* of the settings */
    enum settings_inbound kind;
    int topic_index; /* metrics_topic() */
    int partition;
    enum slot_state state;
    unsigned char owner[16];
    int64_t stored, published; /* the two watermarks, as far as this worker knows */
    int64_t next;              /* expected offset of the next message: lower ones are repeats */
    int64_t end, end_from;     /* between these two there is no record, only markers and the like */
    int64_t end_at;            /* ticks: since then */
    const struct registry_schema *schema; /* of the last record: the next one has the same */
    int64_t cleaned;                      /* outbox rows below are gone */
    int32_t held_schema;
    int64_t held_until;    /* ticks: when to ask again */
    int64_t asked_since;   /* ticks: since then the ids of all records ... */
    int64_t asked_end;     /* ... in front of this offset are asked for */
    bool held_unknown;     /* the registry said "unknown" of it, so the wait counts */
    int64_t no_wait_until; /* ticks: this partition has waited for an unknown schema already */
    int64_t said;          /* ticks: when the refusal was last said */
    char why[VERDICT_WHY]; /* of a refusal */
};

/* One message of a batch. */
struct piece {
    rd_kafka_message_t *message;
    int slot;
};

struct batch {
    uint64_t generation; /* of the worker: another one now means that the partitions are gone */
    struct consumer_member *member;
    struct piece *pieces;
    size_t piece_count;
    size_t bytes;
    struct part *parts; /* messages and claims; part_slots[i] is the slot of parts[i] */
    int *part_slots;
    struct store_part *store_parts;
    size_t part_count, part_size;
    struct changes changes;
    int64_t polled_at; /* ticks */
    int64_t *arrivals; /* for the metrics of delay: the Kafka timestamps that its records have */
    size_t arrival_count;
};

struct worker {
    const struct settings *settings;
    const struct changes_settings *changes_settings;
    int number; /* 0 ... workers-1; also the owner number in health */
    struct registry *registry;
    struct consumer *consumer;
    struct producer *producer;
    struct db *db;
    struct store *store;
    struct arena *arena;   /* of the batch that is being stored */
    struct arena *scratch; /* of the one record that is being decoded */
    struct mapping_settings mapping;

    struct slot *slots;
    int slot_count;
    uint64_t generation; /* grows at each ASSIGN and REVOKE */
    uint64_t taking;     /* the generation that is being taken over */
    bool busy; /* inside a call that may poll the consumer: a takeover must wait for the loop */
    bool in_callback;
    bool assigned;        /* since the last ASSIGN, nothing was revoked or lost */
    bool must_take_over;  /* the loop must (again) */
    bool idled;           /* partitions were paused while waiting: seek and resume */
    bool store_failed;    /* the last batch could not be stored: not well before one is */
    int64_t recovered_at; /* ticks: the last takeover since then */
    bool registry_waits;
    int64_t lost_since; /* ticks: out of the group since; 0: not */
    int failures;       /* recoveries in a row, for the back-off */
    int records_max;    /* of a batch: batch.records, or less while usages are large */
    int light_batches;  /* stored since that was last changed */

    struct piece
        *rest; /* messages that the last batch was too big for; the next begins with them */
    size_t rest_count;
    struct slot *
        *retired; /* slots that a rebalance inside another wait has replaced: freed by the loop */
    size_t retired_count;

    struct batch batches[2]; /* one is stored while the other travels to Kafka */
    int current;
    struct batch *publishing; /* produced, not committed; NULL: none */

    int64_t next_chores, next_parked, next_sizes, next_bounds;
    char said_large[64]; /* the partition that was last said to be too large */
    unsigned bounds_turn;
};

/* "usaged: it waits" once, when it begins, and the same at its end: one line each, and /readyz. */
void worker_waits(struct worker *w, enum health_key key, const char *text);
void worker_goes(struct worker *w, enum health_key key);

/* Keeps the membership while PostgreSQL or the broker is waited for: pauses all, polls, drops what
 * comes (`idled`: a seek is due). One that has been silent for seconds is said to be waited for,
 * long before the wait is given up. */
void worker_idle_postgres(void *worker, int waited_ms);
void worker_idle_kafka(void *worker, int waited_ms);

struct slot *worker_slot(struct worker *w, const char *topic, int partition);
