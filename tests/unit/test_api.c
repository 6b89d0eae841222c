/* app/api and app/operate without a database: routes, refusals, and what they say while it is away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <signal.h>

#include "app/api.h"
#include "app/health.h"
#include "app/metrics.h"
#include "app/operate.h"
#include "base/log.h"
#include "http_client.h"

#define BASE "/tmf-api/usageManagement/v4"
#define SOME_ID "01a20779-75ca-882e-8c96-86cbff439931"

static struct settings settings = {
    .topic_in[INBOUND_RAW] = {.count = 1, .names = {"usage.raw"}},
    .topic_in[INBOUND_RATED] = {.count = 1, .names = {"usage.rated"}},
    .topic_events = {"usage.create", "usage.state-change", "usage.attribute-change",
                     "usage.delete"},
    .topic_dead_letter = "usage.dead-letter",
    .http_base_url = "http://test" BASE,
    .http_limit_default = 100,
    .http_limit_max = 1000,
    .http_count_timeout_ms = 2000,
    .http_statement_timeout_ms = 10000,
    .instance_id = "test",
};
static char http_listen[32], operate_listen[32], database_url[64];
static int port, operate_port;
static struct api *api;
static struct changes_settings changes;
static int32_t specification_schema;
static struct operate *operate;

static int start(void **state)
{
    (void)state;
    struct err err = {0};
    port = free_port();
    operate_port = free_port();
    snprintf(http_listen, sizeof http_listen, "127.0.0.1:%d", port);
    snprintf(operate_listen, sizeof operate_listen, "127.0.0.1:%d", operate_port);
    snprintf(database_url, sizeof database_url, "postgresql://nobody@127.0.0.1:%d/none",
             free_port());
    settings.http_listen = http_listen;
    settings.operate_listen = operate_listen;
    settings.database_url = database_url;
    metrics_init(&settings);
    log_set_level(LOG_ERROR);
    operate = operate_start(&settings, &err);
    api = operate ? api_start(&settings, &changes, &specification_schema, NULL, NULL, &err) : NULL;
    if (!api)
        fail_msg("%s", err.text);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    api_stop(api);
    operate_stop(operate);
    return 0;
}

static struct answer ask(const char *method, const char *target)
{
    struct buf b = {0};
    int s = dial(port);
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: test\r\n\r\n", method, target);
    say(s, b.data, b.len);
    struct answer a = one_answer(s, strcmp(method, "HEAD") != 0);
    close(s);
    buf_fini(&b);
    return a;
}

/* An Error of the contract with this status, whose message has `names` in it. */
static void assert_error(const char *method, const char *target, int status, const char *names)
{
    struct answer a = ask(method, target);
    char expected[16];
    json_t *error = json_loads(a.body, 0, NULL);

    if (a.status != status || !error || !strstr(a.body, names))
        fail_msg("%s %s: %d %s", method, target, a.status, a.body);
    assert_non_null(strstr(a.head, "Content-Type: application/json;charset=utf-8\r\n"));
    snprintf(expected, sizeof expected, "ERR%d", status);
    assert_string_equal(json_string_value(json_object_get(error, "code")), expected);
    assert_string_equal(json_string_value(json_object_get(error, "status")), expected + 3);
    assert_string_equal(json_string_value(json_object_get(error, "@type")), "Error");
    assert_true(json_is_string(json_object_get(error, "reason")));
    json_decref(error);
}

static void an_unknown_path_is_404(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/",           BASE,           BASE "/",          BASE "/usages",
        BASE "/Usage", BASE "/usage/", BASE "/usage/a/b", BASE "/hubs",
        "*",           "/usage"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_error("GET", paths[i], 404, "No resource at ");
}

static void an_odd_id_is_404_and_never_400_or_500(void **state)
{
    (void)state;
    static const char *const ids[] = {"x",
                                      "%zz",
                                      "%",
                                      "%00",
                                      "%22%5c",
                                      "%ff",
                                      "01a20779-75ca-882e-8c96-86cbff43993",
                                      SOME_ID "0",
                                      "..",
                                      "'%20or%201=1"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char target[128];
        snprintf(target, sizeof target, BASE "/usage/%s", ids[i]);
        assert_error("GET", target, 404, "No usage with id ");
    }
}

static const struct {
    const char *target, *allow;
} routes[] = {
    {BASE "/usage", "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    {BASE "/usage/" SOME_ID, "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n"},
    {BASE "/usageSpecification", "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    {BASE "/usageSpecification/x", "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n"},
    {BASE "/hub", "Allow: POST, OPTIONS\r\n"},
    {BASE "/hub/" SOME_ID, "Allow: DELETE, OPTIONS\r\n"},
    {BASE "/openapi.json", "Allow: GET, HEAD, OPTIONS\r\n"},
};

enum { ROUTES = sizeof routes / sizeof *routes };

static void another_method_is_405_with_allow(void **state)
{
    (void)state;
    static const char *const methods[] = {"PUT", "TRACE", "FOO"};
    for (size_t i = 0; i < ROUTES; i++)
        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++) {
            assert_error(methods[k], routes[i].target, 405, "OPTIONS");
            assert_non_null(strstr(ask(methods[k], routes[i].target).head, routes[i].allow));
        }
}

static void options_is_204_with_allow(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUTES; i++) {
        struct answer a = ask("OPTIONS", routes[i].target);
        assert_int_equal(a.status, 204);
        assert_non_null(strstr(a.head, routes[i].allow));
        assert_null(strstr(a.head, "Content-Type"));
    }
}

static void nothing_is_written_before_the_service_has_started(void **state)
{
    (void)state;
    assert_error("DELETE", BASE "/usage/" SOME_ID, 503, "starting");
    assert_error("POST", BASE "/usage", 415, "Content-Type");
}

static void a_bad_query_is_400_and_named_before_the_database_is_asked(void **state)
{
    (void)state;
    assert_error("GET", BASE "/usage?colour=red", 400, "colour");
    assert_error("GET", BASE "/usage?sort=colour", 400, "sort");
    assert_error("GET", BASE "/usage?status=rated;", 400, "';'");
    assert_error("GET", BASE "/usage?after=x", 400, "after");
    assert_error("GET", BASE "/usage?usageType=%22%zz", 400, "usageType");
    assert_error("GET", BASE "/usage/" SOME_ID "?status=rated", 400, "status");
    assert_error("GET", BASE "/usage?filter=x", 501, "filter");
    assert_error("GET", BASE "/usage?a=<", 400, "URI");
}

static void a_database_that_is_away_is_503_with_retry_after_and_without_sql(void **state)
{
    (void)state;
    assert_error("GET", BASE "/usage", 503, "database");
    assert_error("GET", BASE "/usage/" SOME_ID, 503, "database");
    struct answer a = ask("GET", BASE "/usage");
    assert_non_null(strstr(a.head, "Retry-After: 1\r\n"));
    assert_null(strstr(a.body, "127.0.0.1"));
    assert_null(strstr(a.body, "SELECT"));
}

static void requests_are_counted_by_route_and_never_by_id(void **state)
{
    (void)state;
    ask("GET", BASE "/usage/" SOME_ID);
    ask("BREW", "/coffee");

    struct buf b = {0};
    metrics_render(&b);

    assert_non_null(
        strstr(buf_text(&b),
               "usaged_http_requests_total{method=\"GET\",route=\"/usage/{id}\",status=\"503\"}"));
    assert_non_null(strstr(
        b.data, "usaged_http_requests_total{method=\"other\",route=\"other\",status=\"404\"}"));
    assert_null(strstr(b.data, SOME_ID));
    assert_null(strstr(b.data, "coffee"));
    buf_fini(&b);
}

static void readyz_is_503_while_something_is_waited_for_and_healthz_is_not(void **state)
{
    (void)state;
    struct answer ready = fetch(operate_port, "/readyz");
    health_wait(HEALTH_POSTGRES, 0, "connection refused");
    struct answer waiting = fetch(operate_port, "/readyz"), alive = fetch(operate_port, "/healthz");
    health_go(HEALTH_POSTGRES, 0);

    assert_int_equal(ready.status, 200);
    assert_int_equal(waiting.status, 503);
    assert_string_equal(waiting.body,
                        "{\"ready\":false,\"waiting\":{\"postgres\":\"connection refused\"}}");
    assert_int_equal(alive.status, 200);
}

static void operate_has_three_paths_and_reads_only(void **state)
{
    (void)state;
    int s = dial(operate_port);
    struct buf metrics = {0};
    get(s, "/metrics");
    while (!strstr(buf_text(&metrics), "process_max_fds ") && hear(s, &metrics))
        ;
    close(s);

    assert_memory_equal(metrics.data, "HTTP/1.1 200", 12);
    assert_non_null(
        strstr(metrics.data, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_int_equal(fetch(operate_port, "/").status, 404);
    const char post[] = "POST /metrics HTTP/1.1\r\nHost: t\r\n\r\n";
    s = dial(operate_port);
    say(s, post, strlen(post));
    struct answer refused = one_answer(s, true);
    assert_int_equal(refused.status, 405);
    assert_non_null(strstr(refused.head, "Allow: GET, HEAD\r\n"));
    close(s);
    buf_fini(&metrics);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_path_is_404),
        cmocka_unit_test(an_odd_id_is_404_and_never_400_or_500),
        cmocka_unit_test(another_method_is_405_with_allow),
        cmocka_unit_test(options_is_204_with_allow),
        cmocka_unit_test(nothing_is_written_before_the_service_has_started),
        cmocka_unit_test(a_bad_query_is_400_and_named_before_the_database_is_asked),
        cmocka_unit_test(a_database_that_is_away_is_503_with_retry_after_and_without_sql),
        cmocka_unit_test(requests_are_counted_by_route_and_never_by_id),
        cmocka_unit_test(readyz_is_503_while_something_is_waited_for_and_healthz_is_not),
        cmocka_unit_test(operate_has_three_paths_and_reads_only),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
