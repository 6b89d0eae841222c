#include "io/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/stop.h"

enum {
    LOOK_MS = 100, /* how often a wait looks at the stop */
    AGAIN_MS = 500,
    QUESTION_MS = 3000,
    ADMIN_ENDS_MAX = 16
};

rd_kafka_t *admin_new(const struct kafka_property *properties, size_t n, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(properties, n, err);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR); /* for take_refusal() */
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_FATAL, "librdkafka: %s", text);
    }
    return client;
}

static bool right_missing(struct err *err, rd_kafka_resp_err_t code, const char *right,
                          const char *kind, const char *name)
{
    err_set(err, ERR_FATAL, "Kafka does not let us: grant %s on %s %s", right, kind, name);
    err->code = code;
    err->part = "kafka";
    return false;
}

/* Why the last login was refused, "" if it was not. Kept: librdkafka says the same thing only once
 * in half a minute. */
static _Thread_local char refusal[300];

/* A call says that it had no answer; the errors of the connections, which say why, are events. */
static void take_refusal(rd_kafka_t *client)
{
    rd_kafka_event_t *event;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(client);
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION)
            snprintf(refusal, sizeof refusal, "%s", rd_kafka_event_error_string(event));
        else if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
            refusal[0] = 0; /* the login is not what it fails at now */
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

/* Whom we asked belongs to "no answer": the usual cause is the address. */
static bool no_answer(rd_kafka_t *client, const char *text, struct err *err)
{
    char brokers[256] = "";
    size_t n = sizeof brokers;
    if (rd_kafka_conf_get(rd_kafka_conf(client), "bootstrap.servers", brokers, &n) !=
        RD_KAFKA_CONF_OK)
        brokers[0] = 0; /* longer than this */
    take_refusal(client);
    if (refusal[0])
        return err_set(err, ERR_RETRY,
                       "Kafka refuses the login at %s, see the settings kafka.sasl.*: %s", brokers,
                       refusal);
    return err_set(err, ERR_RETRY, "Kafka does not answer at %s: %s", brokers, text);
}

/* --- metadata ------------------------------------------------------------------------------- */

/* A broker answers before it is one: after a start, or when it stood still, it belongs to no
 * cluster for a moment. A request of the admin API that is sent then waits for a controller, and
 * nobody asks who that is before the request's time is up. */
static bool has_controller(rd_kafka_t *client, const struct rd_kafka_metadata *m)
{
    return m->broker_cnt > 0 && rd_kafka_controllerid(client, 0) >= 0;
}

/* rd_kafka_metadata() cannot be interrupted, so it is called in short pieces. */
static const struct rd_kafka_metadata *metadata_of(rd_kafka_t *client, int wait_ms, struct err *err)
{
    int64_t end = instant_ticks() + wait_ms;
    for (;;) {
        const struct rd_kafka_metadata *m = NULL;
        rd_kafka_resp_err_t code = rd_kafka_metadata(client, 1, NULL, &m, 1000);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            take_refusal(client); /* nobody else empties the queue */
            refusal[0] = 0;
            if (has_controller(client, m))
                return m;
            rd_kafka_metadata_destroy(m);
        }
        no_answer(client, code ? rd_kafka_err2str(code) : "no broker is in its cluster yet", err);
        if (refusal[0] || instant_ticks() >= end || stop_wait(code ? LOOK_MS : AGAIN_MS))
            return NULL;
    }
}

bool admin_partitions(rd_kafka_t *client, struct admin_topic *topics, size_t n, int wait_ms,
                      struct err *err)
{
    const struct rd_kafka_metadata *m = metadata_of(client, wait_ms, err);
    if (!m)
        return false;
    for (size_t i = 0; i < n; i++) {
        topics[i].partitions = 0;
        for (int k = 0; k < m->topic_cnt; k++)
            if (strcmp(m->topics[k].topic, topics[i].name) == 0 &&
                m->topics[k].err == RD_KAFKA_RESP_ERR_NO_ERROR)
                topics[i].partitions = m->topics[k].partition_cnt;
    }
    rd_kafka_metadata_destroy(m);
    return true;
}

/* --- requests of the admin API -------------------------------------------------------------- */

static rd_kafka_AdminOptions_t *options_of(rd_kafka_t *client, rd_kafka_admin_op_t op, int wait_ms)
{
    char text[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, op);
    if (rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, text, sizeof text) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        abort();
    return options;
}

/* The answer; NULL: none, and why. */
static rd_kafka_event_t *answer_of(rd_kafka_t *client, rd_kafka_queue_t *queue, const char *what,
                                   struct err *err)
{
    rd_kafka_event_t *event;
    while (!(event = rd_kafka_queue_poll(queue,
                                         LOOK_MS))) /* librdkafka answers when its own time is up */
        if (stop_asked()) {
            err_set(err, ERR_RETRY, "stopped");
            return NULL;
        }
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT)
        no_answer(client, rd_kafka_event_error_string(event), err);
    else
        err_set(err, kafka_is_right_missing(code) ? ERR_FATAL : ERR_RETRY, "%s: %s", what,
                rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return NULL;
}

static rd_kafka_event_t *describe(rd_kafka_t *client, rd_kafka_ConfigResource_t **resources,
                                  size_t n, int wait_ms, struct err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options =
        options_of(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, wait_ms);
    rd_kafka_DescribeConfigs(client, resources, n, options, queue);
    rd_kafka_event_t *event = answer_of(client, queue, "asking Kafka for configurations", err);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return event;
}

static const char *config_value(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t n;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

static bool take_description(struct admin_topic *t, const rd_kafka_ConfigResource_t *resource,
                             struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resource);
    t->described = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return true;
    if (kafka_is_right_missing(code))
        return right_missing(err, code, "DescribeConfigs", "topic", t->name);
    if (!t->described)
        return kafka_err(err, code, t->name);
    const char *policy = config_value(resource, "cleanup.policy"),
               *max = config_value(resource, "max.message.bytes");
    snprintf(t->cleanup_policy, sizeof t->cleanup_policy, "%s", policy ? policy : "");
    t->max_message_bytes = max ? strtoll(max, NULL, 10) : INT64_MAX;
    return true;
}

bool admin_describe(rd_kafka_t *client, struct admin_topic *topics, size_t n, int wait_ms,
                    struct err *err)
{
    rd_kafka_ConfigResource_t **resources = calloc(n, sizeof *resources);
    if (!resources)
        abort();
    for (size_t i = 0; i < n; i++)
        resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i].name);
    rd_kafka_event_t *event = describe(client, resources, n, wait_ms, err);
    size_t count = 0;
    const rd_kafka_ConfigResource_t **found =
        event ? rd_kafka_DescribeConfigs_result_resources(
                    rd_kafka_event_DescribeConfigs_result(event), &count)
              : NULL;
    bool good = event != NULL;
    for (size_t i = 0; i < count && good; i++)
        for (size_t k = 0; k < n && good; k++)
            if (strcmp(topics[k].name, rd_kafka_ConfigResource_name(found[i])) == 0)
                good = take_description(&topics[k], found[i], err);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy_array(resources, n);
    free(resources);
    return good;
}

int64_t admin_default_max_bytes(rd_kafka_t *client, int wait_ms)
{
    struct err err;
    char broker[16];
    int64_t bytes = -1;
    const struct rd_kafka_metadata *m = metadata_of(client, wait_ms, &err);
    if (!m)
        return -1;
    snprintf(broker, sizeof broker, "%d", m->broker_cnt > 0 ? (int)m->brokers[0].id : 0);
    rd_kafka_metadata_destroy(m);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, broker);
    rd_kafka_event_t *event = describe(client, &resource, 1, wait_ms, &err);
    if (event) {
        size_t count;
        const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        const char *max = count == 1 ? config_value(found[0], "message.max.bytes") : NULL;
        bytes = max ? strtoll(max, NULL, 10) : -1;
        rd_kafka_event_destroy(event);
    }
    rd_kafka_ConfigResource_destroy(resource);
    return bytes;
}

/* --- making topics -------------------------------------------------------------------------- */

static rd_kafka_NewTopic_t *new_topic(const struct admin_topic *t, int partitions, int replication,
                                      struct err *err)
{
    char text[256], bytes[24];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(t->name, partitions > 0 ? partitions : -1,
                              replication > 0 ? replication : -1, text, sizeof text);
    if (!topic) {
        err_set(err, ERR_FATAL, "topic %s: %s", t->name, text);
    } else if (t->max_message_bytes > 0) {
        snprintf(bytes, sizeof bytes, "%lld", (long long)t->max_message_bytes);
        if (rd_kafka_NewTopic_set_config(topic, "max.message.bytes", bytes) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            abort();
    }
    return topic;
}

static bool take_created(const rd_kafka_event_t *event, struct err *err)
{
    size_t n;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)event), &n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        const char *name = rd_kafka_topic_result_name(results[i]),
                   *text = rd_kafka_topic_result_error_string(results[i]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        if (kafka_is_right_missing(code))
            return right_missing(err, code, "Create", "topic", name);
        return err_set(err, ERR_FATAL, "Kafka does not make topic %s: %s", name,
                       text ? text : rd_kafka_err2str(code));
    }
    return true;
}

bool admin_create(rd_kafka_t *client, const struct admin_topic *topics, size_t n, int partitions,
                  int replication, int wait_ms, struct err *err)
{
    rd_kafka_NewTopic_t **all = calloc(n, sizeof(rd_kafka_NewTopic_t *));
    size_t count = 0;
    if (!all)
        abort();
    while (count < n &&
           (all[count] = new_topic(&topics[count], partitions, replication, err)) != NULL)
        count++;
    rd_kafka_event_t *event = NULL;
    if (count == n) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
        rd_kafka_AdminOptions_t *options =
            options_of(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, wait_ms);
        rd_kafka_CreateTopics(client, all, n, options, queue);
        event = answer_of(client, queue, "making topics", err);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_queue_destroy(queue);
    }
    bool good = event && take_created(event, err);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy_array(all, count);
    free(all);
    return good;
}

/* --- committed offsets ---------------------------------------------------------------------- */

/* A consumer that joins no group. The admin API has a question of its own for this, on any handle:
 * in librdkafka 2.0.2 it ends the process with SIGSEGV when the group has no coordinator yet, as in
 * a cluster in which nothing was ever committed. */
static rd_kafka_t *reader_new(const struct kafka_property *properties, size_t n, const char *group,
                              struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = kafka_conf(properties, n, err);
    if (!conf)
        return NULL;
    /* read_committed: answered only once no open transaction holds one of the offsets. */
    rd_kafka_t *reader = NULL;
    bool set = kafka_conf_set(conf, "group.id", group, err) &&
               kafka_conf_set(conf, "enable.auto.commit", "false", err) &&
               kafka_conf_set(conf, "isolation.level", "read_committed", err);
    if (set && !(reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text)))
        err_set(err, ERR_FATAL, "librdkafka: %s", text);
    if (!reader)
        rd_kafka_conf_destroy(conf);
    return reader;
}

static bool ask_committed(rd_kafka_t *reader, const char *group,
                          rd_kafka_topic_partition_list_t *parts, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(reader, parts, QUESTION_MS);
    const char *topic = ""; /* of the code */
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < parts->cnt; i++) {
        code = parts->elems[i].err;
        topic = parts->elems[i].topic;
    }
    /* Who may not see the group has no coordinator to ask: the call only times out, and why lies in
     * the reader's queue. */
    rd_kafka_message_t *m = code ? rd_kafka_consumer_poll(reader, 0) : NULL;
    if (m && kafka_is_right_missing(m->err))
        code = m->err;
    if (m)
        rd_kafka_message_destroy(m);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return right_missing(err, code, "Read", "topic", topic);
    if (kafka_is_right_missing(code))
        return right_missing(err, code, "Read", "group", group);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_err(err, code, "committed offsets");
}

bool admin_committed(const struct kafka_property *properties, size_t n, const char *group,
                     rd_kafka_topic_partition_list_t *parts, int wait_ms, struct err *err)
{
    rd_kafka_t *reader = reader_new(properties, n, group, err);
    if (!reader)
        return false;
    int64_t end = instant_ticks() + wait_ms;
    bool good;
    while (!(good = ask_committed(reader, group, parts, err)))
        if (err->kind == ERR_FATAL || instant_ticks() >= end || stop_wait(LOOK_MS))
            break;
    rd_kafka_destroy(reader);
    return good;
}

/* --- groups --------------------------------------------------------------------------------- */

bool admin_group_members(rd_kafka_t *client, const char *group, int wait_ms, int *members,
                         struct err *err)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(client, group, &list, wait_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (list)
            rd_kafka_group_list_destroy(list);
        return kafka_err(err, code, "members of the group");
    }
    *members = 0;
    for (int i = 0; i < list->group_cnt; i++) {
        const struct rd_kafka_group_info *g = &list->groups[i];
        code = code ? code : g->err;
        bool still = strcmp(g->state, "Empty") == 0 || strcmp(g->state, "Dead") == 0;
        *members += g->member_cnt > 0 ? g->member_cnt : !still;
    }
    rd_kafka_group_list_destroy(list);
    if (kafka_is_right_missing(code))
        return right_missing(err, code, "Describe", "group", group);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_err(err, code, "members of the group");
}

/* The broker takes a commit without a member's name only while the group has no members. */
static bool commit(rd_kafka_t *reader, const char *group, rd_kafka_topic_partition_list_t *parts,
                   struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_commit(reader, parts, 0);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < parts->cnt; i++)
        code = parts->elems[i].err;
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return true;
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
        return err_set(err, ERR_RETRY, "group %s has members", group);
    default:
        return kafka_is_right_missing(code) ? right_missing(err, code, "Read", "group", group)
                                            : kafka_err(err, code, "committing the offset");
    }
}

bool admin_commit(const struct kafka_property *properties, size_t n, const char *group,
                  const char *topic, int partition, int64_t offset, struct err *err)
{
    rd_kafka_t *reader = reader_new(properties, n, group, err);
    if (!reader)
        return false;
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *part = rd_kafka_topic_partition_list_add(parts, topic, partition);
    /* Asked first: a commit waits for a coordinator without end, a question does not. */
    bool good = ask_committed(reader, group, parts, err);
    if (good) {
        part->offset = offset;
        good = commit(reader, group, parts, err);
    }
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_destroy(reader);
    return good;
}

rd_kafka_topic_partition_list_t *admin_ends(rd_kafka_t *client, const char *const *topics, size_t n,
                                            int wait_ms, struct err *err)
{
    struct admin_topic all[ADMIN_ENDS_MAX] = {0};
    if (n > ADMIN_ENDS_MAX)
        abort();
    for (size_t i = 0; i < n; i++)
        all[i].name = topics[i];
    if (!admin_partitions(client, all, n, wait_ms, err))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (all[i].partitions == 0) {
            err_set(err, ERR_RETRY, "topic %s is not to be seen", topics[i]);
            return NULL;
        }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (size_t i = 0; i < n; i++)
        for (int p = 0; p < all[i].partitions; p++)
            rd_kafka_topic_partition_list_add(list, topics[i], p)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, wait_ms);
    for (int i = 0; !code && i < list->cnt; i++)
        code = list->elems[i].err;
    if (!code)
        return list;
    kafka_err(err, code, "ends of the outbound topics");
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}
