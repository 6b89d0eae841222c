#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "app/settings.h"

static char *nothing[] = {NULL};

/* Reads these --set, NULL-terminated; *errors is the caller's to free. */
static struct settings *read_sets(char *const *sets, char **errors)
{
    size_t size;
    int count = 0;
    FILE *stream = open_memstream(errors, &size);
    while (sets[count])
        count++;
    struct settings *s = settings_read(NULL, nothing, sets, count, stream);
    fclose(stream);
    return s;
}

static struct settings *read_good(char *const *sets)
{
    char *errors;
    struct settings *s = read_sets(sets, &errors);
    assert_string_equal(errors, "");
    assert_non_null(s);
    free(errors);
    return s;
}

static char *printed(const struct settings *s)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    settings_print(s, stream);
    fclose(stream);
    return text;
}

static const char *kafka_value(const struct settings *s, const char *name)
{
    const char *value = NULL;
    for (int i = 0; i < s->kafka_count; i++)
        if (strcmp(s->kafka[i].name, name) == 0)
            value = s->kafka[i].value;
    return value;
}

#define assert_refused(want, ...)                                                                  \
    do {                                                                                           \
        char *sets_[] = {__VA_ARGS__, NULL}, *errors_;                                             \
        assert_null(read_sets(sets_, &errors_));                                                   \
        if (!strstr(errors_, want))                                                                \
            fail_msg("\"%s\" is not in \"%s\"", want, errors_);                                    \
        free(errors_);                                                                             \
    } while (0)

static void the_defaults_are_those_of_the_contract(void **state)
{
    (void)state;

    struct settings *s = read_good(nothing);

    assert_string_equal(s->group, "usaged");
    assert_string_equal(s->topic_in[INBOUND_RAW].names[0], "usage.raw");
    assert_string_equal(s->topic_in[INBOUND_RATED].names[0], "usage.rated");
    assert_string_equal(s->topic_events[EVENT_CREATE], "usage.create");
    assert_string_equal(s->topic_events[EVENT_STATE_CHANGE], "usage.state-change");
    assert_string_equal(s->topic_events[EVENT_ATTRIBUTE_CHANGE], "usage.attribute-change");
    assert_string_equal(s->topic_events[EVENT_DELETE], "usage.delete");
    assert_string_equal(s->topic_dead_letter, "usage.dead-letter");
    assert_true(s->registry_register);
    assert_int_equal(s->registry_unknown_wait_ms, 10000);
    assert_string_equal(s->http_listen, "127.0.0.1:8635");
    assert_string_equal(s->http_base_url, "http://127.0.0.1:8635/tmf-api/usageManagement/v4");
    assert_string_equal(s->operate_listen, "127.0.0.1:8636");
    assert_int_equal(s->workers, 1);
    assert_int_equal(s->batch_records, 5000);
    assert_int_equal(s->batch_bytes, 8 << 20);
    assert_int_equal(s->batch_wait_ms, 20);
    assert_int_equal(s->partition_interval, INTERVAL_MONTH);
    assert_int_equal(s->usage_oldest_ms, INT64_C(315360000000));
    assert_int_equal(s->usage_newest_ms, 86400000);
    assert_int_equal(s->record_max_bytes, 512 << 10);
    assert_int_equal(s->event_max_bytes, 900 << 10);
    assert_false(s->start_latest);
    assert_false(s->event_key_is_id);
    assert_int_equal(s->log_level, LOG_INFO);
    settings_free(s);
}

static void ranges_admit_what_tests_need(void **state)
{
    (void)state;
    char *sets[] = {"batch.records=1", "event.max-bytes=64 KiB", "registry.unknown-wait=0s", NULL};

    struct settings *s = read_good(sets);

    assert_int_equal(s->batch_records, 1);
    assert_int_equal(s->event_max_bytes, 65536);
    assert_int_equal(s->registry_unknown_wait_ms, 0);
    settings_free(s);
}

static void kafka_properties_pass_through_and_waits_follow_from_them(void **state)
{
    (void)state;
    char *sets[] = {"kafka.session.timeout.ms=6000", "kafka.linger.ms=7",
                    "kafka.metadata.broker.list=b:1", "instance.id=east-1", NULL};

    struct settings *s = read_good(sets);

    assert_int_equal(s->session_timeout_ms, 6000);
    assert_int_equal(s->heartbeat_interval_ms, 1000);
    assert_int_equal(s->max_poll_interval_ms, 60000);
    assert_int_equal(s->transaction_timeout_ms, 15000);
    assert_string_equal(kafka_value(s, "linger.ms"), "7");
    assert_string_equal(kafka_value(s, "session.timeout.ms"), "6000");
    assert_string_equal(kafka_value(s, "client.id"), "usaged-east-1");
    assert_string_equal(kafka_value(s, "group.id"), "usaged");
    settings_free(s);
}

static void librdkafka_says_what_it_does_not_take(void **state)
{
    (void)state;

    assert_refused("usaged: setting kafka.nope: librdkafka has no property nope (--set)\n",
                   "kafka.nope=hunter2");
    assert_refused("usaged: setting kafka.linger.ms: \"x\" is refused by librdkafka: Invalid value",
                   "kafka.linger.ms=x");
    assert_refused("outside allowed range", "kafka.session.timeout.ms=0");
    assert_refused("librdkafka cannot make a producer of them: `message.timeout.ms` must be set <=",
                   "kafka.message.timeout.ms=60000");
    assert_refused("ssl.ca.location failed", "kafka.security.protocol=ssl",
                   "kafka.ssl.ca.location=/nonexistent");
}

static void what_the_protocol_sets_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"enable.auto.commit",
                                        "enable.auto.offset.store",
                                        "auto.offset.reset",
                                        "isolation.level",
                                        "enable.idempotence",
                                        "acks",
                                        "request.required.acks",
                                        "transactional.id",
                                        "max.in.flight",
                                        "max.in.flight.requests.per.connection",
                                        "partition.assignment.strategy",
                                        "group.instance.id",
                                        "partitioner"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char set[128], want[192];
        snprintf(set, sizeof set, "kafka.%s=1", names[i]);
        snprintf(want, sizeof want,
                 "usaged: setting kafka.%s: \"1\" is refused: usaged sets %s itself, ", names[i],
                 names[i]);
        assert_refused(want, set);
    }
}

static void a_text_is_never_taken_for_a_pointer(void **state)
{
    (void)state;

    assert_refused("librdkafka has no property error_cb", "kafka.error_cb=x");
    assert_refused("librdkafka has no property opaque", "kafka.opaque=x");
    assert_refused("librdkafka has no property default_topic_conf", "kafka.default_topic_conf=x");
}

static void settings_that_do_not_fit_together_are_refused(void **state)
{
    (void)state;

    assert_refused("setting topic.raw: \"usage.create\" has the topic usage.create, which is "
                   "topic.create's too",
                   "topic.raw=usage.create");
    assert_refused(
        "setting topic.rated: \"a,usage.raw\" has the topic usage.raw, which is topic.raw's too",
        "topic.rated=a,usage.raw");
    assert_refused("setting topic.dead-letter: \"usage.delete\" has the topic",
                   "topic.dead-letter=usage.delete");
    assert_refused("setting topic.raw: \"a b\" is no topic: a b has other characters",
                   "topic.raw=a b");
    assert_refused("setting event.max-bytes: \"1 MiB\" and 64 KiB are 1114112 bytes, more than "
                   "kafka.message.max.bytes, which is 1000000",
                   "event.max-bytes=1 MiB");
    assert_refused("setting http.limit-default: \"10\" is above http.limit-max, which is 5",
                   "http.limit-default=10", "http.limit-max=5");
    assert_refused("setting operate.listen: \"127.0.0.1:8635\" is http.listen's address too",
                   "operate.listen=127.0.0.1:8635");
    assert_refused("setting kafka.heartbeat.interval.ms: \"10000\" is not below "
                   "kafka.session.timeout.ms, which is 10000",
                   "kafka.heartbeat.interval.ms=10000");
    assert_refused("setting kafka.session.timeout.ms: \"70000\" is above "
                   "kafka.max.poll.interval.ms, which is 60000",
                   "kafka.session.timeout.ms=70000");
    assert_refused("setting http.listen: \"8635\" is not host:port", "http.listen=8635");
    assert_refused("setting registry.url: \"ftp://h\" does not begin with http:// or https://",
                   "registry.url=ftp://h");
    assert_refused("setting registry.password: the value is set, but registry.user is not",
                   "registry.password=x");
    assert_refused("setting instance.id: \"a b\" has other characters", "instance.id=a b");
}

static void faults_of_both_kinds_are_reported_in_one_start(void **state)
{
    (void)state;

    assert_refused("usaged: setting batch.records: \"0\" is not in 1 to 100000 (--set)\n"
                   "usaged: setting http.listen: \"x\" is not host:port",
                   "batch.records=0", "http.listen=x");
}

static void no_secret_is_printed(void **state)
{
    (void)state;
    char *sets[] = {
        "registry.user=bob",
        "registry.password=hunter2",
        "kafka.sasl.password=hunter2",
        "kafka.sasl.username=bob",
        "kafka.ssl.key.password=hunter2",
        "database.url=postgresql://bob:hunter2@a,b/d?sslpassword=hunter2&connect_timeout=3",
        NULL};
    struct settings *s = read_good(sets);

    char *text = printed(s);

    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "registry.password = *** (--set)\n"));
    assert_non_null(strstr(text, "kafka.sasl.password = *** (--set)\n"));
    assert_non_null(strstr(text, "kafka.sasl.username = bob (--set)\n"));
    assert_non_null(strstr(
        text,
        "database.url = postgresql://bob:***@a,b/d?sslpassword=***&connect_timeout=3 (--set)\n"));
    assert_non_null(strstr(text, "batch.records = 5000 (default)\n"));
    free(text);
    settings_free(s);
}

static void a_password_in_a_connection_string_is_not_printed(void **state)
{
    (void)state;
    char *sets[] = {"database.url=host=h password='hunter2' user=bob", NULL};
    struct settings *s = read_good(sets);

    char *text = printed(s);

    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "database.url = user=bob password=*** host=h (--set)\n"));
    free(text);
    settings_free(s);
}

static void no_secret_is_in_an_error(void **state)
{
    (void)state;
    char *sets[] = {"registry.url=http://bob:hunter2@h/",
                    "database.url=postgresql://bob:hunter2%zz@h/", "kafka.sasl.passwrd=hunter2",
                    NULL};
    char *errors;

    assert_null(read_sets(sets, &errors));

    assert_null(strstr(errors, "hunter2"));
    assert_non_null(
        strstr(errors, "setting registry.url: user and password have settings of their own"));
    assert_non_null(strstr(errors, "setting database.url: libpq cannot read the value"));
    free(errors);
}

static void urls_lose_the_slash_at_their_end(void **state)
{
    (void)state;
    char *sets[] = {"registry.url=https://h/apis/ccompat/v7/",
                    "http.base-url=https://api.example/v4/", NULL};

    struct settings *s = read_good(sets);

    assert_string_equal(s->registry_url, "https://h/apis/ccompat/v7");
    assert_string_equal(s->http_base_url, "https://api.example/v4");
    settings_free(s);
}

static void the_base_url_follows_the_address(void **state)
{
    (void)state;
    char *sets[] = {"http.listen=[::1]:80", NULL};

    struct settings *s = read_good(sets);

    assert_string_equal(s->http_base_url, "http://[::1]:80/tmf-api/usageManagement/v4");
    settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_contract),
        cmocka_unit_test(ranges_admit_what_tests_need),
        cmocka_unit_test(kafka_properties_pass_through_and_waits_follow_from_them),
        cmocka_unit_test(librdkafka_says_what_it_does_not_take),
        cmocka_unit_test(what_the_protocol_sets_is_refused),
        cmocka_unit_test(a_text_is_never_taken_for_a_pointer),
        cmocka_unit_test(settings_that_do_not_fit_together_are_refused),
        cmocka_unit_test(faults_of_both_kinds_are_reported_in_one_start),
        cmocka_unit_test(no_secret_is_printed),
        cmocka_unit_test(a_password_in_a_connection_string_is_not_printed),
        cmocka_unit_test(no_secret_is_in_an_error),
        cmocka_unit_test(urls_lose_the_slash_at_their_end),
        cmocka_unit_test(the_base_url_follows_the_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
