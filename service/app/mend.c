#include "app/mend.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/http_mark.h"
#include "app/mend_plan.h"
#include "app/migrate.h"
#include "base/arena.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/stop.h"
#include "io/admin.h"
#include "usage/http_source.h"
#include "usage/source_mend.h"

enum {
    WAIT_MS = 10000,
    TAKE_MS = 30000, /* the published mark of @http */
    AGAIN_MS = 500,
    SWEEP_MS = 15000 /* how much later than its time-out the broker ends a transaction */
};

struct mend {
    const struct settings *settings;
    const struct mend_options *options;
    struct arena *arena;
    rd_kafka_t *client;
    struct db *db;
    bool is_http;
    /* Where the published mark is: */
    const char *group, *topic;
    int partition;
    /* What is found: */
    bool is_free;           /* nobody takes records, or publishes what is written over HTTP */
    struct http_mark *mark; /* of @http, with --yes; NULL: not taken */
    unsigned char owner[16];
    struct source_state pg;
    int64_t *messages; /* of each outbox row */
    struct verdict_input in;
    char why[VERDICT_WHY];
    /* What is to be done: */
    struct mend_plan plan;
    int64_t messages_kept, messages_given_up;
};

/* --- questions ------------------------------------------------------------------------------ */

static bool ask_partitions(struct mend *m, struct err *err)
{
    struct admin_topic topic = {.name = m->topic};
    if (!admin_partitions(m->client, &topic, 1, WAIT_MS, err))
        return false;
    m->in.no_partition = m->partition >= topic.partitions;
    if (m->in.no_partition && m->is_http)
        return err_set(err, ERR_RETRY,
                       "topic %s does not exist, under which the published mark is kept: `usaged "
                       "topics --create`",
                       m->topic);
    m->in.cluster = rd_kafka_clusterid(m->client, WAIT_MS);
    return m->in.cluster || err_set(err, ERR_RETRY, "no broker tells the cluster's id");
}

static bool ask_free(struct mend *m, struct err *err)
{
    if (m->is_http)
        return source_mend_lock_http(m->db, &m->is_free, err);
    int members;
    if (!admin_group_members(m->client, m->group, WAIT_MS, &members, err))
        return false;
    m->is_free = members == 0;
    return true;
}

/* The lock fences nobody: whoever published may have lost it unnoticed, with a transaction in its
 * hands. From now on the broker refuses its commit, and what is read is read after that. */
static bool take_mark(struct mend *m, struct err *err)
{
    if (!m->is_http || !m->is_free || !m->options->yes)
        return true;
    m->mark = http_mark_new(m->settings, NULL, NULL);
    int64_t end = instant_ticks() + TAKE_MS;
    while (!http_mark_take(m->mark, err))
        if (err->kind == ERR_FATAL || instant_ticks() >= end || stop_wait(AGAIN_MS))
            return false;
    return true;
}

/* The row is taken as a takeover does it: from now on every claim of a worker that is no member any
 * more raises, and what is read is read after its open transaction. */
static bool ask_postgres(struct mend *m, struct err *err)
{
    const struct mend_options *o = m->options;
    if (getrandom(m->owner, sizeof m->owner, 0) != (ssize_t)sizeof m->owner)
        return err_set(err, ERR_RETRY, "getrandom failed");
    bool good =
        source_mend_look(m->db, o->topic, o->partition, o->yes && m->is_free ? m->owner : NULL,
                         m->arena, &m->pg, &m->messages, err);
    if (!good)
        migrate_explain(err);
    return good;
}

static bool ask_kafka(struct mend *m, struct err *err)
{
    const struct settings *s = m->settings;
    m->in.published = -1;
    if (m->in.no_partition)
        return true;
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(parts, m->topic, m->partition);
    bool good = admin_committed(s->kafka, (size_t)s->kafka_count, m->group, parts,
                                s->transaction_timeout_ms + SWEEP_MS, err);
    if (good && parts->elems[0].offset >= 0)
        m->in.published = parts->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(parts);
    if (!good || m->is_http)
        return good;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(m->client, m->topic, m->partition,
                                                                &m->in.low, &m->in.high, WAIT_MS);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_err(err, code, m->topic);
}

static void judge(struct mend *m)
{
    struct verdict_input *in = &m->in;
    struct verdict_range *ranges = arena_alloc(m->arena, (m->pg.outbox_count + 1) * sizeof *ranges);
    for (size_t i = 0; i < m->pg.outbox_count; i++)
        ranges[i] = (struct verdict_range){m->pg.outbox[i].from, m->pg.outbox[i].to};
    in->topic = m->options->topic;
    in->partition = m->options->partition;
    in->has_row = m->pg.found;
    in->stored = m->pg.stored;
    in->row_cluster = m->pg.cluster;
    in->outbox = ranges;
    in->outbox_count = m->pg.outbox_count;
    /* Numbers of the source @http may go on anywhere up to the greater mark. */
    if (m->is_http)
        in->high = in->has_row && in->stored > in->published ? in->stored
                   : in->published > 0                       ? in->published
                                                             : 0;
    verdict_of(in, m->why, sizeof m->why);
}

static bool plan(struct mend *m, struct err *err)
{
    const struct verdict_input *in = &m->in;
    if (in->no_partition && !in->has_row)
        return err_set(err, ERR_FATAL, "neither Kafka nor PostgreSQL knows %s:%d", in->topic,
                       in->partition);
    if (!mend_plan_of(in, m->options->at, &m->plan))
        return err_set(err, ERR_FATAL, "--at %lld is not within [%lld, %lld], which is what %s%s",
                       (long long)m->options->at, (long long)in->low, (long long)in->high,
                       m->is_http         ? "is counted so far"
                       : in->no_partition ? "a partition has that Kafka does not have"
                                          : "Kafka holds of it",
                       in->outbox_count > 0 ? ", and the outbox has no unbroken run from there"
                                            : "");
    for (size_t i = 0; i < m->pg.outbox_count; i++) {
        const struct verdict_range *row = &in->outbox[i];
        bool kept = row->from >= m->plan.keep_from && row->to <= m->plan.keep_to;
        if (kept)
            m->messages_kept += m->messages[i];
        else if (mend_plan_gives_up(&m->plan, in, row))
            m->messages_given_up += m->messages[i];
    }
    return true;
}

static bool look(struct mend *m, struct err *err)
{
    if (!db_open(m->db, err))
        return err_wrap(err, "PostgreSQL");
    /* PostgreSQL before Kafka, as in a takeover. */
    if (!ask_partitions(m, err) || !ask_free(m, err) || !take_mark(m, err) ||
        !ask_postgres(m, err) || !ask_kafka(m, err))
        return false;
    judge(m);
    return plan(m, err);
}

/* --- doing ---------------------------------------------------------------------------------- */

static void name_us(const struct settings *s, char *out, size_t size)
{
    const struct passwd *user = getpwuid(geteuid());
    if (user)
        snprintf(out, size, "%s@%s", user->pw_name, s->instance_id);
    else
        snprintf(out, size, "%u@%s", (unsigned)geteuid(), s->instance_id);
}

/* Kafka refuses it if somebody has begun meanwhile: there is a member, or the mark of @http is
 * taken by another. */
static bool commit_published(struct mend *m, struct err *err)
{
    const struct settings *s = m->settings;
    if (m->mark)
        return http_mark_commit_alone(m->mark, m->plan.published, err);
    return m->in.no_partition || admin_commit(s->kafka, (size_t)s->kafka_count, m->group, m->topic,
                                              m->partition, m->plan.published, err);
}

/* Kafka before PostgreSQL's COMMIT: after a death in between the new offset and the old row do not
 * fit together, unless they are just what was asked for. The other way round, a row that claims
 * this cluster could meet an old offset that happens to fit. */
static bool carry_out(struct mend *m, struct err *err)
{
    char by[300];
    name_us(m->settings, by, sizeof by);
    struct source_mend change = {.topic = m->in.topic,
                                 .partition = m->in.partition,
                                 .owner = m->owner,
                                 .cluster = m->in.cluster,
                                 .at = m->options->at,
                                 .stored_before = m->in.has_row ? m->in.stored : -1,
                                 .published_before = m->in.published,
                                 .stored = m->plan.stored,
                                 .published = m->in.no_partition ? -1 : m->plan.published,
                                 .keep_from = m->plan.keep_from,
                                 .keep_to = m->plan.keep_to,
                                 .stretch = m->plan.kind == MEND_SKIP,
                                 .removed = m->plan.removed,
                                 .given_up = m->plan.given_up,
                                 .messages_given_up = m->messages_given_up,
                                 .verdict = m->why[0] ? m->why : "equal",
                                 .by = by};
    if (!source_mend_begin(m->db, &change, err)) {
        migrate_explain(err);
        return false;
    }
    failpoint("before-mend");
    if (!source_mend_move(m->db, &change, err))
        return false;
    bool good = commit_published(m, err);
    failpoint("before-mend-commit");
    good = good && db_run(m->db, "COMMIT", err);
    if (!good)
        db_rollback(m->db);
    return good;
}

static void print(const struct mend *m)
{
    struct buf words = {0};
    printf("%s:%d: %s\n", m->in.topic, m->in.partition, m->why[0] ? m->why : "equal");
    if (m->plan.kind != MEND_NOTHING) {
        mend_plan_say(&m->plan, &m->in, m->messages_kept, m->messages_given_up, &words);
        printf("mending it at %lld:\n%s", (long long)m->options->at, buf_text(&words));
    }
    buf_fini(&words);
    fflush(stdout);
}

static bool mend(struct mend *m, struct err *err)
{
    if (!look(m, err))
        return false;
    print(m);
    if (m->plan.kind == MEND_NOTHING) {
        puts("nothing is to be done");
        return true;
    }
    if (!m->is_free)
        return err_set(err, ERR_RETRY,
                       m->is_http ? "nothing was changed: a usaged publishes what is written over "
                                    "HTTP; end every one of group %s first"
                                  : "nothing was changed: group %s has members; end every usaged "
                                    "of it first",
                       m->settings->group);
    if (!m->options->yes)
        return err_set(err, ERR_RETRY, "nothing was changed: add --yes to do it");
    if (!carry_out(m, err))
        return false;
    puts("done");
    return true;
}

static bool is_source(const struct settings *s, const struct mend_options *o)
{
    if ((strcmp(o->topic, HTTP_SOURCE) == 0 && o->partition == 0) ||
        settings_is_inbound(s, text_of(o->topic)))
        return true;
    fprintf(stderr,
            "usaged: offsets: --mend %s:%d: records come from the topics of topic.raw, "
            "topic.rated and topic.import, and from " HTTP_SOURCE ":0\n",
            o->topic, o->partition);
    return false;
}

int mend_run(const struct settings *s, const struct mend_options *options)
{
    if (!is_source(s, options))
        return 2;
    struct err err;
    char name[160], http_group[300];
    /* Not the service's application_name: a worker ends sessions of that name that stand in its
     * way. */
    snprintf(name, sizeof name, "usaged-mend/%s", s->instance_id);
    snprintf(http_group, sizeof http_group, "%s-http", s->group);
    struct db_options db_options = {.url = s->database_url, .application_name = name};
    bool is_http = strcmp(options->topic, HTTP_SOURCE) == 0;
    struct mend m = {.settings = s,
                     .options = options,
                     .arena = arena_new(64 * 1024),
                     .db = db_new(&db_options),
                     .is_http = is_http,
                     .group = is_http ? http_group : s->group,
                     .topic = is_http ? s->topic_events[EVENT_CREATE] : options->topic,
                     .partition = options->partition};
    m.client = admin_new(s->kafka, (size_t)s->kafka_count, &err);
    bool good = m.client && mend(&m, &err);
    if (!good)
        fprintf(stderr, "usaged: offsets: %s\n", err.text);
    if (m.in.cluster)
        rd_kafka_mem_free(m.client, (void *)(uintptr_t)m.in.cluster);
    if (m.client)
        rd_kafka_destroy(m.client);
    http_mark_free(m.mark);
    db_free(m.db);
    arena_free(m.arena);
    return good ? 0 : 1;
}
