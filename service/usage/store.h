/* store - one batch, one PostgreSQL transaction: claim, usages, ratings, account, outbox, COMMIT.
 *
 * One thread. The order of locks is the same everywhere: source_offset by (topic, partition), new
 * ids, existing usages, parked ratings, the account. Errors: ERR_RETRY with the SQLSTATE;
 * STORE_CLAIM_LOST means that another has taken a partition over. After any error nothing of the
 * batch is stored, unless the answer to COMMIT was lost: whoever takes the partitions over next
 * reads which.
 */
#pragma once

#include "io/db.h"
#include "usage/changes.h"

#define STORE_CLAIM_LOST "UC001" /* SQLSTATE, raised by claim() */
/* Ours, not PostgreSQL's: the usages that the batch rates are more than documents_max, or its
 * messages more than changes' messages_max. It must be taken in smaller ones; err->code says of how
 * many records. */
#define STORE_TOO_HEAVY "UH001"

struct store;

struct store_settings {
    struct db *db;
    const char *interval;  /* partition.interval: hour, day, month */
    int64_t documents_max; /* bytes that the usages rated by one batch may have; 0: any */
    /* Called before a search for what PostgreSQL refuses, which may take many seconds: what the
     * caller has under way elsewhere cannot wait so long. Its error is store_batch()'s. May be
     * NULL. */
    bool (*before_search)(void *arg, struct err *err);
    void *before_search_arg;
};

struct store *store_new(const struct store_settings *settings);
void store_free(struct store *s);

/* `owners`: 16 bytes for each part of the batch; `published`: everything below it is known to be
 * published, so its outbox rows go (-1: none). Decides all outcomes on the way (changes_decide,
 * changes_messages). */
struct store_part {
    unsigned char owner[16];
    int64_t published;
};

bool store_batch(struct store *s, struct changes *c, const struct store_part *parts,
                 struct err *err) MUST_CHECK;

/* The removal of published outbox rows by itself: of an idle worker, and of a stopping one. */
struct store_mark {
    const char *topic;
    int partition;
    int64_t published;
};
bool store_clean(struct store *s, const struct store_mark *marks, size_t n,
                 struct err *err) MUST_CHECK;

/* Makes the partitions of now and of the next interval; at start, and from time to time. */
bool store_prepare(struct store *s, struct err *err) MUST_CHECK;

/* The largest partition of usage_row, and how many rows PostgreSQL thinks that it has; *rows is 0
 * while there is none. Past STORE_PARTITION_ROWS the index by party costs more than all the rest of
 * storing. */
enum { STORE_PARTITION_ROWS = 5000000 };
bool store_largest_partition(struct store *s, char *name, size_t name_bytes, int64_t *rows,
                             struct err *err) MUST_CHECK;
