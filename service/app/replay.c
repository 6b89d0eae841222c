#include "app/replay.h"

#include <stdlib.h>
#include <string.h>

#include "app/replay_places.h"
#include "app/replay_report.h"
#include "base/arena.h"
#include "base/instant.h"
#include "base/stop.h"
#include "io/admin.h"

enum {
    WAIT_MS = 10000,
    START_MS = 30000, /* Kafka must answer before anything is done */
    SWEEP_MS = 15000, /* how much later than its time-out the broker ends a transaction */
    POLL_MS = 200,
    AGAIN_MS = 500,
    /* What the topics take that records go back to is not ours to ask; Java's producers send so
     * much at once. */
    TOGETHER = 16 * 1024,
    SLOW_MS = 3000, /* a broker that has not answered for longer is away */
    IN_MAX = SETTINGS_INBOUND_MAX
};

struct replay {
    const struct settings *settings;
    struct replay_wish wish;
    char group[300];
    struct arena *texts;
    rd_kafka_t *client;
    struct scan *scan;
    struct producer *producer;      /* NULL: a dry run */
    struct consumer_member *member; /* nobody: the transactional.id does the fencing */
    struct admin_topic in[IN_MAX];
    size_t in_count;
    struct replay_places places;
    /* What goes out with the next transaction: */
    rd_kafka_message_t **messages;
    struct replay_letter *letters;
    int batch;
    int64_t batch_bytes;
    bool moved;  /* since the last commit, if there was one */
    bool halted; /* by --limit, or by `fault` */
    bool stopped;
    struct err fault;
    struct replay_report report;
};

/* --- where it stands ------------------------------------------------------------------------ */

static void drop_batch(struct replay *r)
{
    for (int i = 0; i < r->batch; i++)
        rd_kafka_message_destroy(r->messages[i]);
    r->batch = 0;
    r->batch_bytes = 0;
}

/* `waiting`: for what, NULL: for nothing. */
static void show(struct replay *r, const char *waiting)
{
    replay_places_progress(&r->places, &r->report.looked, &r->report.of);
    replay_report_progress(&r->report, waiting);
}

static void idle(void *arg, int waited_ms)
{
    if (waited_ms > SLOW_MS)
        show(arg, "Kafka does not answer");
}

/* Begins anew at what is remembered: at the start, and after every error. */
static bool read_state(struct replay *r, struct err *err)
{
    const struct settings *s = r->settings;
    bool remembered = false;
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(r->places.count);
    for (int i = 0; i < r->places.count; i++)
        rd_kafka_topic_partition_list_add(parts, s->topic_dead_letter, i);
    bool good = admin_committed(s->kafka, (size_t)s->kafka_count, r->group, parts,
                                s->transaction_timeout_ms + SWEEP_MS, err);
    if (good && !replay_places_read(&r->places, parts, &remembered, err))
        good = err_wrap(err, "group %s", r->group);
    rd_kafka_topic_partition_list_destroy(parts);
    if (!good)
        return false;
    if (remembered)
        replay_report_keep(&r->report);
    else
        replay_report_back(&r->report);
    r->moved = true;
    return replay_places_start(&r->places, r->scan, err);
}

/* --- a dead letter -------------------------------------------------------------------------- */

static bool fail(struct replay *r, const rd_kafka_message_t *m, const char *topic, const char *why)
{
    r->halted = true;
    return err_set(&r->fault, ERR_FATAL, "dead letter %s[%d]@%lld is of topic %s, which %s",
                   rd_kafka_topic_name(m->rkt), (int)m->partition, (long long)m->offset, topic,
                   why);
}

/* Partitions of the topic that it goes back to; 0 ends the run: what is left out here would be
 * taken for sent back by a later run. */
static int partitions_of(struct replay *r, const rd_kafka_message_t *m, const char *topic)
{
    char why[700];
    for (size_t i = 0; i < r->in_count; i++) {
        if (strcmp(r->in[i].name, topic) != 0)
            continue;
        if (r->in[i].partitions > 0)
            return r->in[i].partitions;
        snprintf(why, sizeof why,
                 "does not exist: `usaged topics --create` makes it; or else grant Write on topic "
                 "%s, or name the other topics with --topic",
                 topic);
        return fail(r, m, topic, why);
    }
    return fail(r, m, topic,
                "is in none of topic.raw, topic.rated and topic.import: add it there, or name the "
                "others with --topic");
}

static const char *why_left(const struct replay *r, const struct replay_letter *l)
{
    switch (l->lack) {
    case LACK_ORIGIN:
        return "it does not say where it came from";
    case LACK_VALUE:
        return "it has no value";
    case LACK_KEY:
        return "its key and headers were too large to be kept";
    case LACK_NOTHING:
        break;
    }
    return l->replays >= r->wish.what.max ? "it was sent back too often" : NULL;
}

/* Looks at one; true: it is to be sent back, and the batch has it. */
static bool take(struct replay *r, struct replay_place *p, rd_kafka_message_t *m)
{
    struct replay_letter l = replay_letter(m);
    const struct replay_selection *what = &r->wish.what;
    struct text reason = text_of(l.reason), topic = text_of(l.topic);
    const char *why = why_left(r, &l);
    if (l.lack != LACK_ORIGIN &&
        (!replay_list_has(what->reasons, reason) || !replay_list_has(what->topics, topic)))
        return false;
    if (!why && replay_memory_has(&p->memory, m->offset, reason, topic, l.replays)) {
        replay_report_add(&r->report, &l, COLUMN_BEFORE);
        return false;
    }
    if (why) {
        replay_report_add(&r->report, &l, COLUMN_LEFT);
        if (m->offset >= p->said)
            replay_report_left(&r->report, &l, why, m);
        p->said = m->offset >= p->said ? m->offset + 1 : p->said;
        return false;
    }
    if (replay_report_sum(&r->report, COLUMN_SENT) == r->wish.limit) {
        r->halted = true;
        return false;
    }
    if (partitions_of(r, m, l.topic) == 0)
        return false;
    replay_report_add(&r->report, &l, COLUMN_SENT);
    if (r->wish.dry_run)
        return false;
    r->letters[r->batch] = l;
    r->messages[r->batch++] = m;
    r->batch_bytes += (int64_t)(m->key_len + m->len);
    return true;
}

/* A message, or the end of what can be read now, which is behind the last marker of a transaction.
 */
static void look_at(struct replay *r, rd_kafka_message_t *m)
{
    struct replay_place *p = &r->places.all[m->partition];
    bool taken = false, is_end = m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    int64_t before = p->next, next = is_end ? m->offset : m->offset + 1;
    if (!is_end && m->offset >= p->next && m->offset < p->end)
        taken = take(r, p, m);
    if (!r->halted && next > p->next)
        p->next = next < p->end ? next : p->end;
    r->moved = r->moved || p->next > before;
    if (!taken)
        rd_kafka_message_destroy(m);
}

/* Until a transaction is worth it, or there is nothing more for now. */
static bool gather(struct replay *r, struct err *err)
{
    err_clear(err);
    while (r->batch < r->settings->batch_records && r->batch_bytes < r->settings->batch_bytes &&
           !r->halted && !replay_places_done(&r->places) && !stop_asked()) {
        rd_kafka_message_t *m = scan_poll(r->scan, POLL_MS, err);
        if (!m && err->kind == ERR_FATAL)
            return false;
        if (!m && err->kind == ERR_RETRY) /* it comes back by itself */
            show(r, err->text);
        if (!m && r->batch > 0)
            break;
        if (!m)
            continue;
        look_at(r, m);
        show(r, NULL);
    }
    return true;
}

/* --- a transaction -------------------------------------------------------------------------- */

static bool send_batch(struct replay *r, struct err *err)
{
    for (int i = 0; i < r->batch; i++) {
        const struct replay_letter *l = &r->letters[i];
        int partitions = partitions_of(r, r->messages[i], l->topic);
        if (!replay_letter_send(l, r->messages[i], partitions, r->producer, err))
            return false;
    }
    return true;
}

/* The records, and what is remembered of them, or neither. */
static bool commit(struct replay *r, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(r->places.count);
    fflush(stdout); /* what was left out */
    bool good = replay_places_offsets(&r->places, parts, err) &&
                (parts->cnt == 0 || (producer_begin(r->producer, err) && send_batch(r, err) &&
                                     producer_commit(r->producer, parts, r->member, err)));
    rd_kafka_topic_partition_list_destroy(parts);
    if (!good)
        return false;
    replay_report_keep(&r->report);
    replay_places_committed(&r->places);
    r->moved = false;
    drop_batch(r);
    return true;
}

/* The last one is made in any case: it keeps what is remembered from being forgotten. */
static bool step(struct replay *r, bool last, struct err *err)
{
    if (!r->producer)
        return true;
    if (r->batch > 0 || (last && r->moved))
        return commit(r, err);
    return true;
}

/* What no waiting mends. */
static bool is_refused(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return true;
    default:
        return kafka_is_right_missing(code);
    }
}

/* In words of this command: the producer's are those of a worker. */
static void name_right(const struct replay *r, struct err *err)
{
    struct buf b = {0};
    if (err->code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        err_set(err, ERR_FATAL, "Kafka does not let us: grant Read on group %s", r->group);
    if (err->code != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        producer_report(r->producer) == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return; /* another one, or its topic is named already */
    /* Those of the batch: which of them, the broker does not say. */
    for (size_t i = 0; i < r->in_count; i++)
        for (int k = 0; k < r->batch; k++)
            if (strcmp(r->letters[k].topic, r->in[i].name) == 0) {
                buf_printf(&b, "%s%s", b.len ? ", " : "", r->in[i].name);
                break;
            }
    err_set(err, ERR_FATAL, "Kafka does not let us: grant Write on topic %s", buf_text(&b));
    buf_fini(&b);
}

/* False: it cannot be mended, or the stop was asked. */
static bool recover(struct replay *r, struct err *err)
{
    if (is_refused(err->code) || is_refused(producer_report(r->producer))) {
        err->kind = ERR_FATAL;
        name_right(r, err);
    }
    drop_batch(r);
    while (err->kind != ERR_FATAL) {
        show(r, err->text);
        if (stop_wait(AGAIN_MS))
            return err_wrap(err, "stopped while Kafka was away; what is not known to be sent back "
                                 "is sent back by the next run if it was not");
        if (producer_settle(r->producer, err) && read_state(r, err)) {
            r->halted = false; /* what halted it will be met again */
            err_clear(&r->fault);
            return true;
        }
    }
    return false;
}

static bool go(struct replay *r, struct err *err)
{
    for (bool last = false; !last;) {
        bool good = gather(r, err);
        last = good && (r->halted || replay_places_done(&r->places));
        if (good && stop_asked()) {
            drop_batch(r);
            replay_report_back(&r->report);
            return r->stopped = true;
        }
        good = good && step(r, last, err);
        if (!good && (!r->producer || !recover(r, err))) {
            replay_report_back(&r->report);
            return false;
        }
        last = last && good;
    }
    if (r->fault.kind == ERR_NONE)
        return true;
    *err = r->fault;
    return false;
}

/* --- the command ---------------------------------------------------------------------------- */

static bool find_topics(struct replay *r, struct err *err)
{
    const struct settings *s = r->settings;
    struct admin_topic dead = {.name = s->topic_dead_letter};
    enum settings_inbound kind;
    for (int i = 0; i < settings_inbound_count(s); i++)
        r->in[r->in_count++] = (struct admin_topic){.name = settings_inbound_topic(s, i, &kind)};
    if (!admin_partitions(r->client, &dead, 1, WAIT_MS, err) ||
        !admin_partitions(r->client, r->in, r->in_count, WAIT_MS, err))
        return false;
    if (dead.partitions == 0)
        return err_set(err, ERR_FATAL,
                       "topic %s does not exist (setting topic.dead-letter): `usaged topics "
                       "--create` makes it; or else grant Read on topic %s",
                       dead.name, dead.name);
    replay_places_init(&r->places, s->topic_dead_letter, dead.partitions, &r->wish);
    return true;
}

/* First of all: it ends what another replay has begun, so that what is read then stays right. */
static bool open_producer(struct replay *r, struct err *err)
{
    const struct settings *s = r->settings;
    struct producer_options options = {
        .properties = s->kafka,
        .property_count = (size_t)s->kafka_count,
        .transactional_id = r->group,
        .transaction_timeout_ms = s->transaction_timeout_ms,
        .idle = idle,
        .idle_arg = r,
        .batch_bytes = TOGETHER,
        .twin = "another `usaged replay` of this group has begun: it goes on with what is left"};
    if (r->wish.dry_run)
        return true;
    r->producer = producer_new(&options);
    r->member = consumer_member_outside(r->group);
    int64_t end = instant_ticks() + START_MS;
    while (!producer_open(r->producer, err))
        if (err->kind == ERR_FATAL || instant_ticks() >= end || stop_wait(AGAIN_MS))
            return false;
    return true;
}

static bool begin(struct replay *r, struct err *err)
{
    const struct settings *s = r->settings;
    return (r->client = admin_new(s->kafka, (size_t)s->kafka_count, err)) && find_topics(r, err) &&
           open_producer(r, err) &&
           (r->scan = scan_new(s->kafka, (size_t)s->kafka_count, r->group, err)) &&
           replay_places_ask(&r->places, r->scan, err) && read_state(r, err);
}

static void end(struct replay *r)
{
    struct err ignored;
    drop_batch(r);
    if (r->producer && producer_is_open(r->producer) && !producer_settle(r->producer, &ignored))
        fprintf(stderr, "usaged: replay: a transaction is left to the broker's time-out\n");
    producer_free(r->producer);
    consumer_member_drop(r->member);
    scan_free(r->scan);
    if (r->client)
        rd_kafka_destroy(r->client);
    replay_places_fini(&r->places);
    free(r->messages);
    free(r->letters);
    replay_report_fini(&r->report);
    arena_free(r->texts);
}

static bool run(struct replay *r)
{
    struct err err;
    size_t batch = (size_t)r->settings->batch_records;
    snprintf(r->group, sizeof r->group, "%s-replay", r->settings->group);
    r->report.dry_run = r->wish.dry_run;
    r->messages = calloc(batch, sizeof(rd_kafka_message_t *));
    r->letters = calloc(batch, sizeof *r->letters);
    if (!r->messages || !r->letters)
        abort();
    bool begun = begin(r, &err), good = begun && go(r, &err);
    if (begun)
        replay_report_print(&r->report);
    if (!good)
        fprintf(stderr, "usaged: replay: %s\n", err.text);
    else if (r->stopped || r->halted)
        printf("stopped %s: run it again for the rest\n", r->stopped ? "as asked" : "at the limit");
    return good;
}

int replay_run(const struct settings *s, const struct replay_options *options)
{
    struct replay r = {.settings = s, .texts = arena_new(4096)};
    bool selected = replay_select(options, s, r.texts, &r.wish, stderr);
    bool good = selected && run(&r);
    end(&r);
    return !selected ? 2 : good ? 0 : 1;
}
