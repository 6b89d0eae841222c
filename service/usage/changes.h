/* changes - what one batch of records does: groups them by usage, decides each outcome, makes the
 * messages.
 *
 * The life of a batch: parts and entries are filled, changes_check() for each; changes_group();
 * then store.c asks what is there (group->there, group->parked) inside the transaction,
 * changes_decide() decides, changes_messages() fills each part's outbox bytes. No I/O here. All
 * memory is of the arena, and of the parts' buffers.
 *
 * changes_decide() may be called again for the same batch (a collision, found late): it begins from
 * the start.
 */
#pragma once

#include "usage/inbound.h"
#include "usage/outcome.h"

/* A change that was carried out: one event. */
struct effect {
    struct effect *next;
    enum event_type type;
    const struct usage *after;
    enum usage_status previous;  /* STATE_CHANGE */
    const char *field_path;      /* ATTRIBUTE_CHANGE */
    const struct inbound *cause; /* its time and trace: of the record, or of the parked rating */
    struct text source, record_id;
    /* or a parked rating that ended as a dead letter: */
    enum reason dead;
    const char *dead_text;
};

/* One record of the batch; of a sweep, what a usage's effects hang on (`outcome` OUTCOME_COUNT: no
 * record, so it is in no account). */
struct entry {
    struct inbound in;
    int part;
    /* Set before changes_group(): dead by itself (reason, text), or `change`. */
    enum reason reason;
    const char *text;
    struct change change;
    bool large;          /* by changes_check(): no usage can be made of it */
    const char *refused; /* by store_cull.c: PostgreSQL refuses it, and says why */
    /* Set by changes_decide(): */
    enum outcome outcome;
    struct effect *effects, *last_effect;
};

/* A parked rating as the store found it, or as this batch parks it. */
struct parked {
    struct parked *next;
    struct inbound in;
    struct change change;
    bool taken;          /* applied or ended by this batch */
    const char *refused; /* by store_cull.c, as of an entry: it ends as a dead letter */
    struct entry *entry; /* of this batch: not in PostgreSQL yet; NULL: it is */
};

/* The place of a parked rating that PostgreSQL refuses to apply: it is there again each time that
 * the batch is begun anew. */
struct refused_place {
    struct refused_place *next;
    const char *topic;
    int partition;
    int64_t offset;
    const char *why;
};

/* All records of one usage, in the order in which they act. */
struct group {
    struct entry **entries;
    size_t count;
    struct usage_id id;
    struct entry *creator; /* the first that can create the usage; NULL: ratings only */
    bool rated;            /* holds a rated record: what is there must be read whole, and locked */
    bool large;          /* holds one that is: what is there must be known though nothing is made */
    bool remembered;     /* by store.c: was stored not long ago, so it is probably there */
    bool inserted;       /* by store.c: the usage is new, and in the table */
    struct there *there; /* by store.c: what stands in the table; NULL: nothing */
    struct parked
        *parked; /* by store.c: what waits for this usage, by (topic, partition, offset) */
    /* Set by changes_decide(): */
    struct there *now;    /* NULL where no other record of the batch asks */
    bool exists, changed; /* changed: an UPDATE is due */
};

/* One source partition's share of the batch. */
struct part {
    const char *topic;
    int topic_index; /* metrics_topic() */
    int partition;
    int64_t from, to; /* the claim; to = last offset + 1 */
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t dead[REASON_COUNT];
    uint64_t parked_ended[OUTCOME_COUNT];
    uint64_t events[OUTBOX_TOPICS];
    struct buf messages; /* the outbox row; kept from batch to batch */
};

struct changes_settings {
    const char *base_url;
    bool key_is_id; /* event.key = id */
    int64_t event_max, parked_max_age_ms;
    int32_t schema_ids[EVENT_TYPES];
};

struct changes {
    const struct changes_settings *settings;
    struct arena *a;
    int64_t now_ms;
    struct part *parts;
    size_t part_count;
    struct entry *entries;
    size_t entry_count;
    struct group *groups; /* ascending by id */
    size_t group_count;
    struct parked *to_park; /* ratings of this batch that stay parked */
    size_t to_park_count;
    struct refused_place *refused_places; /* by store_cull.c */
    size_t messages_max; /* bytes of all parts' messages, but for those of one entry; 0: any */
    size_t
        told; /* entries that have their messages; fewer than entry_count: more would be too much */
    uint64_t parked_dead; /* effects that are dead letters; they are not in part->dead */
};

/* An entry whose `change` was just set, while it is near: a usage whose event could not be sent is
 * not stored, so its record dies unless the usage is there. */
void changes_check(struct changes *c, struct entry *e);

/* The groups of a sweep, without records: `ids` ascending. There is one part, the source that the
 * changes are written to. changes_decide() then applies what waits for the usages that are there,
 * and ends as parked-expired what hangs on the others. */
void changes_sweep(struct changes *c, const struct usage_id *ids, size_t n);

/* Sorts the live entries into groups. Parts and entries were filled by the caller; parts are
 * ascending by (topic, partition), entries of a part ascending by offset. */
void changes_group(struct changes *c);

/* A group of some of another's entries, in the same order. */
struct group changes_some(const struct group *g, struct entry **entries, size_t count);

/* Groups anew, without the entries that are `refused`: they die as REASON_DATABASE. */
void changes_regroup(struct changes *c);

/* Every outcome, from what the store found. */
void changes_decide(struct changes *c);

/* The outbox bytes and the counts of each part, and `told`: a usage may be large, and each of a
 * thousand ratings has an event that holds all of it. */
void changes_messages(struct changes *c);
