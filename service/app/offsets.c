#include "app/offsets.h"

#include <stdlib.h>
#include <string.h>

#include "app/migrate.h"
#include "app/verdict.h"
#include "base/arena.h"
#include "base/embed.h"
#include "base/stop.h"
#include "io/admin.h"
#include "io/db.h"
#include "usage/http_source.h"

enum {
    WAIT_MS = 10000,
    SWEEP_MS = 15000, /* how much later than its time-out the broker ends a transaction */
    LOOKS = 5, /* a service that runs moves between two questions: a refusal is believed when it
                  stays */
    LOOK_MS = 200
};

/* One line. */
struct place {
    const char *topic;
    int partition;
    bool in_kafka; /* an inbound partition that is there */
    struct verdict_input in;
    struct verdict_range *ranges; /* in.outbox */
    enum metrics_found found;
    char why[VERDICT_WHY];
};

struct offsets {
    const struct settings *settings;
    struct arena *arena;
    rd_kafka_t *client;
    struct db *db;
    char *cluster;
    struct place *places;
    size_t count, size;
};

static struct place *add_place(struct offsets *o, const char *topic, int partition)
{
    if (o->count == o->size) {
        o->size = o->size ? 2 * o->size : 64;
        o->places = realloc(o->places, o->size * sizeof *o->places);
        if (!o->places)
            abort();
    }
    struct place *p = &o->places[o->count++];
    *p = (struct place){.topic = topic, .partition = partition};
    return p;
}

static struct place *find_place(const struct offsets *o, struct text topic, int partition)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->places[i].partition == partition && text_is(topic, o->places[i].topic))
            return &o->places[i];
    return NULL;
}

static bool is_http(const struct place *p)
{
    return strcmp(p->topic, HTTP_SOURCE) == 0;
}

/* --- questions ------------------------------------------------------------------------------ */

static bool ask_topics(struct offsets *o, const struct config_list *names, struct err *err)
{
    struct admin_topic topics[CONFIG_LIST_MAX] = {0};
    for (int i = 0; i < names->count; i++)
        topics[i].name = names->names[i];
    if (!admin_partitions(o->client, topics, (size_t)names->count, WAIT_MS, err))
        return false;
    for (int i = 0; i < names->count; i++)
        for (int k = 0; k < topics[i].partitions; k++)
            add_place(o, topics[i].name, k)->in_kafka = true;
    return true;
}

static bool ask_kafka(struct offsets *o, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new((int)o->count + 1);
    for (size_t i = 0; i < o->count; i++)
        if (o->places[i].in_kafka)
            rd_kafka_topic_partition_list_add(parts, o->places[i].topic, o->places[i].partition);
    const struct settings *s = o->settings;
    bool good =
        parts->cnt == 0 || admin_committed(s->kafka, (size_t)s->kafka_count, s->group, parts,
                                           s->transaction_timeout_ms + SWEEP_MS, err);
    for (int i = 0; good && i < parts->cnt; i++) {
        const rd_kafka_topic_partition_t *part = &parts->elems[i];
        struct place *p = find_place(o, text_of(part->topic), part->partition);
        p->in.published = part->offset < 0 ? -1 : part->offset;
        rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
            o->client, part->topic, part->partition, &p->in.low, &p->in.high, WAIT_MS);
        good = code == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_err(err, code, part->topic);
    }
    rd_kafka_topic_partition_list_destroy(parts);
    return good;
}

/* The published mark of what is written over HTTP is kept in a group of its own. */
static bool ask_http(struct offsets *o, struct err *err)
{
    char group[300];
    const struct settings *s = o->settings;
    struct place *p = find_place(o, text_of(HTTP_SOURCE), 0);
    if (!p)
        return true;
    snprintf(group, sizeof group, "%s-http", s->group);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(parts, s->topic_events[EVENT_CREATE], 0);
    bool good = admin_committed(s->kafka, (size_t)s->kafka_count, group, parts,
                                s->transaction_timeout_ms + SWEEP_MS, err);
    p->in.published = good && parts->elems[0].offset >= 0 ? parts->elems[0].offset : -1;
    p->in.high = INT64_MAX;
    rd_kafka_topic_partition_list_destroy(parts);
    return good;
}

/* A row of offsets.sql: one of the outbox, or a partition without any. */
static void take_row(struct offsets *o, const struct db_rows *rows, int row, size_t left)
{
    struct text topic = db_text(rows, row, 0), cluster = db_text(rows, row, 3);
    int partition = db_int4(rows, row, 1);
    struct place *p = find_place(o, topic, partition);
    if (!p && !settings_is_inbound(o->settings, topic) && !text_is(topic, HTTP_SOURCE))
        return;
    if (!p)
        p = add_place(o, arena_copy(o->arena, topic.p, topic.n), partition);
    struct verdict_input *in = &p->in;
    if (!in->has_row) {
        in->has_row = true;
        in->stored = db_int8(rows, row, 2);
        in->row_cluster = arena_copy(o->arena, cluster.p, cluster.n);
        in->outbox = p->ranges = arena_alloc(o->arena, left * sizeof *p->ranges);
    }
    if (!db_null(rows, row, 4))
        p->ranges[in->outbox_count++] =
            (struct verdict_range){db_int8(rows, row, 4), db_int8(rows, row, 5)};
}

static bool ask_postgres(struct offsets *o, struct err *err)
{
    struct db_rows rows;
    for (size_t i = 0; i < o->count; i++) {
        o->places[i].in.has_row = false;
        o->places[i].in.outbox_count = 0;
    }
    if (!db_query_once(o->db, embed_text(embed_sql, "offsets.sql"), NULL, &rows, err)) {
        migrate_explain(err);
        return false;
    }
    for (int i = 0; i < rows.count; i++)
        take_row(o, &rows, i, (size_t)(rows.count - i));
    db_rows_fini(&rows);
    return true;
}

/* --- verdicts ------------------------------------------------------------------------------- */

static bool judge(struct offsets *o)
{
    bool refused = false;
    for (size_t i = 0; i < o->count; i++) {
        struct place *p = &o->places[i];
        p->in.topic = p->topic;
        p->in.partition = p->partition;
        p->in.cluster = o->cluster;
        p->in.no_partition = !p->in_kafka && !is_http(p);
        if (p->in.no_partition)
            p->in.published = -1;
        p->found = verdict_of(&p->in, p->why, sizeof p->why);
        refused = refused || p->found == FOUND_REFUSED;
    }
    return !refused;
}

/* Kafka is asked first: a service that runs stores before it publishes, so a later row is never
 * below the offset. */
static bool ask_all(struct offsets *o, struct err *err)
{
    for (int k = 0; k < LOOKS; k++) {
        size_t known = o->count;
        if (!ask_kafka(o, err) || !ask_http(o, err) || !ask_postgres(o, err))
            return false;
        if (o->count > known && !ask_http(o, err)) /* PostgreSQL has told of it just now */
            return false;
        if (judge(o) || stop_wait(LOOK_MS))
            break;
    }
    return true;
}

static bool ask(struct offsets *o, struct err *err)
{
    if (!db_open(o->db, err))
        return err_wrap(err, "PostgreSQL");
    for (int k = 0; k < INBOUNDS; k++)
        if (!ask_topics(o, &o->settings->topic_in[k], err))
            return false;
    o->cluster = rd_kafka_clusterid(o->client, WAIT_MS);
    if (!o->cluster)
        return err_set(err, ERR_RETRY, "no broker tells the cluster's id");
    return ask_all(o, err);
}

static void print_number(bool there, int64_t v)
{
    if (there)
        printf(" %12lld", (long long)v);
    else
        printf(" %12s", "-");
}

static void print(const struct offsets *o)
{
    size_t width = strlen("topic");
    for (size_t i = 0; i < o->count; i++)
        if (strlen(o->places[i].topic) > width)
            width = strlen(o->places[i].topic);
    printf("%-*s %9s %12s %12s %12s %12s %6s  %s\n", (int)width, "topic", "partition", "low",
           "high", "stored", "published", "outbox", "verdict");
    for (size_t i = 0; i < o->count; i++) {
        const struct place *p = &o->places[i];
        printf("%-*s %9d", (int)width, p->topic, p->partition);
        print_number(p->in_kafka, p->in.low);
        print_number(p->in_kafka, p->in.high);
        print_number(p->in.has_row, p->in.stored);
        print_number(p->in.published >= 0, p->in.published);
        printf(" %6zu  %s%s%s\n", p->in.outbox_count, metrics_found_names[p->found],
               p->why[0] ? ": " : "", p->why);
    }
}

int offsets_run(const struct settings *s)
{
    struct err err;
    char name[160];
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    struct db_options db_options = {
        .url = s->database_url, .application_name = name, .read_only = true};
    struct offsets o = {.settings = s, .arena = arena_new(64 * 1024), .db = db_new(&db_options)};
    o.client = admin_new(s->kafka, (size_t)s->kafka_count, &err);
    bool good = o.client && ask(&o, &err);
    if (good)
        print(&o);
    else
        fprintf(stderr, "usaged: offsets: %s\n", err.text);
    if (o.cluster)
        rd_kafka_mem_free(o.client, o.cluster);
    if (o.client)
        rd_kafka_destroy(o.client);
    db_free(o.db);
    arena_free(o.arena);
    free(o.places);
    return good ? 0 : 1;
}
