#include "app/topics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "io/admin.h"

enum {
    TOPICS_MAX = SETTINGS_INBOUND_MAX + EVENT_TYPES + 2,
    WAIT_MS = 10000,
    LOOKS = 5 /* one a second, for a topic that is described but not yet to be seen */
};

/* Inbound first. */
struct topics {
    struct admin_topic all[TOPICS_MAX];
    const char *settings[TOPICS_MAX];
    size_t in, count;
};

static void add(struct topics *t, const char *name, const char *setting)
{
    t->settings[t->count] = setting;
    t->all[t->count++] = (struct admin_topic){.name = name};
}

static struct topics topics_of(const struct settings *s)
{
    static const char *const events[EVENT_TYPES] = {"topic.create", "topic.state-change",
                                                    "topic.attribute-change", "topic.delete"};
    struct topics t = {.count = 0};
    for (int i = 0; i < settings_inbound_count(s); i++) {
        enum settings_inbound kind;
        const char *topic = settings_inbound_topic(s, i, &kind);
        add(&t, topic, settings_inbound_names[kind]);
    }
    t.in = t.count;
    for (int i = 0; i < EVENT_TYPES; i++)
        add(&t, s->topic_events[i], events[i]);
    add(&t, s->topic_specification, "topic.specification");
    add(&t, s->topic_dead_letter, "topic.dead-letter");
    return t;
}

static long long largest(const struct settings *s)
{
    return settings_largest_message(s);
}

/* What is wrong with topic i and what to do about it; false: nothing. */
static bool fault_of(const struct settings *s, const struct topics *t, size_t i, char *out,
                     size_t size)
{
    const struct admin_topic *topic = &t->all[i];
    bool outbound = i >= t->in;
    out[0] = 0;
    if (outbound && !topic->described)
        snprintf(out, size, "does not exist (setting %s): `usaged topics --create` makes it",
                 t->settings[i]);
    else if (!outbound && topic->partitions == 0) /* Kafka does not say which of the two */
        snprintf(out, size,
                 "does not exist (setting %s): `usaged topics --create` makes it; or else grant "
                 "Read on topic %s",
                 t->settings[i], topic->name);
    else if (outbound && strstr(topic->cleanup_policy, "compact"))
        snprintf(out, size,
                 "is compacted (setting %s), which removes events: kafka-configs.sh "
                 "--bootstrap-server %s --alter --entity-type topics --entity-name %s "
                 "--add-config cleanup.policy=delete",
                 t->settings[i], s->brokers, topic->name);
    else if (outbound && topic->max_message_bytes < largest(s))
        snprintf(
            out, size,
            "has max.message.bytes %lld (setting %s), and event.max-bytes and 64 KiB are %lld: "
            "kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s "
            "--add-config max.message.bytes=%lld, or a lower event.max-bytes",
            (long long)topic->max_message_bytes, t->settings[i], largest(s), s->brokers,
            topic->name, largest(s));
    else if (outbound && topic->partitions == 0)
        snprintf(out, size, "is there but not to be seen (setting %s): grant Write on topic %s",
                 t->settings[i], topic->name);
    return out[0] != 0;
}

/* --- run ------------------------------------------------------------------------------------ */

/* Looks again for a while when a topic is described but has no partitions: a new one is not known
 * to every broker at once. */
static bool look(struct topics *t, rd_kafka_t *client, struct err *err)
{
    struct admin_topic *out = t->all + t->in;
    size_t n = t->count - t->in;
    for (int k = 0; k < LOOKS; k++) {
        if (!admin_partitions(client, t->all, t->count, WAIT_MS, err) ||
            !admin_describe(client, out, n, WAIT_MS, err))
            return false;
        bool seen = true;
        for (size_t i = 0; i < n; i++)
            seen = seen && (!out[i].described || out[i].partitions > 0);
        if (seen || stop_wait(1000))
            break;
    }
    return true;
}

bool topics_check(const struct settings *s, rd_kafka_t *client, struct err *err)
{
    struct topics t = topics_of(s);
    if (!look(&t, client, err))
        return false;
    for (size_t i = t.in; i < t.count; i++) {
        char fault[800];
        if (fault_of(s, &t, i, fault, sizeof fault))
            return err_set(err, ERR_FATAL, "topic %s %s", t.all[i].name, fault);
    }
    return true;
}

int topics_inbound_present(const struct settings *s, rd_kafka_t *client, struct err *err)
{
    struct topics t = topics_of(s);
    int present = 0;
    if (!admin_partitions(client, t.all, t.in, WAIT_MS, err))
        return -1;
    for (size_t i = 0; i < t.in; i++)
        present += t.all[i].partitions > 0;
    return present;
}

/* --- usaged topics -------------------------------------------------------------------------- */

static bool create(const struct settings *s, const struct topics_options *options, struct topics *t,
                   rd_kafka_t *client, struct err *err)
{
    struct admin_topic missing[TOPICS_MAX];
    size_t n = 0;
    long long usual = admin_default_max_bytes(client, WAIT_MS);
    for (size_t i = 0; i < t->count; i++) {
        bool outbound = i >= t->in;
        if (outbound ? t->all[i].described : t->all[i].partitions > 0)
            continue;
        missing[n] = (struct admin_topic){.name = t->all[i].name};
        if (outbound && usual < largest(s))
            missing[n].max_message_bytes = largest(s);
        n++;
    }
    if (n > 0 &&
        !admin_create(client, missing, n, options->partitions, options->replication, WAIT_MS, err))
        return false;
    for (int k = 0; n > 0 && k < LOOKS; k++) { /* until they are to be seen */
        bool seen = true;
        if (!look(t, client, err))
            return false;
        for (size_t i = 0; i < t->count; i++)
            seen = seen && t->all[i].partitions > 0 && (i < t->in || t->all[i].described);
        if (seen || stop_wait(500))
            break;
    }
    for (size_t i = 0; i < n; i++)
        printf("made %s\n", missing[i].name);
    return true;
}

static bool print(const struct settings *s, const struct topics *t)
{
    bool good = true;
    size_t width = 0;
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->all[i].name) > width)
            width = strlen(t->all[i].name);
    for (size_t i = 0; i < t->count; i++) {
        char fault[800];
        bool bad = fault_of(s, t, i, fault, sizeof fault);
        printf("%-*s  %-3s  %4d partitions  %s\n", (int)width, t->all[i].name,
               i < t->in ? "in" : "out", t->all[i].partitions, bad ? fault : "ok");
        good = good && !bad;
    }
    return good;
}

int topics_run(const struct settings *s, const struct topics_options *options)
{
    struct err err;
    struct topics t = topics_of(s);
    rd_kafka_t *client = admin_new(s->kafka, (size_t)s->kafka_count, &err);
    bool known = client && look(&t, client, &err) &&
                 (!options->create || create(s, options, &t, client, &err));
    if (client)
        rd_kafka_destroy(client);
    if (!known)
        fprintf(stderr, "usaged: topics: %s\n", err.text);
    return known && print(s, &t) ? 0 : 1;
}
