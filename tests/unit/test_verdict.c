#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "app/verdict.h"

/* A partition of cluster "c" with records [0, 1000), all stored and published up to 500, unless a
 * test says otherwise. */
static struct verdict_input usual(void)
{
    return (struct verdict_input){.topic = "usage.raw",
                                  .partition = 3,
                                  .group = "usaged",
                                  .has_row = true,
                                  .stored = 500,
                                  .row_cluster = "c",
                                  .cluster = "c",
                                  .low = 0,
                                  .high = 1000,
                                  .published = 500};
}

static enum metrics_found found(const struct verdict_input *in)
{
    char why[1024];
    return verdict_of(in, why, sizeof why);
}

static const char *why_of(const struct verdict_input *in)
{
    static char why[1024];
    verdict_of(in, why, sizeof why);
    return why;
}

static void set_outbox(struct verdict_input *in, const struct verdict_range *ranges, size_t count)
{
    in->outbox = ranges;
    in->outbox_count = count;
}

/* --- the table, from the top ---------------------------------------------------------------- */

static void another_cluster_is_refused(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.row_cluster = "other";

    assert_int_equal(found(&in), FOUND_REFUSED);
    assert_non_null(strstr(why_of(&in), "cluster other, and this is cluster c"));
}

static void stored_outside_of_what_kafka_holds_is_refused(void **state)
{
    (void)state;
    struct verdict_input below = usual(), above = usual();
    below.low = 501;
    above.high = 499;

    assert_int_equal(found(&below), FOUND_REFUSED);
    assert_non_null(strstr(
        why_of(&below), "stored 500 is below Kafka's low watermark 501: retention took 1 records"));
    assert_int_equal(found(&above), FOUND_REFUSED);
    assert_non_null(strstr(why_of(&above), "stored 500 is above Kafka's high watermark 499"));
}

static void stored_at_either_watermark_is_not_outside(void **state)
{
    (void)state;
    struct verdict_input low = usual(), high = usual();
    low.low = 500;
    high.high = 500;

    assert_int_equal(found(&low), FOUND_EQUAL);
    assert_int_equal(found(&high), FOUND_EQUAL);
}

static void no_row_is_a_first_start(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.has_row = false;
    in.row_cluster = NULL;

    assert_int_equal(found(&in), FOUND_FIRST);
    assert_string_equal(why_of(&in),
                        "no row in PostgreSQL: begins at the group's committed offset 500");
    in.published = -1;
    assert_int_equal(found(&in), FOUND_FIRST);
    assert_string_equal(why_of(&in),
                        "no row in PostgreSQL and nothing committed: begins by start.offset");
}

static void stored_as_published_is_equal(void **state)
{
    (void)state;
    static const struct verdict_range published[] = {{400, 450}, {450, 500}};
    struct verdict_input in = usual();

    assert_int_equal(found(&in), FOUND_EQUAL);
    assert_string_equal(why_of(&in), "");
    set_outbox(&in, published, 2); /* not yet removed */
    assert_int_equal(found(&in), FOUND_EQUAL);
}

static void stored_above_published_with_the_outbox_between_is_ahead(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{300, 400}, {400, 450}, {450, 500}};
    struct verdict_input in = usual();
    in.published = 400;

    set_outbox(&in, rows + 1, 2);
    assert_int_equal(found(&in), FOUND_AHEAD);
    assert_non_null(strstr(why_of(&in), "[400, 500)"));
    set_outbox(&in, rows, 3); /* one that is published lies there still */
    assert_int_equal(found(&in), FOUND_AHEAD);
}

static void a_gap_in_the_outbox_is_refused(void **state)
{
    (void)state;
    static const struct verdict_range none[] = {{300, 400}}, late[] = {{410, 500}},
                                      early[] = {{390, 500}}, middle[] = {{400, 440}, {450, 500}},
                                      end[] = {{400, 490}}, past[] = {{400, 510}};
    static const struct {
        const struct verdict_range *rows;
        size_t count;
    } cases[] = {{NULL, 0}, {none, 1}, {late, 1}, {early, 1}, {middle, 2}, {end, 1}, {past, 1}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict_input in = usual();
        in.published = 400;
        set_outbox(&in, cases[i].rows, cases[i].count);
        assert_int_equal(found(&in), FOUND_REFUSED);
        assert_non_null(strstr(why_of(&in), "stored 500 is above published 400"));
    }
}

static void stored_below_published_is_refused(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.published = 600;

    assert_int_equal(found(&in), FOUND_REFUSED);
    assert_non_null(strstr(why_of(&in), "stored 500 is below published 600"));
}

static void nothing_committed_and_an_empty_outbox_is_forgotten(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.published = -1;

    assert_int_equal(found(&in), FOUND_FORGOTTEN);
}

static void nothing_committed_and_rows_in_the_outbox_is_refused(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{450, 500}};
    struct verdict_input in = usual();
    in.published = -1;
    set_outbox(&in, rows, 1);

    assert_int_equal(found(&in), FOUND_REFUSED);
}

/* --- which line comes first ----------------------------------------------------------------- */

static void the_cluster_is_looked_at_before_the_watermarks(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.row_cluster = "other";
    in.low = 900;

    assert_non_null(strstr(why_of(&in), "cluster other"));
}

static void kafkas_bounds_are_looked_at_before_what_is_published(void **state)
{
    (void)state;
    struct verdict_input equal = usual(), forgotten = usual();
    equal.low = forgotten.low = 900;
    forgotten.published = -1;

    assert_int_equal(found(&equal), FOUND_REFUSED);
    assert_int_equal(found(&forgotten), FOUND_REFUSED);
}

/* --- the call that mends -------------------------------------------------------------------- */

static void a_refusal_says_what_to_reset(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{300, 310}, {400, 450}, {450, 500}};
    static const char group[] =
        "kafka-consumer-groups.sh --group usaged --topic usage.raw:3 --reset-offsets --to-offset ";
    struct verdict_input behind = usual(), gap = usual(), expired = usual(), retention = usual(),
                         moved = usual();
    char want[256];

    behind.published = 600;
    snprintf(want, sizeof want, "%s500 --execute", group);
    assert_non_null(strstr(why_of(&behind), want));

    gap.published = 350;
    set_outbox(&gap, rows, 3);
    snprintf(want, sizeof want, "%s400 --execute", group);
    assert_non_null(strstr(why_of(&gap), want));

    expired.published = -1;
    set_outbox(&expired, rows + 1, 2);
    assert_non_null(strstr(why_of(&expired), want));

    retention.low = 700;
    snprintf(want, sizeof want, "%s700 --execute", group);
    assert_non_null(
        strstr(why_of(&retention),
               "UPDATE usaged.source_offset SET next_offset = 700 WHERE (topic, partition) = "
               "('usage.raw', 3); and kafka-consumer-groups.sh"));
    assert_non_null(strstr(why_of(&retention), want));

    moved.row_cluster = "other";
    assert_non_null(
        strstr(why_of(&moved),
               "DELETE FROM usaged.outbox WHERE (topic, partition) = ('usage.raw', 3); "
               "DELETE FROM usaged.source_offset WHERE (topic, partition) = ('usage.raw', 3)"));
}

static void a_reset_that_gives_up_events_says_so(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{400, 450}, {450, 500}};
    struct verdict_input in = usual();
    in.low = 700;
    in.published = 450;
    set_outbox(&in, rows, 2);

    assert_non_null(strstr(why_of(&in), "(giving up 1 outbox rows that may not be published)"));
}

static void the_call_is_whole_with_names_of_the_greatest_length(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{400, 450}};
    char topic[250], group[201], why[VERDICT_WHY];
    memset(topic, 't', sizeof topic);
    memset(group, 'g', sizeof group);
    topic[sizeof topic - 1] = group[sizeof group - 1] = 0;
    struct verdict_input in = usual();
    in.topic = topic;
    in.group = group;
    in.brokers = "kafka-1.example.com:9092,kafka-2.example.com:9092,kafka-3.example.com:9092";
    in.stored = in.published = INT64_MAX;
    set_outbox(&in, rows, 1);

    assert_int_equal(verdict_of(&in, why, sizeof why), FOUND_REFUSED);
    const char *end = strstr(why, " --execute --bootstrap-server ");
    assert_non_null(end);
    assert_string_equal(end + strlen(" --execute --bootstrap-server "), in.brokers);
}

static void a_long_sentence_is_cut_to_its_room(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.low = 700;

    for (size_t size = 0; size < 400; size++) {
        char *why = malloc(size + 1);
        memset(why, 'x', size + 1);
        assert_int_equal(verdict_of(&in, why, size), FOUND_REFUSED);
        assert_int_equal(why[size], 'x');
        if (size > 0)
            assert_true(strlen(why) == size - 1);
        free(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_cluster_is_refused),
        cmocka_unit_test(stored_outside_of_what_kafka_holds_is_refused),
        cmocka_unit_test(stored_at_either_watermark_is_not_outside),
        cmocka_unit_test(no_row_is_a_first_start),
        cmocka_unit_test(stored_as_published_is_equal),
        cmocka_unit_test(stored_above_published_with_the_outbox_between_is_ahead),
        cmocka_unit_test(a_gap_in_the_outbox_is_refused),
        cmocka_unit_test(stored_below_published_is_refused),
        cmocka_unit_test(nothing_committed_and_an_empty_outbox_is_forgotten),
        cmocka_unit_test(nothing_committed_and_rows_in_the_outbox_is_refused),
        cmocka_unit_test(the_cluster_is_looked_at_before_the_watermarks),
        cmocka_unit_test(kafkas_bounds_are_looked_at_before_what_is_published),
        cmocka_unit_test(a_refusal_says_what_to_reset),
        cmocka_unit_test(a_reset_that_gives_up_events_says_so),
        cmocka_unit_test(the_call_is_whole_with_names_of_the_greatest_length),
        cmocka_unit_test(a_long_sentence_is_cut_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
