/* Which usages may have parked ratings, as far as this worker knows.
 *
 * A million ratings may wait while hardly a usage of a batch has one, and to ask for each usage
 * costs PostgreSQL a descent of the index. So their ids are read once, into a filter, and each
 * batch adds what was parked since: behind the claim, so that it knows all that a look into the
 * table would find at that moment.
 *
 * For all transactions below the xmin of a snapshot are over. What they parked is seen by it, or
 * never will be by anyone, so it was read then or before, or by the fill, whose statements come
 * behind the xmin that it begins with. What the others park the next batch reads, which asks for
 * parked_by >= that xmin. Transactions that fail, and ratings that have ended, leave ids behind,
 * which cost a look.
 *
 * The sweep relies on it: whoever takes his number, which the claim does, after its first look sees
 * all that was parked before that. So a refresh before the claim would not do. What is parked
 * between the refresh and the look is the sweep's, which waits for us.
 *
 * parked_by is a number of the server that the rating was parked on. In a restored dump it is
 * foreign: the fill reads all rows whatever stands there, and the sweep gives those from the future
 * new ones. A new session may be of another server, or of one that gives out again the numbers that
 * a crash took with it: then all is read anew.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/embed.h"
#include "base/instant.h"
#include "usage/parked_filter.h"
#include "usage/store_parts.h"

enum {
    CAPACITY = 1 << 21, /* ids: 2 MB */
    FILL_IDS = 20000, /* by one statement: some 5 ms; seconds if each is a read from a cold disk */
    FILL_MS = 100,    /* before one batch */
    NEW_MAX = 5000,   /* since the last batch, else to read them costs more than to ask */
    REST_BATCHES = 1000 /* when it was too much: so long each usage is asked for */
};

/* A test build can be made to meet the bounds: "capacity:fill:new:rest". */
static void read_limits(struct known_parked *k)
{
    k->capacity = CAPACITY;
    k->fill_ids = FILL_IDS;
    k->new_max = NEW_MAX;
    k->rest_batches = REST_BATCHES;
#ifdef USAGED_FAILPOINTS
    const char *limits = getenv("USAGED_FAILPOINT_PARKED");
    if (limits && sscanf(limits, "%d:%d:%d:%d", &k->capacity, &k->fill_ids, &k->new_max,
                         &k->rest_batches) != 4)
        abort();
#endif
}

void store_parked_init(struct store *s)
{
    struct known_parked *k = &s->known;
    read_limits(k);
    k->filter = parked_filter_new((size_t)k->capacity);
    k->begin = embed_text(embed_sql, "parked_begin.sql");
    k->fill = embed_text(embed_sql, "parked_fill.sql");
    k->newer = embed_text(embed_sql, "parked_new.sql");
}

void store_parked_fini(struct store *s)
{
    parked_filter_free(s->known.filter);
    db_params_fini(&s->known.params);
}

/* Each usage is asked for; after so many batches all is read anew. */
static void give_up(struct known_parked *k, int rest)
{
    k->complete = false;
    k->since = 0;
    k->rest = rest;
}

/* Columns 1 and 2 of both statements. `last`: the greatest, if not NULL. */
static void add_ids(struct known_parked *k, const struct db_rows *rows, unsigned char *last)
{
    struct text ids = db_text(rows, 0, 2);
    for (size_t i = 0; i + 16 <= ids.n; i += 16) {
        const unsigned char *id = (const unsigned char *)ids.p + i;
        parked_filter_add(k->filter, id);
        if (last && memcmp(id, last, 16) > 0)
            memcpy(last, id, 16);
    }
    if (parked_filter_is_full(k->filter))
        give_up(k, k->rest_batches);
}

static void note_filled(struct known_parked *k, const struct db_rows *rows)
{
    if (!db_truth(rows, 0, 0)) {
        give_up(k, 0);
        return;
    }
    k->complete = db_int4(rows, 0, 1) < k->fill_ids;
    add_ids(k, rows, k->last);
}

static bool fill(struct store *s, struct err *err)
{
    struct known_parked *k = &s->known;
    struct db_rows begun = {0}, ids = {0};
    struct db_call calls[2];
    size_t n = 0;
    if (k->since == 0) {
        parked_filter_clear(k->filter);
        memset(k->last, 0, sizeof k->last); /* no usage has this id */
        calls[n++] = (struct db_call){.sql = k->begin, .rows = &begun};
    }
    db_params_reset(&k->params);
    db_param_uuid(&k->params, k->last);
    db_param_int4(&k->params, k->fill_ids);
    calls[n++] = (struct db_call){.sql = k->fill, .params = &k->params, .rows = &ids};
    bool ok = db_pipe(s->db, calls, n, NULL, err);
    if (ok) {
        if (n == 2)
            k->since = db_int8(&begun, 0, 0);
        note_filled(k, &ids);
    }
    db_rows_fini(&begun);
    db_rows_fini(&ids);
    return ok || err_wrap(err, "reading which usages have parked ratings");
}

bool store_parked_fill(struct store *s, struct err *err)
{
    struct known_parked *k = &s->known;
    int64_t end = instant_ticks() + FILL_MS;
    if (k->rest > 0) {
        k->rest--;
        return true;
    }
    while (!k->complete && k->rest == 0) {
        if (!fill(s, err))
            return false;
        if (instant_ticks() >= end)
            break;
    }
    return true;
}

size_t store_parked_call(struct store *s, struct db_rows *rows, struct db_call *call)
{
    struct known_parked *k = &s->known;
    if (k->since == 0)
        return 0;
    db_params_reset(&k->params);
    db_param_int8(&k->params, k->since);
    db_param_int4(&k->params, k->new_max + 1);
    *call = (struct db_call){.sql = k->newer, .params = &k->params, .rows = rows};
    return 1;
}

void store_parked_note(struct store *s, struct db_rows *rows)
{
    struct known_parked *k = &s->known;
    if (!db_truth(rows, 0, 0)) {
        give_up(k, 0);
    } else if (db_int4(rows, 0, 1) > k->new_max) {
        give_up(k, k->rest_batches);
    } else {
        k->since = db_int8(rows, 0, 3);
        add_ids(k, rows, NULL);
    }
    db_rows_fini(rows);
}

bool store_parked_maybe(const struct store *s, const struct usage_id *id)
{
    return !s->known.complete || parked_filter_maybe(s->known.filter, id->bytes);
}
