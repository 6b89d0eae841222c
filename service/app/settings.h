/* settings - every setting of the service, read once, then constant.
 *
 * settings.c holds the one table (name, type, range, default, help) from which parsing, checking,
 * `usaged --help`, `usaged settings` and the README section come. Grammar and sources: wire
 * contract section 8.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/config.h"
#include "base/log.h"
#include "io/kafka.h"
#include "io/registry.h"
#include "usage/event.h"
#include "usage/mapping.h"

enum { SETTINGS_KAFKA_MAX = 64 };

/* Kinds of inbound topics; where all are in one list, its order is this one. */
enum settings_inbound { INBOUND_RAW, INBOUND_RATED, INBOUND_IMPORT, INBOUNDS };
enum { SETTINGS_INBOUND_MAX = INBOUNDS * CONFIG_LIST_MAX };

enum settings_interval { INTERVAL_HOUR, INTERVAL_DAY, INTERVAL_MONTH };

struct settings {
    /* kafka.*: librdkafka's own, named without "kafka."; ours first, so that a later one wins */
    struct kafka_property kafka[SETTINGS_KAFKA_MAX];
    int kafka_count;
    const char *group, *brokers; /* kafka.group.id, kafka.bootstrap.servers */
    /* effective values of kafka.*: */
    int session_timeout_ms, heartbeat_interval_ms, max_poll_interval_ms, transaction_timeout_ms;
    bool start_latest; /* start.offset */
    struct config_list topic_in[INBOUNDS];
    const char *topic_events[EVENT_TYPES]; /* by enum event_type */
    const char *topic_specification, *topic_dead_letter;
    const char *registry_url, *registry_user, *registry_password; /* the last two may be NULL */
    bool registry_register;
    int64_t registry_unknown_wait_ms;
    const char *database_url;
    const char *http_listen;
    const char *http_base_url; /* "…/tmf-api/usageManagement/v4", without a slash at the end */
    int http_limit_default, http_limit_max, http_count_timeout_ms, http_statement_timeout_ms;
    int http_timeout_ms;
    int64_t http_max_body, http_idempotency_keep_ms;
    const char *http_tokens; /* NULL: no tokens are asked for */
    bool http_open;
    struct config_list indexed_characteristics;
    struct config_list hub_networks; /* hub.allow-networks: network_parse() takes each */
    const char *hub_ca_file;         /* NULL: the system's authorities */
    int hub_retry_ms, hub_timeout_ms;
    int64_t hub_backlog; /* events */
    const char *operate_listen;
    int workers, batch_records, batch_wait_ms;
    int64_t batch_bytes;
    enum settings_interval partition_interval;
    int64_t usage_oldest_ms, usage_newest_ms;
    int64_t parked_max_age_ms;
    int parked_sweep_ms;
    int64_t record_max_bytes, event_max_bytes;
    bool event_key_is_id; /* event.key = id, not party */
    const char *default_specification_id;
    const char *instance_id;
    enum log_level log_level;
};

/* Reads defaults, the INI file (may be NULL), `environment` (NAME=VALUE, NULL-terminated), then
 * `sets` (NAME=VALUE, of --set). Prints each error as one line on `errors` and returns NULL if
 * there was one. The result lives until settings_free(). */
struct settings *settings_read(const char *file, char *const *environment, char *const *sets,
                               int set_count, FILE *errors);
void settings_free(struct settings *s);

/* What kafka.message.max.bytes and the outbound topics must take (wire contract section 5): beside
 * an event's bytes there are its headers, and what Kafka adds. */
static inline int64_t settings_largest_message(const struct settings *s)
{
    return s->event_max_bytes + 64 * 1024;
}

/* The settings' names of the inbound topics, "topic.raw". */
extern const char *const settings_inbound_names[INBOUNDS];

/* All inbound topics as one list: how many, topic i (it lives as long as the settings) and its
 * kind. */
int settings_inbound_count(const struct settings *s);
const char *settings_inbound_topic(const struct settings *s, int i, enum settings_inbound *kind);
bool settings_is_inbound(const struct settings *s, struct text topic);

/* partition.interval as it is written. */
const char *settings_interval(const struct settings *s);

/* What mapping needs of them, for records and bodies alike. */
struct mapping_settings settings_mapping(const struct settings *s);

/* How the registry is asked, for schemas of these shapes. The texts are the settings' own. */
struct registry_options settings_registry(const struct settings *s,
                                          const struct shape *const *shapes);

/* `usaged settings`: effective value and where it came from, a line each; secrets as ***. */
void settings_print(const struct settings *s, FILE *out);

/* For --help, and the README's table in Markdown. */
void settings_help(FILE *out);
void settings_markdown(FILE *out);
