/* The counters live as long as the process, so every test looks at other ones, or at differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/metrics.h"
#include "base/instant.h"

static struct settings settings = {
    .topic_in[INBOUND_RAW] = {.count = 2, .names = {"usage.raw", "usage.raw2"}},
    .topic_in[INBOUND_RATED] = {.count = 1, .names = {"usage.rated"}},
    .topic_events = {"usage.create", "usage.change", "usage.change", "usage.delete"},
    .topic_dead_letter = "usage.dead-letter",
};

static int start(void **state)
{
    (void)state;
    metrics_init(&settings);
    return 0;
}

/* The value of a series; -1: there is none. Twice the same series fails. */
static double value(const char *series)
{
    struct buf b = {0};
    metrics_render(&b);
    char line[256];
    snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(buf_text(&b), line);
    double v = at ? strtod(at + strlen(line), NULL) : -1;
    if (at && strstr(at + 1, line))
        fail_msg("twice: %s", series);
    buf_fini(&b);
    return v;
}

static void inbound_topics_are_numbered_raw_first(void **state)
{
    (void)state;
    assert_int_equal(metrics_topic("usage.raw"), 0);
    assert_int_equal(metrics_topic("usage.raw2"), 1);
    assert_int_equal(metrics_topic("usage.rated"), 2);
    assert_int_equal(metrics_topic("usage.create"), -1);
}

static void every_series_of_a_known_topic_is_there_before_it_counts(void **state)
{
    (void)state;
    assert_true(value("usaged_records_total{topic=\"usage.raw2\",outcome=\"superseded\"}") == 0);
    assert_true(
        value("usaged_dead_letters_total{topic=\"usage.rated\",reason=\"schema-unknown\"}") == 0);
    assert_true(value("usaged_events_total{topic=\"usage.delete\"}") == 0);
    assert_true(value("usaged_takeovers_total{found=\"refused\"}") == 0);
    assert_true(value("usaged_retries_total{name=\"registry\"}") == 0);
    assert_true(value("usaged_parked_ended_total{outcome=\"dead\"}") == 0);
}

static void records_and_dead_letters_are_counted_by_topic(void **state)
{
    (void)state;
    metrics_records(0, OUTCOME_CREATED, 3);
    metrics_records(0, OUTCOME_CREATED, 4);
    metrics_dead(2, REASON_MALFORMED, 1);
    metrics_records(-1, OUTCOME_CREATED, 1);

    assert_true(value("usaged_records_total{topic=\"usage.raw\",outcome=\"created\"}") == 7);
    assert_true(value("usaged_dead_letters_total{topic=\"usage.rated\",reason=\"malformed\"}") ==
                1);
}

static void events_that_share_a_topic_are_one_series(void **state)
{
    (void)state;
    metrics_events(EVENT_STATE_CHANGE, 2);
    metrics_events(EVENT_ATTRIBUTE_CHANGE, 3);
    metrics_events(OUTBOX_DEAD, 1);

    assert_true(value("usaged_events_total{topic=\"usage.change\"}") == 5);
    assert_true(value("usaged_events_total{topic=\"usage.dead-letter\"}") == 1);
}

static void histograms_add_up_from_bucket_to_bucket(void **state)
{
    (void)state;
    metrics_stage(STAGE_STORE, 0.003);
    metrics_stage(STAGE_STORE, 0.020);
    metrics_stage(STAGE_STORE, 100);

    assert_true(value("usaged_batch_seconds_bucket{stage=\"store\",le=\"0.002\"}") == 0);
    assert_true(value("usaged_batch_seconds_bucket{stage=\"store\",le=\"0.005\"}") == 1);
    assert_true(value("usaged_batch_seconds_bucket{stage=\"store\",le=\"0.02\"}") == 2);
    assert_true(value("usaged_batch_seconds_bucket{stage=\"store\",le=\"10\"}") == 2);
    assert_true(value("usaged_batch_seconds_bucket{stage=\"store\",le=\"+Inf\"}") == 3);
    assert_true(value("usaged_batch_seconds_count{stage=\"store\"}") == 3);
    assert_true(value("usaged_batch_seconds_sum{stage=\"store\"}") > 100.02);
    metrics_batch(5000);
    assert_true(value("usaged_batch_records_bucket{le=\"2000\"}") == 0);
    assert_true(value("usaged_batch_records_bucket{le=\"5000\"}") == 1);
    assert_true(value("usaged_batch_records_sum") == 5000);
    assert_true(value("usaged_batch_records_count") == 1);
}

static void each_record_has_its_own_delay_which_is_never_negative(void **state)
{
    (void)state;
    int64_t now = instant_now();
    const int64_t since[] = {now - 6000, now - 6000, now + 60000, now - 3600000, now - 6000};
    metrics_delays(true, since, sizeof since / sizeof *since);

    assert_true(value("usaged_delay_seconds_bucket{to=\"published\",le=\"0.02\"}") == 1);
    assert_true(value("usaged_delay_seconds_bucket{to=\"published\",le=\"5\"}") == 1);
    assert_true(value("usaged_delay_seconds_bucket{to=\"published\",le=\"30\"}") == 4);
    assert_true(value("usaged_delay_seconds_bucket{to=\"published\",le=\"1800\"}") == 4);
    assert_true(value("usaged_delay_seconds_bucket{to=\"published\",le=\"7200\"}") == 5);
    assert_true(value("usaged_delay_seconds_count{to=\"published\"}") == 5);
    assert_true(value("usaged_delay_seconds_sum{to=\"published\"}") >= 3618);
    assert_true(value("usaged_delay_seconds_count{to=\"stored\"}") == 0);
}

static void offsets_are_shown_for_owned_partitions_only(void **state)
{
    (void)state;
    metrics_offset(0, 0, MARK_STORED, 100);
    metrics_offset(0, 1, MARK_HIGH, 200);
    metrics_offset(0, 0, MARK_STORED, 110);

    assert_true(value("usaged_offset{topic=\"usage.raw\",partition=\"0\",mark=\"stored\"}") == 110);
    assert_true(value("usaged_offset{topic=\"usage.raw\",partition=\"0\",mark=\"high\"}") == -1);
    assert_true(value("usaged_offset{topic=\"usage.raw\",partition=\"1\",mark=\"high\"}") == 200);
    metrics_disown(0, 0);
    metrics_disown(0, 7);
    assert_true(value("usaged_offset{topic=\"usage.raw\",partition=\"0\",mark=\"stored\"}") == -1);
    assert_true(value("usaged_offset{topic=\"usage.raw\",partition=\"1\",mark=\"high\"}") == 200);
}

static void gauges_show_the_last_value(void **state)
{
    (void)state;
    metrics_dependency(DEPENDENCY_POSTGRES, true);
    metrics_parked(12, 3600);
    metrics_takeover(FOUND_AHEAD);
    metrics_retry(DEPENDENCY_KAFKA);

    assert_true(value("usaged_dependency_up{name=\"postgres\"}") == 1);
    assert_true(value("usaged_dependency_up{name=\"kafka\"}") == 0);
    assert_true(value("usaged_parked") == 12);
    assert_true(value("usaged_parked_seconds") == 3600);
    assert_true(value("usaged_takeovers_total{found=\"ahead\"}") == 1);
    assert_true(value("usaged_retries_total{name=\"kafka\"}") == 1);
}

static void requests_are_counted_by_method_route_and_status(void **state)
{
    (void)state;
    char route[] = "/usage/{id}"; /* not the same address: not the same literal */
    metrics_http("GET", "/usage/{id}", 200, 0.001);
    metrics_http("GET", route, 200, 0.001);
    metrics_http("GET", "/usage/{id}", 404, 0.001);

    assert_true(
        value("usaged_http_requests_total{method=\"GET\",route=\"/usage/{id}\",status=\"200\"}") ==
        2);
    assert_true(
        value("usaged_http_requests_total{method=\"GET\",route=\"/usage/{id}\",status=\"404\"}") ==
        1);
    assert_true(value("usaged_http_request_seconds_count{route=\"/usage/{id}\"}") == 3);
}

static void the_process_is_described_from_proc(void **state)
{
    (void)state;
    assert_true(value("process_resident_memory_bytes") > 100000);
    assert_true(value("process_open_fds") >= 3);
    assert_true(value("process_max_fds") >= value("process_open_fds"));
    assert_true(value("process_cpu_seconds_total") >= 0);
    double started = value("process_start_time_seconds"), now = (double)time(NULL);
    assert_true(started > now - 3600 && started <= now + 2);
}

static void the_version_is_a_label(void **state)
{
    (void)state;
    struct buf b = {0};
    metrics_render(&b);
    assert_non_null(strstr(buf_text(&b), "\nusaged_build_info{version=\""));
    buf_fini(&b);
}

static void every_line_is_of_the_text_format(void **state)
{
    (void)state;
    struct buf b = {0};
    metrics_render(&b);
    assert_int_equal(b.data[b.len - 1], '\n');
    for (char *line = (char *)buf_text(&b), *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        char *rest = NULL;
        const char *blank = strrchr(line, ' ');
        bool comment = strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0;
        if (!comment && (!blank || (strtod(blank + 1, &rest), *rest != 0)))
            fail_msg("%s", line);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbound_topics_are_numbered_raw_first),
        cmocka_unit_test(every_series_of_a_known_topic_is_there_before_it_counts),
        cmocka_unit_test(records_and_dead_letters_are_counted_by_topic),
        cmocka_unit_test(events_that_share_a_topic_are_one_series),
        cmocka_unit_test(histograms_add_up_from_bucket_to_bucket),
        cmocka_unit_test(each_record_has_its_own_delay_which_is_never_negative),
        cmocka_unit_test(offsets_are_shown_for_owned_partitions_only),
        cmocka_unit_test(gauges_show_the_last_value),
        cmocka_unit_test(requests_are_counted_by_method_route_and_status),
        cmocka_unit_test(the_process_is_described_from_proc),
        cmocka_unit_test(the_version_is_a_label),
        cmocka_unit_test(every_line_is_of_the_text_format),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
