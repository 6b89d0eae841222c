/* store_parts - what the files of store share. Private to store*.c. */
#pragma once

#include "usage/parked_filter.h"
#include "usage/recent.h"
#include "usage/store.h"

enum { STORE_RANGES_MAX = 4096, STORE_OUTBOX_CALLS = 32 /* in one round trip */ };

/* What a record makes PostgreSQL write, as far as its refusals are counted. */
enum store_write { STORE_USAGE, STORE_PARKED, STORE_WRITES };

struct store_range {
    int64_t low, high; /* ms */
};

/* Which usages may have parked ratings (store_parked.c). */
struct known_parked {
    struct parked_filter *filter;
    bool complete; /* all that was parked before `since` is in it; else each usage is asked for */
    int64_t since; /* what transactions from this one on parked is not read yet; 0: begin anew */
    int rest;      /* batches to pass before that */
    unsigned char last[16]; /* how far the fill has come */
    int capacity, fill_ids, new_max, rest_batches;
    struct db_params params;
    const char *begin, *fill, *newer;
};

struct store {
    struct store_settings settings;
    struct db *db;
    struct recent *recent;
    struct known_parked known;
    bool probe_all; /* the last batch had a duplicate that nobody remembered */
    int batches;    /* since the outbox was vacuumed */
    struct store_range ranges[STORE_RANGES_MAX]; /* partitions that are known to be there */
    size_t range_count;
    struct db_params outbox[STORE_OUTBOX_CALLS];
    struct db_rows locked, large; /* what the batch's usages borrow their texts from */
    struct buf scratch;
    struct buf row;      /* one JSON text */
    struct arena *trial; /* memory of one trial of store_cull.c; NULL before the first */
    size_t refused_run[STORE_WRITES]; /* records set aside since PostgreSQL last took one */
    size_t refused_now[STORE_WRITES]; /* by this batch */
    struct db_params claims, ids, updates, parks, account, parked, clean;
    const char *update_rated, *park, *lock_parked, *take_parked, *lock_usages, *large_documents,
        *account_sql, *account_parked, *outbox_add, *outbox_clean;
};

/* --- store.c: the parts of the transaction --- */

/* Those of usage_row that the new usages need: before the transaction, each in its own. */
bool store_ensure_partitions(struct store *s, const struct changes *c, struct err *err) MUST_CHECK;

/* True: the transaction failed since a partition was dropped behind our back (retention). From now
 * on all are looked for again, so another try makes it. */
bool store_lost_partition(struct store *s, const struct err *err) MUST_CHECK;

/* Up to where all is known that the outcomes depend on. */
bool store_enter(struct store *s, struct changes *c, const struct store_part *parts,
                 struct err *err) MUST_CHECK;

/* What the decided outcomes write into the tables of usages and parked ratings. */
enum { STORE_ROW_CALLS = 2 };
size_t store_row_calls(struct store *s, struct changes *c, struct db_call *calls);

/* --- store_read.c: what is there --- */

/* The ids of the groups that `wanted` names (NULL: all), as the one parameter in s->ids; returns
 * how many. */
size_t store_ids(struct store *s, const struct changes *c, bool (*wanted)(const struct group *));
bool store_creates(const struct group *g);
bool store_remembers(const struct group *g);

extern const char store_probe_sql[];

/* Groups of these rows are duplicates: not to be inserted. Frees the rows. */
void store_note_probed(struct changes *c, struct db_rows *rows);

/* The existing usages that the batch's ratings touch, locked. */
bool store_lock_usages(struct store *s, struct changes *c, struct err *err) MUST_CHECK;

/* Gives the rows of store_lock_usages() back; nothing of the batch's usages is read after that. */
void store_forget(struct store *s);

/* What waits for the usages of the batch: locked, taken, and hung on its groups. */
bool store_take_parked(struct store *s, struct changes *c, struct err *err) MUST_CHECK;

/* Takes what `sql` deletes and returns, with the parameters in s->ids, and hangs it on its groups.
 */
bool store_hang_parked(struct store *s, struct changes *c, const char *sql,
                       struct err *err) MUST_CHECK;

/* --- store_parked.c: which usages may have parked ratings --- */

void store_parked_init(struct store *s);
void store_parked_fini(struct store *s);

/* Before the batch's transaction: reads what was there before us, some of it before each batch. */
bool store_parked_fill(struct store *s, struct err *err) MUST_CHECK;

/* What was parked since, as a call that must stand behind the claim; 0: none is due. Its answer is
 * to be noted, which frees it, whatever becomes of the transaction. */
size_t store_parked_call(struct store *s, struct db_rows *rows, struct db_call *call);
void store_parked_note(struct store *s, struct db_rows *rows);

/* False: none waited for it when the answer was given. */
bool store_parked_maybe(const struct store *s, const struct usage_id *id);

/* --- store_write.c: parameters of what is written; counts of 0 mean that the statement is not
 * needed --- */

size_t store_update_params(struct store *s, const struct changes *c);
void store_park_params(struct store *s, const struct changes *c);
size_t store_account_params(struct db_params *p, const struct changes *c, bool parked);
void store_outbox_params(struct db_params *p, const struct part *part);
void store_clean_params(struct db_params *p, const struct store_mark *marks, size_t n);
