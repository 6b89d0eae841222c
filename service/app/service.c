#include "app/service.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/api.h"
#include "app/health.h"
#include "app/hub.h"
#include "app/ingest.h"
#include "app/keeper.h"
#include "app/metrics.h"
#include "app/migrate.h"
#include "app/operate.h"
#include "app/topics.h"
#include "base/embed.h"
#include "base/log.h"
#include "base/stop.h"
#include "io/admin.h"
#include "io/db.h"
#include "io/post.h"
#include "usage/indexes.h"
#include "usage/record.h"

enum {
    AGAIN_MS = 500,
    AGAIN_MAX_MS = 5000,
    LEAVE_MS = 4000,
    ENDED_MS = 1000,
    INBOUND_MS = 5000,
    FILES_MAX = 65536
};

/* What the start checks, one after the other; each waits for its part of the system to be there. */
struct start {
    const struct settings *settings;
    struct changes_settings changes;
    int32_t specification_schema; /* the registry's id */
    struct registry *registry;
    struct db *db;
    rd_kafka_t *client;
    int owner; /* of this thread in health: behind the workers */
};

/* Tries until it succeeds, the stop is asked, or it can never be. */
static bool wait_for(struct start *st, enum health_key key, enum metrics_dependency dependency,
                     const char *name, bool (*attempt)(struct start *, struct err *),
                     struct err *err)
{
    for (int ms = AGAIN_MS; !attempt(st, err); ms = ms * 2 < AGAIN_MAX_MS ? ms * 2 : AGAIN_MAX_MS) {
        if (err->kind == ERR_FATAL)
            return false;
        metrics_retry(dependency);
        if (health_wait(key, st->owner, err->text))
            log_line(LOG_WARNING, "waiting", "for=%s why=\"%s\"", name, err->text);
        if (stop_wait(ms))
            return false;
    }
    if (health_go(key, st->owner))
        log_line(LOG_INFO, "going on", "after=%s", name);
    return true;
}

/* No reason not to start: all answers are right without them, only slow. */
static bool warn_of_indexes(struct start *st, struct err *err)
{
    const struct config_list *named = &st->settings->indexed_characteristics;
    struct buf names = {0};
    bool ok = indexes_missing(st->db, named->names, named->count, &names, err);
    if (ok && names.len > 0)
        log_line(LOG_WARNING,
                 "characteristics without an index: who looks for one reads all usages",
                 "setting=usage.indexed-characteristics names=\"%s\" remedy=\"run usaged migrate\"",
                 buf_text(&names));
    buf_fini(&names);
    return ok;
}

static bool check_schema(struct start *st, struct err *err)
{
    return db_open(st->db, err) && migrate_check(st->db, err) && warn_of_indexes(st, err);
}

static bool check_topics(struct start *st, struct err *err)
{
    return topics_check(st->settings, st->client, err);
}

/* The outbound schemas, each under <topic>-value. */
static bool register_schemas(struct start *st, struct err *err)
{
    const struct settings *s = st->settings;
    for (int i = 0; i < EVENT_TYPES; i++) {
        char subject[300];
        snprintf(subject, sizeof subject, "%s-value", s->topic_events[i]);
        if (!registry_subject(st->registry, subject,
                              embed_text(embed_schemas, event_schema_files[i]),
                              s->registry_register, &st->changes.schema_ids[i], err))
            return false;
    }
    char subject[300];
    snprintf(subject, sizeof subject, "%s-value", s->topic_specification);
    if (!registry_subject(st->registry, subject,
                          embed_text(embed_schemas, "UsageSpecificationEvents.avsc"),
                          s->registry_register, &st->specification_schema, err))
        return false;
    metrics_dependency(DEPENDENCY_REGISTRY, true);
    return true;
}

static struct api *the_api; /* for the signal */

static void hangup(void)
{
    log_line(LOG_INFO, "SIGHUP", "rereads=http.tokens");
    api_reload(the_api);
}

static bool open_parts(struct start *st, struct err *err)
{
    const struct settings *s = st->settings;
    char name[300];
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    if (s->hub_ca_file && !post_check_ca(s->hub_ca_file, err))
        return err_wrap(err, "setting hub.ca-file");
    st->db = db_new(&(struct db_options){.url = s->database_url, .application_name = name});
    struct registry_options options = settings_registry(s, record_shapes);
    st->registry = registry_new(&options, err);
    if (!st->registry)
        return false;
    st->client = admin_new((const struct kafka_property *)s->kafka, (size_t)s->kafka_count, err);
    if (!st->client)
        return false;
    st->changes = (struct changes_settings){.base_url = s->http_base_url,
                                            .key_is_id = s->event_key_is_id,
                                            .event_max = s->event_max_bytes,
                                            .parked_max_age_ms = s->parked_max_age_ms};
    return true;
}

static void close_parts(struct start *st)
{
    db_free(st->db);
    registry_free(st->registry);
    if (st->client)
        rd_kafka_destroy(st->client);
}

/* A missing inbound topic is waited for: only while there is none at all the service is not ready.
 */
static void watch_inbound(struct start *st)
{
    while (!stop_asked()) {
        struct err err;
        int present = topics_inbound_present(st->settings, st->client, &err);
        if (present == 0) {
            if (health_wait(HEALTH_TOPICS, st->owner, "no inbound topic exists"))
                log_line(LOG_WARNING, "waiting", "for=topics why=\"no inbound topic exists\"");
        } else if (present > 0 && health_go(HEALTH_TOPICS, st->owner)) {
            log_line(LOG_INFO, "going on", "after=topics");
        }
        stop_wait(INBOUND_MS);
    }
}

/* A frozen database or broker may hold a thread in a call that knows no stop. What is stored and
 * published is safe at any moment, so the end need not wait for it. */
static void *leave_in_time(void *arg)
{
    (void)arg;
    while (!stop_wait(60000))
        ;
    usleep(LEAVE_MS * 1000);
    log_line(LOG_WARNING, "a part did not end in time: leaving without it", "ms=%d", (int)LEAVE_MS);
    _exit(stop_exit_code());
    return NULL;
}

static bool start_and_run(struct start *st, struct err *err)
{
    const struct settings *s = st->settings;
    health_wait(HEALTH_ASSIGNMENT, st->owner, "starting"); /* until the workers say so themselves */
    struct operate *operate = operate_start(s, err);
    if (!operate)
        return false;
    struct api *api = NULL;
    bool ok = open_parts(st, err) &&
              wait_for(st, HEALTH_POSTGRES, DEPENDENCY_POSTGRES, "postgres", check_schema, err) &&
              (api = api_start(s, &st->changes, &st->specification_schema, st->client, st->registry,
                               err)) &&
              wait_for(st, HEALTH_KAFKA, DEPENDENCY_KAFKA, "kafka", check_topics, err) &&
              wait_for(st, HEALTH_REGISTRY, DEPENDENCY_REGISTRY, "registry", register_schemas, err);
    if (ok) {
        db_close(st->db); /* the workers have their own */
        the_api = api;
        stop_on_hangup(hangup);
        api_take_writes(api);
        log_line(LOG_INFO, "started", "instance=%s group=%s workers=%d http=%s operate=%s",
                 s->instance_id, s->group, s->workers, s->http_listen, s->operate_listen);
        struct ingest *ingest = ingest_start(s, &st->changes, st->registry);
        struct keeper *keeper = keeper_start(s, &st->changes, st->owner + 1);
        struct hub *hub = hub_start(s, st->owner + 2);
        health_go(HEALTH_ASSIGNMENT, st->owner);
        watch_inbound(st);
        log_line(LOG_INFO, "stopping", "exit=%d", stop_exit_code());
        ingest_join(ingest);
        keeper_join(keeper);
        hub_join(hub);
    } else if (err->kind == ERR_FATAL) {
        stop_now(1);
    }
    stop_on_hangup(NULL);
    if (api)
        api_stop(api);
    operate_stop(operate);
    return ok || stop_asked();
}

/* A listener that hangs holds eight sockets, so 128 of them would use up a shell's 1,024, and
 * clients and PostgreSQL would wait for their answers. We take what we may have. */
static void take_all_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    rlim_t most = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    if (files.rlim_cur >= most)
        return;
    files.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &files);
}

int service_run(const struct settings *s)
{
    struct start st = {.settings = s, .owner = s->workers};
    struct err err = {0};
    pthread_t watchdog;
    log_set_level(s->log_level);
    take_all_files();
    metrics_init(s);
    if (pthread_create(&watchdog, NULL, leave_in_time, NULL) != 0)
        abort();
    pthread_detach(watchdog);
    start_and_run(&st, &err);
    close_parts(&st);
    if (err.kind == ERR_FATAL) {
        fprintf(stderr, "usaged: cannot start: %s\n", err.text);
        return 1;
    }
    bool ended = rd_kafka_wait_destroyed(ENDED_MS) == 0; /* kafka_end() */
    log_line(LOG_INFO, "stopped", "exit=%d", stop_exit_code());
    if (!ended) /* other libraries must not be taken down under its threads */
        _exit(stop_exit_code());
    return stop_exit_code();
}
