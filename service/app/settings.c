#include "app/settings.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/settings_check.h"
#include "base/address.h"
#include "base/buf.h"
#include "base/units.h"

#define MS INT64_C(1)
#define S (1000 * MS)
#define H (3600 * S)
#define D (24 * H)
#define Y (365 * D)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

#define IN(member)                                                                                 \
    .offset = offsetof(struct settings, member), .width = sizeof(((struct settings *)0)->member)
#define RANGE(low, high) .min = (low), .max = (high)
#define TEXT_MAX 4096

static const char *const starts[] = {"earliest", "latest", NULL};
static const char *const keys[] = {"party", "id", NULL};
static const char *const intervals[] = {"hour", "day", "month", NULL};
static const char *const levels[] = {"debug", "info", "warning", "error", NULL};

/* The one table: parsing, checks, --help, `usaged settings` and the README's section come of it. */
static const struct config_setting table[] = {
    {"kafka.bootstrap.servers", CONFIG_OPEN, .fallback = "localhost:9092",
     .help = "brokers to begin with, host:port between commas"},
    {"kafka.group.id", CONFIG_TEXT, IN(group), "usaged", RANGE(1, 200),
     .help = "consumer group; also the prefix of the transactional ids"},
    {"kafka.client.id", CONFIG_OPEN, .derived = "`usaged-` and `instance.id`",
     .help = "our name in the brokers' logs and quotas"},
    {"kafka.session.timeout.ms", CONFIG_OPEN, .fallback = "10000",
     .help = "a process that is silent for so long loses its partitions"},
    {"kafka.heartbeat.interval.ms", CONFIG_OPEN, .fallback = "1000",
     .help = "how often it says that it is there"},
    {"kafka.max.poll.interval.ms", CONFIG_OPEN, .fallback = "60000",
     .help = "a worker that does not ask for records for so long loses its partitions"},
    {"kafka.transaction.timeout.ms", CONFIG_OPEN, .fallback = "15000",
     .help = "the broker ends a transaction that is older"},
    {"kafka.message.max.bytes", CONFIG_OPEN, .fallback = "1000000",
     .help = "largest message that the client sends; `event.max-bytes` + 64 KiB must fit"},
    {"kafka.queued.max.messages.kbytes", CONFIG_OPEN, .fallback = "8192",
     .help = "records fetched ahead, KiB a partition and worker"},
    {"kafka.queued.min.messages", CONFIG_OPEN, .fallback = "20000",
     .help = "records that librdkafka tries to have fetched ahead, a partition and worker"},
    {"kafka.fetch.max.bytes", CONFIG_OPEN, .derived = "`kafka.message.max.bytes`",
     .help = "bytes of one answer of a broker; unpacked they are several times as many in memory"},
    {"kafka.linger.ms", CONFIG_OPEN, .fallback = "50",
     .help = "how long a message waits for others of its partition; a commit sends all at once"},
    {"kafka.compression.codec", CONFIG_OPEN, .fallback = "lz4",
     .help = "of what is published: none, lz4, zstd, gzip, snappy"},
    {"kafka.reconnect.backoff.max.ms", CONFIG_OPEN, .fallback = "1000",
     .help = "longest wait before a broken connection is tried again"},
    {"kafka.topic.metadata.propagation.max.ms", CONFIG_OPEN, .fallback = "3000",
     .help = "how long a topic that is not to be seen may still be a new one"},
    {"start.offset", CONFIG_CHOICE, IN(start_latest), "earliest", .choices = starts,
     .help = "where a topic begins that nobody has read; a partition that is added later begins at "
             "its beginning"},
    {"topic.raw", CONFIG_LIST, IN(topic_in[INBOUND_RAW]), "usage.raw", RANGE(1, CONFIG_LIST_MAX),
     .help = "inbound: mediation's records"},
    {"topic.rated", CONFIG_LIST, IN(topic_in[INBOUND_RATED]), "usage.rated",
     RANGE(1, CONFIG_LIST_MAX), .help = "inbound: rated records"},
    {"topic.import", CONFIG_LIST, IN(topic_in[INBOUND_IMPORT]), "usage.import",
     RANGE(1, CONFIG_LIST_MAX),
     .help = "inbound: imported usages; an import writes to the first of them"},
    {"topic.create", CONFIG_TEXT, IN(topic_events[EVENT_CREATE]), "usage.create", RANGE(1, 249),
     .help = "outbound: UsageCreateEvent"},
    {"topic.state-change", CONFIG_TEXT, IN(topic_events[EVENT_STATE_CHANGE]), "usage.state-change",
     RANGE(1, 249), .help = "outbound: UsageStateChangeEvent"},
    {"topic.attribute-change", CONFIG_TEXT, IN(topic_events[EVENT_ATTRIBUTE_CHANGE]),
     "usage.attribute-change", RANGE(1, 249), .help = "outbound: UsageAttributeValueChangeEvent"},
    {"topic.delete", CONFIG_TEXT, IN(topic_events[EVENT_DELETE]), "usage.delete", RANGE(1, 249),
     .help = "outbound: UsageDeleteEvent"},
    {"topic.specification", CONFIG_TEXT, IN(topic_specification), "usage.specification",
     RANGE(1, 249), .help = "outbound: the three UsageSpecification events"},
    {"topic.dead-letter", CONFIG_TEXT, IN(topic_dead_letter), "usage.dead-letter", RANGE(1, 249),
     .help = "outbound: records that cannot be taken"},
    {"registry.url", CONFIG_TEXT, IN(registry_url), "http://localhost:8081", RANGE(1, TEXT_MAX),
     .help = "schema registry (Confluent's API), http or https"},
    {"registry.user", CONFIG_TEXT, IN(registry_user), RANGE(0, TEXT_MAX),
     .help = "basic authentication"},
    {"registry.password", CONFIG_SECRET, IN(registry_password), RANGE(0, TEXT_MAX),
     .help = "basic authentication"},
    {"registry.register", CONFIG_TRUTH, IN(registry_register), "true",
     .help = "register an outbound schema that its subject lacks; false: such a start fails"},
    {"registry.unknown-wait", CONFIG_DURATION, IN(registry_unknown_wait_ms), "10 s", RANGE(0, H),
     .help = "how long the registry must not know an id before its record is a dead letter"},
    /* a secret, as it may hold a password: settings_print() shows the rest of it */
    {"database.url", CONFIG_SECRET, IN(database_url), "postgresql://usaged@localhost/usaged",
     RANGE(1, TEXT_MAX), .help = "PostgreSQL, a URI of libpq's; several hosts may be named"},
    {"http.listen", CONFIG_TEXT, IN(http_listen), "127.0.0.1:8635", RANGE(1, 300),
     .help = "address of the TMF635 API, host:port; * is every address"},
    {"http.base-url", CONFIG_TEXT, IN(http_base_url), RANGE(1, TEXT_MAX),
     .derived = "`http://`, `http.listen`, `/tmf-api/usageManagement/v4`",
     .help = "the API's URL as clients see it; `href` begins with it"},
    {"http.limit-default", CONFIG_INTEGER, IN(http_limit_default), "100", RANGE(1, 100000),
     .help = "usages in a page without `limit`"},
    {"http.limit-max", CONFIG_INTEGER, IN(http_limit_max), "1000", RANGE(1, 100000),
     .help = "usages in a page at most"},
    {"http.count-timeout-ms", CONFIG_DURATION, IN(http_count_timeout_ms), "2000",
     RANGE(1, 10 * 60 * S),
     .help = "how long `X-Total-Count` may take before the planner's estimate stands in"},
    {"http.statement-timeout-ms", CONFIG_DURATION, IN(http_statement_timeout_ms), "10000",
     RANGE(1, 10 * 60 * S), .help = "how long a query may take before the request fails"},
    {"http.timeout-ms", CONFIG_DURATION, IN(http_timeout_ms), "30000", RANGE(100, H),
     .help = "how long a client may take to send a request, from the connection's begin, or from "
             "its line where it is not the first"},
    {"http.max-body", CONFIG_SIZE, IN(http_max_body), "1 MiB", RANGE(KIB, 64 * MIB),
     .help = "longest body of a request"},
    {"http.tokens", CONFIG_TEXT, IN(http_tokens), RANGE(0, TEXT_MAX),
     .help = "file of bearer tokens, a line each: SHA-256 in hex, name, `read` or `write`; "
             "read again on SIGHUP"},
    {"http.open", CONFIG_TRUTH, IN(http_open), "false",
     .help = "without `http.tokens`: others than this machine may read and write all usages"},
    {"http.idempotency.keep", CONFIG_DURATION, IN(http_idempotency_keep_ms), "24 h",
     RANGE(S, 365 * D), .help = "how long the answer to an `Idempotency-Key` is kept"},
    {"hub.allow-networks", CONFIG_LIST, IN(hub_networks), "", RANGE(0, CONFIG_LIST_MAX),
     .help = "networks (`10.1.0.0/16`, `fd00:1::/32`) in which a listener may be although they are "
             "not public"},
    {"hub.ca-file", CONFIG_TEXT, IN(hub_ca_file), RANGE(0, TEXT_MAX),
     .help = "file of the authorities (PEM) by which certificates of listeners are verified, "
             "instead of the system's"},
    {"hub.retry-ms", CONFIG_DURATION, IN(hub_retry_ms), "1000", RANGE(10, H),
     .help = "how long the hub waits after a failed delivery; twice as long after each further "
             "one, up to a minute"},
    {"hub.timeout-ms", CONFIG_DURATION, IN(hub_timeout_ms), "10000", RANGE(10, 10 * 60 * S),
     .help = "how long one delivery may take"},
    {"hub.backlog", CONFIG_INTEGER, IN(hub_backlog), "1000000", RANGE(1, INT64_C(1000000000000)),
     .help = "events that a listener may be behind before it is suspended"},
    {"operate.listen", CONFIG_TEXT, IN(operate_listen), "127.0.0.1:8636", RANGE(1, 300),
     .help = "address of `/metrics`, `/healthz` and `/readyz`"},
    {"workers", CONFIG_INTEGER, IN(workers), "1", RANGE(1, 64),
     .help =
         "threads that take records; each has a consumer, a producer and a database connection"},
    {"batch.records", CONFIG_INTEGER, IN(batch_records), "5000", RANGE(1, 100000),
     .help = "records in a batch at most"},
    {"batch.bytes", CONFIG_SIZE, IN(batch_bytes), "8 MiB", RANGE(64 * KIB, 256 * MIB),
     .help = "bytes of records in a batch at most, but for a single one"},
    {"batch.wait-ms", CONFIG_DURATION, IN(batch_wait_ms), "20", RANGE(0, 10 * S),
     .help = "how long a batch waits for more records"},
    {"partition.interval", CONFIG_CHOICE, IN(partition_interval), "month", .choices = intervals,
     .help = "usage dates in one partition of the table"},
    {"usage.oldest", CONFIG_DURATION, IN(usage_oldest_ms), "10 y", RANGE(S, 100 * Y),
     .help = "a usage dated longer ago is a dead letter"},
    {"usage.newest", CONFIG_DURATION, IN(usage_newest_ms), "1 d", RANGE(0, 10 * Y),
     .help = "a usage dated further ahead is a dead letter"},
    {"usage.indexed-characteristics", CONFIG_LIST, IN(indexed_characteristics), "",
     RANGE(0, CONFIG_LIST_MAX),
     .help = "characteristics by whose value usages are looked up often; `usaged migrate` builds "
             "an index for each, and drops those that are not named"},
    {"parked.max-age", CONFIG_DURATION, IN(parked_max_age_ms), "24 h", RANGE(S, 10 * Y),
     .help = "a rating whose usage has not come for so long is a dead letter"},
    {"parked.sweep-ms", CONFIG_DURATION, IN(parked_sweep_ms), "500", RANGE(10, H),
     .help = "how often ratings and usages that missed each other are looked for"},
    {"record.max-bytes", CONFIG_SIZE, IN(record_max_bytes), "512 KiB", RANGE(KIB, 64 * MIB),
     .help = "a record with a longer value is a dead letter"},
    {"event.max-bytes", CONFIG_SIZE, IN(event_max_bytes), "900 KiB", RANGE(64 * KIB, 64 * MIB),
     .help = "longest outbound message"},
    {"event.key", CONFIG_CHOICE, IN(event_key_is_id), "party", .choices = keys,
     .help = "key of an event: the subscriber's (else the first party's) id, or the usage's"},
    {"default.specification.id", CONFIG_TEXT, IN(default_specification_id), "default",
     RANGE(1, 256), .help = "specification of a usage whose record names none"},
    {"instance.id", CONFIG_TEXT, IN(instance_id), RANGE(1, 128), .derived = "the host name",
     .help = "name of this process; no two may share one"},
    {"log.level", CONFIG_CHOICE, IN(log_level), "info", .choices = levels,
     .help = "what is logged, and what is worse"},
};

enum { TABLE_COUNT = sizeof table / sizeof table[0] };

struct whole {
    struct settings settings; /* first: a pointer to it is a pointer to the whole */
    struct config *config;
};

static void default_instance(struct config *c)
{
    char host[256];
    if (gethostname(host, sizeof host) != 0)
        host[0] = 0;
    host[sizeof host - 1] = 0;
    config_default(c, "instance.id", host);
}

/* Made of others; a bad http.listen is reported by its own check. */
static void default_rest(struct config *c)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT], own[ADDRESS_HOST];
    struct buf b = {0};
    buf_printf(&b, "usaged-%s", config_text(c, "instance.id"));
    config_default(c, "kafka.client.id", buf_text(&b));
    const char *most = config_text(c, "kafka.message.max.bytes");
    if (most[strspn(most, "0123456789")] == 0) /* else its own fault is enough */
        config_default(c, "kafka.fetch.max.bytes", most);
    if (!address_split(config_text(c, "http.listen"), host, port)) {
        snprintf(host, sizeof host, "localhost");
        snprintf(port, sizeof port, "8635");
    }
    bool any = strcmp(host, "") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    if (any && gethostname(own, sizeof own - 1) == 0) {
        own[sizeof own - 1] = 0;
        snprintf(host, sizeof host, "%s", own);
    }
    bool brackets = strchr(host, ':') != NULL;
    buf_reset(&b);
    buf_printf(&b, "http://%s%s%s:%s/tmf-api/usageManagement/v4", brackets ? "[" : "", host,
               brackets ? "]" : "", port);
    config_default(c, "http.base-url", buf_text(&b));
    buf_fini(&b);
}

static void take_kafka(struct settings *s, struct config *c)
{
    s->brokers = config_text(c, "kafka.bootstrap.servers");
    if (s->brokers[strspn(s->brokers, ", ")] == 0)
        config_fault(c, "kafka.bootstrap.servers", "names no broker like kafka.example:9092");
    for (int i = 0; i < config_count(c); i++) {
        const struct config_value *v = config_at(c, i);
        if (strncmp(v->name, "kafka.", 6) != 0 || !v->text)
            continue;
        if (s->kafka_count < SETTINGS_KAFKA_MAX)
            s->kafka[s->kafka_count++] = (struct kafka_property){v->name + 6, v->text};
        else
            config_fault(c, v->name,
                         "is one more than the %d settings of kafka.* that there may be",
                         SETTINGS_KAFKA_MAX);
    }
}

struct settings *settings_read(const char *file, char *const *environment, char *const *sets,
                               int set_count, FILE *errors)
{
    const struct config_options options = {.table = table,
                                           .count = TABLE_COUNT,
                                           .program = "usaged",
                                           .environment = "USAGED_",
#ifdef USAGED_FAILPOINTS
                                           .foreign = "USAGED_FAILPOINT",
#endif
                                           .open = "kafka.",
                                           .secret = settings_check_secret,
                                           .errors = errors};
    struct whole *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    struct config *c = w->config = config_new(&options);
    if (file)
        config_file(c, file);
    config_environment(c, environment);
    for (int i = 0; i < set_count; i++)
        config_set(c, sets[i]);
    default_instance(c);
    default_rest(c);
    take_kafka(&w->settings, c);
    config_finish(c, &w->settings);
    if (settings_check(&w->settings, c))
        return &w->settings;
    settings_free(&w->settings);
    return NULL;
}

const char *const settings_inbound_names[INBOUNDS] = {"topic.raw", "topic.rated", "topic.import"};

int settings_inbound_count(const struct settings *s)
{
    int n = 0;
    for (int k = 0; k < INBOUNDS; k++)
        n += s->topic_in[k].count;
    return n;
}

const char *settings_inbound_topic(const struct settings *s, int i, enum settings_inbound *kind)
{
    int k = 0;
    for (; i >= s->topic_in[k].count; k++)
        i -= s->topic_in[k].count;
    *kind = (enum settings_inbound)k;
    return s->topic_in[k].names[i];
}

bool settings_is_inbound(const struct settings *s, struct text topic)
{
    enum settings_inbound kind;
    for (int i = 0; i < settings_inbound_count(s); i++)
        if (text_is(topic, settings_inbound_topic(s, i, &kind)))
            return true;
    return false;
}

const char *settings_interval(const struct settings *s)
{
    return intervals[s->partition_interval];
}

struct mapping_settings settings_mapping(const struct settings *s)
{
    return (struct mapping_settings){.default_specification_id = s->default_specification_id,
                                     .usage_oldest_ms = s->usage_oldest_ms,
                                     .usage_newest_ms = s->usage_newest_ms};
}

struct registry_options settings_registry(const struct settings *s,
                                          const struct shape *const *shapes)
{
    return (struct registry_options){.url = s->registry_url,
                                     .user = s->registry_user,
                                     .password = s->registry_password,
                                     .unknown_wait_ms = (int)s->registry_unknown_wait_ms,
                                     .shapes = shapes};
}

void settings_free(struct settings *s)
{
    struct whole *w = (struct whole *)s;
    if (!w)
        return;
    config_free(w->config);
    free(w);
}

/* "postgresql://user:***@host/db?sslpassword=***": cut where libpq cuts. */
static void print_uri(const char *uri, FILE *out)
{
    const char *p = strstr(uri, "://") + 3;
    const char *end = p + strcspn(p, "@/"), *colon = memchr(p, ':', (size_t)(end - p));
    if (*end == '@' && colon) {
        fprintf(out, "%.*s:***", (int)(colon - uri), uri);
        uri = end;
    }
    for (const char *at; (at = strstr(uri, "password=")) != NULL; uri = at + strcspn(at, "&")) {
        at += strlen("password=");
        fprintf(out, "%.*s***", (int)(at - uri), uri);
    }
    fputs(uri, out);
}

/* A connection string without its passwords. */
static void print_url(const char *url, FILE *out)
{
    if (strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0) {
        print_uri(url, out);
        return;
    }
    PQconninfoOption *all = PQconninfoParse(url, NULL);
    const char *space = "";
    for (PQconninfoOption *o = all; o && o->keyword; o++)
        if (o->val) {
            fprintf(out, "%s%s=%s", space, o->keyword, strchr(o->dispchar, '*') ? "***" : o->val);
            space = " ";
        }
    PQconninfoFree(all);
}

void settings_print(const struct settings *s, FILE *out)
{
    const struct config *c = ((const struct whole *)s)->config;
    for (int i = 0; i < config_count(c); i++) {
        const struct config_value *v = config_at(c, i);
        fprintf(out, "%s = ", v->name);
        if (v->text && strcmp(v->name, "database.url") == 0)
            print_url(v->text, out);
        else if (v->secret && v->text && v->text[0])
            fputs("***", out);
        else
            fputs(v->text ? v->text : "", out);
        fprintf(out, "%s(%s)\n", v->text && v->text[0] ? " " : "", v->where);
    }
}

void settings_help(FILE *out)
{
    config_help(table, TABLE_COUNT, out);
}

void settings_markdown(FILE *out)
{
    config_markdown(table, TABLE_COUNT, out);
}
