#include "app/importer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/embed.h"
#include "base/instant.h"
#include "io/feed.h"
#include "usage/import_line.h"

enum { READY_MS = 3000 };

struct importer {
    const struct settings *settings;
    struct mapping_settings mapping;
    struct registry *registry;
    int send_ms;
    const char *run; /* NULL: lines have no header */
    void (*wait_call)(void *arg, const char *why);
    void *wait_arg;
    pthread_mutex_t lock; /* guards the three below until they are set, and the two behind them */
    struct feed *feed;
    bool registered;
    int32_t schema_id;
    int64_t failed_at; /* ticks: the last time that they could not be made */
    struct err why;
};

const char *importer_topic(const struct settings *s)
{
    return s->topic_in[INBOUND_IMPORT].names[0];
}

size_t importer_line_max(const struct settings *s)
{
    return (size_t)s->record_max_bytes;
}

struct importer *importer_new(const struct settings *s, struct registry *registry, int send_ms)
{
    struct importer *i = calloc(1, sizeof *i);
    if (!i)
        abort();
    i->settings = s;
    i->mapping = settings_mapping(s);
    i->registry = registry;
    i->send_ms = send_ms;
    pthread_mutex_init(&i->lock, NULL);
    return i;
}

void importer_mark(struct importer *i, const char *run)
{
    i->run = run;
}

void importer_on_wait(struct importer *i, void (*call)(void *arg, const char *why), void *arg)
{
    i->wait_call = call;
    i->wait_arg = arg;
}

void importer_free(struct importer *i)
{
    if (!i)
        return;
    feed_free(i->feed);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

/* Both are made by the first import: most services have none, and what stands in its way may not
 * stop them. */
static bool prepare_feed(struct importer *i, struct err *err)
{
    const struct settings *s = i->settings;
    if (!i->feed)
        i->feed = feed_new(&(struct feed_options){.properties = s->kafka,
                                                  .property_count = (size_t)s->kafka_count,
                                                  .topic = importer_topic(s),
                                                  .header = i->run ? IMPORTER_HEADER : NULL,
                                                  .timeout_ms = i->send_ms,
                                                  .slow = i->wait_call,
                                                  .slow_arg = i->wait_arg,
                                                  .slow_ms = IMPORTER_SLOW_MS},
                           err);
    return i->feed != NULL;
}

static bool register_schema(struct importer *i, struct err *err)
{
    char subject[300];
    snprintf(subject, sizeof subject, "%s-value", importer_topic(i->settings));
    if (!i->registered)
        i->registered =
            registry_subject(i->registry, subject, embed_text(embed_schemas, "UsageDocument.avsc"),
                             i->settings->registry_register, &i->schema_id, err);
    return i->registered;
}

/* Who has waited for another's try takes its failure: a registry that does not answer holds one for
 * seconds, and a try of its own behind that would take longer than a request may. */
bool importer_ready(struct importer *i, struct err *err)
{
    int64_t began = instant_ticks();
    pthread_mutex_lock(&i->lock);
    bool tried = i->failed_at > began, made = false;
    if (tried) {
        *err = i->why;
    } else if (!(made = prepare_feed(i, err) && register_schema(i, err))) {
        i->failed_at = instant_ticks();
        i->why = *err;
    }
    pthread_mutex_unlock(&i->lock);
    return made && feed_ready(i->feed, READY_MS, err);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* What each of the lines that go out is made of. */
struct batch_line {
    struct importer_line *line;
    size_t from, to; /* of the buffer */
    char key[ID_CHARS], header[IMPORTER_RUN_CHARS + 24];
};

static void refuse(struct importer_line *l, struct arena *a, const struct err *err)
{
    l->status = IMPORTER_REFUSED;
    l->reason = err->code;
    l->why = arena_copy(a, err->text, strlen(err->text));
}

static void refuse_long(const struct importer *i, struct importer_line *l, struct arena *a)
{
    l->status = IMPORTER_REFUSED;
    l->reason = REASON_TOO_LARGE;
    l->why = arena_printf(
        a, "the line makes a record of more than %" PRId64 " bytes, which is record.max-bytes",
        i->settings->record_max_bytes);
}

/* True: it goes out; its record is behind those in `b`. */
static bool prepare(const struct importer *i, struct importer_line *l, int64_t now_ms,
                    struct arena *a, struct buf *b)
{
    struct import_line made;
    struct err err = {0};
    size_t from = b->len;
    if (!l->text.p) {
        refuse_long(i, l, a);
        return false;
    }
    struct arena_mark before = arena_mark(a);
    bool sound = import_line(l->text, &i->mapping, now_ms, a, &made, &err);
    if (sound)
        import_line_write(b, i->schema_id, &made);
    arena_rewind(a, before); /* a batch of lines takes no more than the largest */
    if (!sound) {
        refuse(l, a, &err);
        return false;
    }
    if ((int64_t)(b->len - from) > i->settings->record_max_bytes) {
        b->len = from;
        refuse_long(i, l, a);
        return false;
    }
    l->id = made.id;
    l->status = IMPORTER_QUEUED;
    return true;
}

static const char *why_failed(const struct importer *i, rd_kafka_resp_err_t error, struct arena *a)
{
    const char *topic = importer_topic(i->settings);
    if (feed_is_too_large(error))
        return arena_printf(a,
                            "Kafka takes no record of that size: kafka.message.max.bytes, or "
                            "max.message.bytes of topic %s",
                            topic);
    if (error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        return "Kafka does not let us: grant IdempotentWrite on the cluster";
    if (kafka_is_right_missing(error))
        return arena_printf(a, "Kafka does not let us: grant Write on topic %s", topic);
    return arena_printf(a, "Kafka has not acknowledged the line: %s", rd_kafka_err2str(error));
}

static void conclude(const struct importer *i, const struct feed_record *r, struct importer_line *l,
                     bool *away, struct arena *a)
{
    l->partition = r->partition;
    l->offset = r->offset;
    if (!r->error)
        return;
    bool large = feed_is_too_large(r->error);
    l->status = large ? IMPORTER_REFUSED : IMPORTER_FAILED;
    l->reason = large ? REASON_TOO_LARGE : REASON_NONE;
    l->forbidden = kafka_is_right_missing(r->error);
    l->why = why_failed(i, r->error, a);
    *away = *away || !large;
}

/* The usage's id is the key: what is imported again goes into the same partition. */
static void publish(const struct importer *i, struct batch_line *out, size_t n, const struct buf *b,
                    bool *away, struct arena *a)
{
    struct feed_record *records = calloc(n, sizeof *records);
    if (!records)
        abort();
    for (size_t k = 0; k < n; k++) {
        id_print(&out[k].line->id, out[k].key);
        records[k].key = text_of(out[k].key);
        if (i->run) {
            snprintf(out[k].header, sizeof out[k].header, "%s/%" PRIu64, i->run,
                     out[k].line->number);
            records[k].header = text_of(out[k].header);
        }
        records[k].value = (struct text){b->data + out[k].from, out[k].to - out[k].from};
    }
    feed_send(i->feed, records, n);
    for (size_t k = 0; k < n; k++)
        conclude(i, &records[k], out[k].line, away, a);
    free(records);
}

void importer_send(struct importer *i, struct importer_line *lines, size_t n, bool dry, bool *away,
                   struct arena *a)
{
    struct buf b = {0};
    struct batch_line *out = calloc(n + 1, sizeof *out);
    if (!out)
        abort();
    size_t count = 0;
    int64_t now_ms = instant_now();
    for (size_t k = 0; k < n; k++) {
        size_t from = b.len;
        if (!prepare(i, &lines[k], now_ms, a, &b))
            continue;
        out[count++] = (struct batch_line){.line = &lines[k], .from = from, .to = b.len};
        if (!*away)
            continue;
        lines[k].status = IMPORTER_FAILED;
        lines[k].why = "Kafka is away: an earlier line was not acknowledged, this one was not sent";
    }
    if (count > 0 && !*away && !dry)
        publish(i, out, count, &b, away, a);
    free(out);
    buf_fini(&b);
}
