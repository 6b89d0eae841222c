#include "app/import_outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/importer.h"
#include "base/instant.h"
#include "base/stop.h"
#include "io/admin.h"
#include "io/scan.h"
#include "usage/source.h"

enum { WAIT_MS = 10000, LOOK_MS = 2000, POLL_MS = 500, SLOW_MS = 3000 };

/* Of the import's topic. */
struct place {
    int64_t sent, last;                 /* lines; the highest offset, -1: none is known */
    bool unknown;                       /* a line lies at an offset that was not told */
    int64_t stored, created, duplicate; /* in PostgreSQL at the begin; stored -1: no row */
};

struct import_outcome {
    const struct settings *settings;
    const char *run;
    rd_kafka_t *client;
    struct scan *scan;
    struct db *db;
    struct arena *arena;
    struct place *places;
    int count;
    rd_kafka_topic_partition_list_t *letters; /* where the dead letters of this run begin */
    bool has_account;
};

struct import_outcome *import_outcome_new(const struct settings *s, const char *run)
{
    struct import_outcome *o = calloc(1, sizeof *o);
    if (!o)
        abort();
    o->settings = s;
    o->run = run;
    o->arena = arena_new(4096);
    return o;
}

void import_outcome_free(struct import_outcome *o)
{
    if (!o)
        return;
    scan_free(o->scan);
    if (o->client)
        rd_kafka_destroy(o->client);
    if (o->letters)
        rd_kafka_topic_partition_list_destroy(o->letters);
    db_free(o->db);
    arena_free(o->arena);
    free(o->places);
    free(o);
}

/* --- the begin -------------------------------------------------------------------------------- */

static bool ask_letters(struct import_outcome *o, int partitions, struct err *err)
{
    const char *topic = o->settings->topic_dead_letter;
    o->letters = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++) {
        int64_t low, high;
        if (!scan_bounds(o->scan, topic, i, WAIT_MS, &low, &high, err))
            return false;
        rd_kafka_topic_partition_list_add(o->letters, topic, i)->offset = high;
    }
    return true;
}

/* False: PostgreSQL does not tell, and the summary does without. */
static bool ask_accounts(struct import_outcome *o, struct source_account **accounts, size_t *count)
{
    struct err ignored;
    return db_open(o->db, &ignored) &&
           source_accounts(o->db, importer_topic(o->settings), o->arena, accounts, count, &ignored);
}

static void remember_accounts(struct import_outcome *o)
{
    struct source_account *accounts;
    size_t count;
    for (int i = 0; i < o->count; i++)
        o->places[i] = (struct place){.last = -1, .stored = -1};
    o->has_account = ask_accounts(o, &accounts, &count);
    for (size_t i = 0; o->has_account && i < count; i++) {
        if (accounts[i].partition >= o->count)
            continue;
        struct place *p = &o->places[accounts[i].partition];
        p->stored = accounts[i].stored;
        p->created = accounts[i].created;
        p->duplicate = accounts[i].duplicate;
    }
}

bool import_outcome_begin(struct import_outcome *o, struct err *err)
{
    const struct settings *s = o->settings;
    char name[300];
    struct admin_topic topics[] = {{.name = importer_topic(s)}, {.name = s->topic_dead_letter}};
    o->client = admin_new(s->kafka, (size_t)s->kafka_count, err);
    o->scan = o->client ? scan_new(s->kafka, (size_t)s->kafka_count, s->group, err) : NULL;
    if (!o->scan || !admin_partitions(o->client, topics, 2, WAIT_MS, err))
        return false;
    for (int i = 0; i < 2; i++)
        if (topics[i].partitions == 0)
            return err_set(err, ERR_FATAL,
                           "topic %s does not exist: `usaged topics --create` makes it; or else "
                           "grant Read on it",
                           topics[i].name);
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    o->db = db_new(&(struct db_options){.url = s->database_url,
                                        .application_name = name,
                                        .deadline_ms = WAIT_MS,
                                        .read_only = true});
    o->count = topics[0].partitions;
    o->places = calloc((size_t)o->count, sizeof *o->places);
    if (!o->places)
        abort();
    remember_accounts(o);
    return ask_letters(o, topics[1].partitions, err);
}

void import_outcome_add(struct import_outcome *o, int partition, int64_t offset)
{
    if (partition < 0 || partition >= o->count)
        return; /* a partition that has come meanwhile: its lines are not waited for */
    struct place *p = &o->places[partition];
    p->sent++;
    p->unknown = p->unknown || offset < 0;
    if (offset > p->last)
        p->last = offset;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* What a second try of the producer has found there already has an offset that nobody was told. */
static bool find_ends(struct import_outcome *o, struct err *err)
{
    for (int i = 0; i < o->count; i++) {
        struct place *p = &o->places[i];
        int64_t low, high;
        if (!p->unknown)
            continue;
        if (!scan_bounds(o->scan, importer_topic(o->settings), i, WAIT_MS, &low, &high, err))
            return false;
        p->last = high - 1;
        p->unknown = false;
    }
    return true;
}

static int64_t done_of(const struct place *p, int64_t published)
{
    int64_t left = p->last + 1 - (published > 0 ? published : 0);
    return left <= 0 ? p->sent : left >= p->sent ? 0 : p->sent - left;
}

bool import_outcome_look(struct import_outcome *o, int64_t *done, int64_t *of, struct err *err)
{
    const struct settings *s = o->settings;
    bool all = true;
    err_clear(err);
    if (!find_ends(o, err))
        return false;
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(o->count);
    for (int i = 0; i < o->count; i++)
        if (o->places[i].sent > 0)
            rd_kafka_topic_partition_list_add(parts, importer_topic(s), i);
    bool good = parts->cnt == 0 ||
                admin_committed(s->kafka, (size_t)s->kafka_count, s->group, parts, LOOK_MS, err);
    *done = *of = 0;
    for (int i = 0; good && i < parts->cnt; i++) {
        const struct place *p = &o->places[parts->elems[i].partition];
        int64_t n = done_of(p, parts->elems[i].offset);
        *done += n;
        *of += p->sent;
        all = all && parts->elems[i].offset > p->last;
    }
    rd_kafka_topic_partition_list_destroy(parts);
    return good && all;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct text header_of(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t n;
    if (rd_kafka_header_get_last(headers, name, &value, &n) || !value)
        return (struct text){0};
    return (struct text){value, n};
}

/* The line of a dead letter of this run; 0: it is another one's. */
static uint64_t line_of(const struct import_outcome *o, rd_kafka_message_t *m, struct text *reason,
                        struct text *message)
{
    rd_kafka_headers_t *headers;
    char number[24] = "";
    size_t run = strlen(o->run);
    if (rd_kafka_message_headers(m, &headers))
        return 0;
    struct text line = header_of(headers, IMPORTER_HEADER);
    *reason = header_of(headers, "usaged.reason");
    *message = header_of(headers, "usaged.text");
    if (line.n < run + 2 || line.n - run > sizeof number || memcmp(line.p, o->run, run) != 0 ||
        line.p[run] != '/')
        return 0;
    memcpy(number, line.p + run + 1, line.n - run - 1);
    return strtoull(number, NULL, 10);
}

static bool take_letter(struct import_outcome *o, rd_kafka_message_t *m,
                        const struct import_outcome_calls *calls, int64_t *count, struct err *err)
{
    struct text reason, message;
    char name[32];
    uint64_t line = line_of(o, m, &reason, &message);
    if (line == 0)
        return true;
    ++*count;
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(reason));
    return calls->dead(calls->arg, line, name, message, err);
}

/* Nothing has come: false, and so it stays. */
static bool may_wait(const struct import_outcome_calls *calls, int64_t since, bool *told,
                     struct err *err)
{
    char why[sizeof err->text];
    int64_t quiet = instant_ticks() - since;
    snprintf(why, sizeof why, "%s", err->kind == ERR_NONE ? "the brokers send nothing" : err->text);
    if (err->kind == ERR_FATAL)
        return false;
    if (stop_asked() || quiet >= IMPORT_OUTCOME_PATIENCE_MS)
        return err_set(err, ERR_RETRY,
                       "%s: which lines are dead is not known; importing again tells it", why);
    if (quiet >= SLOW_MS && !*told)
        calls->slow(calls->arg, why);
    *told = *told || quiet >= SLOW_MS;
    return true;
}

/* The first end of each partition counts: what others add behind it makes another one. */
static bool is_first_end(struct import_outcome *o, int partition)
{
    rd_kafka_topic_partition_t *p =
        rd_kafka_topic_partition_list_find(o->letters, o->settings->topic_dead_letter, partition);
    bool first = p && !p->opaque;
    if (first)
        p->opaque = p;
    return first;
}

/* All that is committed now: what the group has published is. */
static bool read_letters(struct import_outcome *o, const struct import_outcome_calls *calls,
                         int64_t *count, struct err *err)
{
    int open = o->letters->cnt;
    int64_t last = instant_ticks();
    bool told = false;
    if (!scan_start(o->scan, o->letters, err))
        return false;
    while (open > 0) {
        rd_kafka_message_t *m = scan_poll(o->scan, POLL_MS, err);
        if (!m && !may_wait(calls, last, &told, err))
            return false;
        if (!m)
            continue;
        last = instant_ticks();
        bool good = true;
        if (m->err)
            open -= is_first_end(o, m->partition);
        else
            good = take_letter(o, m, calls, count, err);
        rd_kafka_message_destroy(m);
        if (!good)
            return false;
    }
    return true;
}

/* Where as many records were stored meanwhile as were sent, they are ours. */
static bool split(struct import_outcome *o, struct import_outcomes *out)
{
    struct source_account *accounts;
    size_t count;
    bool ours = o->has_account && ask_accounts(o, &accounts, &count);
    for (size_t i = 0; ours && i < count; i++) {
        const struct source_account *now = &accounts[i];
        if (now->partition >= o->count || o->places[now->partition].sent == 0)
            continue;
        const struct place *p = &o->places[now->partition];
        int64_t before = p->stored >= 0 ? p->stored : p->last + 1 - p->sent;
        ours = now->stored - before == p->sent;
        out->created += now->created - p->created;
        out->duplicate += now->duplicate - p->duplicate;
    }
    return ours;
}

bool import_outcome_read(struct import_outcome *o, struct import_outcomes *out,
                         const struct import_outcome_calls *calls, struct err *err)
{
    *out = (struct import_outcomes){0};
    out->split = split(o, out);
    return read_letters(o, calls, &out->dead, err);
}
