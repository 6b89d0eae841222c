#include "app/settings_check.h"

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "io/http_listen.h"
#include "io/network.h"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* --- topics --------------------------------------------------------------------------------- */

struct named_topic {
    const char *setting, *topic;
};

static const char *const event_settings[EVENT_TYPES] = {"topic.create", "topic.state-change",
                                                        "topic.attribute-change", "topic.delete"};

static const char *topic_fault(const char *name)
{
    size_t n = strlen(name);
    if (n > 249)
        return "is longer than 249 characters";
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
        return "has other characters than letters, digits, dots, dashes and underscores";
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? "is a name that Kafka refuses"
                                                             : NULL;
}

static void check_topics(const struct settings *s, struct config *c)
{
    struct named_topic all[SETTINGS_INBOUND_MAX + EVENT_TYPES + 2];
    int count = 0;
    for (int i = 0; i < EVENT_TYPES; i++)
        all[count++] = (struct named_topic){event_settings[i], s->topic_events[i]};
    all[count++] = (struct named_topic){"topic.specification", s->topic_specification};
    all[count++] = (struct named_topic){"topic.dead-letter", s->topic_dead_letter};
    for (int i = 0; i < settings_inbound_count(s); i++) {
        enum settings_inbound kind;
        const char *topic = settings_inbound_topic(s, i, &kind);
        all[count++] = (struct named_topic){settings_inbound_names[kind], topic};
    }
    for (int i = 0; i < count; i++) {
        const char *fault = topic_fault(all[i].topic);
        if (fault)
            config_fault(c, all[i].setting, "is no topic: %s %s", all[i].topic, fault);
        for (int j = 0; j < i; j++)
            if (strcmp(all[i].topic, all[j].topic) == 0)
                config_fault(c, all[i].setting, "has the topic %s, which is %s's too", all[i].topic,
                             all[j].setting);
    }
}

/* --- addresses ------------------------------------------------------------------------------ */

static void check_listen(struct config *c, const char *name, const char *address)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    if (!address_split(address, host, port))
        config_fault(c, name,
                     "is not host:port with a port of 1 to 65535 (an IPv6 address in brackets)");
}

/* Whoever reaches the address may read and write all: only if somebody has said so. */
static void check_open(struct config *c, const struct settings *s)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    if (!s->http_tokens && !s->http_open && address_split(s->http_listen, host, port) &&
        !http_listen_is_loopback(s->http_listen))
        config_fault(c, "http.listen",
                     "is reached from other machines: name a file of bearer tokens in http.tokens, "
                     "or set http.open=true to let everybody read and write");
}

/* An index is made for each: the name stands in its SQL, where it must need no escape. */
static void check_characteristics(struct config *c, const struct config_list *list)
{
    for (int i = 0; i < list->count; i++) {
        const char *name = list->names[i];
        if (strlen(name) > 128)
            config_fault(c, "usage.indexed-characteristics", "has a name of more than 128 bytes");
        else if (!text_is_utf8(name, strlen(name)) || strpbrk(name, "'\"\\"))
            config_fault(c, "usage.indexed-characteristics",
                         "has a name with a quote, a backslash, or bytes that are no UTF-8");
    }
}

static void check_networks(struct config *c, const struct config_list *list)
{
    struct network network;
    for (int i = 0; i < list->count; i++)
        if (!network_parse(list->names[i], &network))
            config_fault(c, "hub.allow-networks",
                         "has %s, which is no network like 10.1.0.0/16 or fd00:1::/32 (all bits "
                         "behind the prefix must be 0)",
                         list->names[i]);
}

/* Without slashes at the end. */
static const char *check_http_url(struct config *c, const char *name, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    if (memchr(host, '@', strcspn(host, "/")))
        config_refuse(c, name,
                      "user and password have settings of their own, and may not stand in the URL");
    else if (!begins(url, "http://") && !begins(url, "https://"))
        config_fault(c, name, "does not begin with http:// or https://");
    else if (strpbrk(url, "?# "))
        config_fault(c, name, "has a query, a fragment or a blank, and may have none");
    else if (strcspn(host, "/:") == 0)
        config_fault(c, name, "has no host");
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    return config_copy(c, url, n);
}

static void check_database(struct config *c, const char *url)
{
    /* libpq's own words are not shown: they may quote the password. */
    PQconninfoOption *all = PQconninfoParse(url, NULL);
    if (!all)
        config_refuse(
            c, "database.url",
            "libpq cannot read the value; postgresql://user@host:port/database is the form, "
            "with %%XX for special characters");
    PQconninfoFree(all);
}

static void check_instance(struct config *c, const char *id)
{
    if (topic_fault(id))
        config_fault(c, "instance.id",
                     "has other characters than letters, digits, dots, dashes and underscores");
}

/* --- kafka.* -------------------------------------------------------------------------------- */

bool settings_check_secret(const char *name)
{
    static const char *const parts[] = {"password",           "secret", ".pem",
                                        "oauthbearer.config", "token",  "jaas"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

/* What the protocol sets. */
static bool is_ours(const char *property)
{
    static const char *const names[] = {"enable.auto.commit",
                                        "auto.commit.enable",
                                        "enable.auto.offset.store",
                                        "auto.offset.reset",
                                        "isolation.level",
                                        "enable.idempotence",
                                        "acks",
                                        "transactional.id",
                                        "partition.assignment.strategy",
                                        "request.required.acks",
                                        "group.instance.id",
                                        "partitioner",
                                        "enable.partition.eof"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(property, names[i]) == 0)
            return true;
    return begins(property, "max.in.flight");
}

/* librdkafka's names with an underscore are pointers to functions and the like: a text there would
 * be called. */
static bool is_pointer(const char *property)
{
    return strcmp(property, "opaque") == 0 ||
           (strchr(property, '_') && strcmp(property, "log_level") != 0);
}

static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

/* One property; the name comes with "kafka.". */
static void set_property(rd_kafka_conf_t *conf, const char *name, const char *value,
                         struct config *c)
{
    char text[512] = "";
    const char *property = name + strlen("kafka.");
    if (is_ours(property)) {
        config_fault(
            c, name,
            "is refused: usaged sets %s itself, taking each record exactly once depends on it",
            property);
        return;
    }
    rd_kafka_conf_res_t answer = is_pointer(property)
                                     ? RD_KAFKA_CONF_UNKNOWN
                                     : rd_kafka_conf_set(conf, property, value, text, sizeof text);
    bool hide = settings_check_secret(name) && strstr(text, value);
    if (answer == RD_KAFKA_CONF_UNKNOWN) /* perhaps a secret under a misspelt name */
        config_refuse(c, name, "librdkafka has no property %s", property);
    else if (answer != RD_KAFKA_CONF_OK)
        config_fault(c, name, "is refused by librdkafka%s%s", hide ? "" : ": ", hide ? "" : text);
}

static rd_kafka_conf_t *all_of_kafka(const struct settings *s, struct config *c)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, no_log);
    for (int i = 0; i < s->kafka_count;
         i++) /* the name stands behind "kafka." in the config's own copy */
        set_property(conf, s->kafka[i].name - strlen("kafka."), s->kafka[i].value, c);
    return conf;
}

static int kafka_number(rd_kafka_conf_t *conf, const char *property)
{
    char text[64] = "";
    size_t size = sizeof text;
    if (rd_kafka_conf_get(conf, property, text, &size) != RD_KAFKA_CONF_OK)
        abort();
    return (int)strtol(text, NULL, 10);
}

/* Some faults librdkafka finds only when it starts: a certificate that is not there, time-outs that
 * contradict each other. A handle without brokers talks to nobody. */
static bool try_kafka(const struct settings *s, struct config *c, rd_kafka_type_t type)
{
    char text[512];
    rd_kafka_conf_t *conf = all_of_kafka(s, c); /* set once before: nothing is reported here */
    rd_kafka_conf_set(conf, "bootstrap.servers", "", NULL, 0);
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set(conf, "transactional.id", "none", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk) {
        rd_kafka_destroy(rk);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    config_complain(c, "settings kafka.*: librdkafka cannot make a %s of them: %s",
                    type == RD_KAFKA_PRODUCER ? "producer" : "consumer", text);
    return false;
}

static void check_times(const struct settings *s, struct config *c)
{
    if (s->heartbeat_interval_ms >= s->session_timeout_ms)
        config_fault(c, "kafka.heartbeat.interval.ms",
                     "is not below kafka.session.timeout.ms, which is %d", s->session_timeout_ms);
    if (s->session_timeout_ms > s->max_poll_interval_ms)
        config_fault(c, "kafka.session.timeout.ms",
                     "is above kafka.max.poll.interval.ms, which is %d", s->max_poll_interval_ms);
}

static void check_kafka(struct settings *s, struct config *c)
{
    rd_kafka_conf_t *conf = all_of_kafka(s, c);
    s->session_timeout_ms = kafka_number(conf, "session.timeout.ms");
    s->heartbeat_interval_ms = kafka_number(conf, "heartbeat.interval.ms");
    s->max_poll_interval_ms = kafka_number(conf, "max.poll.interval.ms");
    s->transaction_timeout_ms = kafka_number(conf, "transaction.timeout.ms");
    int64_t message_max_bytes = kafka_number(conf, "message.max.bytes");
    rd_kafka_conf_destroy(conf);
    if (settings_largest_message(s) > message_max_bytes)
        config_fault(c, "event.max-bytes",
                     "and 64 KiB are %lld bytes, more than kafka.message.max.bytes, which is %lld",
                     (long long)settings_largest_message(s), (long long)message_max_bytes);
    check_times(s, c);
    if (!config_failed(c) && try_kafka(s, c, RD_KAFKA_CONSUMER))
        try_kafka(s, c, RD_KAFKA_PRODUCER);
}

bool settings_check(struct settings *s, struct config *c)
{
    check_topics(s, c);
    s->registry_url = check_http_url(c, "registry.url", s->registry_url);
    s->http_base_url = check_http_url(c, "http.base-url", s->http_base_url);
    check_database(c, s->database_url);
    check_listen(c, "http.listen", s->http_listen);
    check_listen(c, "operate.listen", s->operate_listen);
    check_open(c, s);
    check_characteristics(c, &s->indexed_characteristics);
    check_networks(c, &s->hub_networks);
    if (strcmp(s->http_listen, s->operate_listen) == 0)
        config_fault(c, "operate.listen", "is http.listen's address too");
    if (s->http_limit_default > s->http_limit_max)
        config_fault(c, "http.limit-default", "is above http.limit-max, which is %d",
                     s->http_limit_max);
    if (s->registry_password && !s->registry_user)
        config_fault(c, "registry.password", "is set, but registry.user is not");
    check_instance(c, s->instance_id);
    check_kafka(s, c);
    return !config_failed(c);
}
