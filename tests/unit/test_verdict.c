#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/verdict.h"

/* A partition of cluster "c" with records [0, 1000), all stored and published up to 500, unless a
 * test says otherwise. */
static struct verdict_input usual(void)
{
    return (struct verdict_input){.topic = "usage.raw",
                                  .partition = 3,
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
        why_of(&below), "stored 500 is below Kafka's low watermark 501: retention took 1 offsets"));
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

static void assert_call(const struct verdict_input *in, const char *call)
{
    const char *why = why_of(in), *at = strstr(why, ", usaged stopped: ");
    assert_non_null(at);
    assert_string_equal(at + strlen(", usaged stopped: "), call);
}

static void a_refusal_ends_with_the_call_that_mends_it(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{300, 310}, {400, 450}, {450, 500}};
    static const struct verdict_range late[] = {{400, 450}, {450, 490}};
    static const struct verdict_range past[] = {{400, 500}, {500, 510}};
    struct verdict_input behind = usual(), gap = usual(), expired = usual(), retention = usual(),
                         cut = usual(), moved = usual(), gone = usual();

    moved.row_cluster = "other";
    assert_call(&moved, "usaged offsets --mend usage.raw:3 --at 500 --yes");
    moved.published = -1;
    assert_call(&moved, "usaged offsets --mend usage.raw:3 --at 0 --yes");
    moved.published = 1001; /* an offset that this cluster cannot have written */
    assert_call(&moved, "usaged offsets --mend usage.raw:3 --at 0 --yes");

    retention.low = 700;
    assert_call(&retention, "usaged offsets --mend usage.raw:3 --at 700 --yes");

    cut.low = 100;
    cut.high = 499;
    assert_call(&cut, "usaged offsets --mend usage.raw:3 --at 100 --yes");

    behind.published = 600;
    assert_call(&behind, "usaged offsets --mend usage.raw:3 --at 500 --yes");

    gap.published = 350;
    set_outbox(&gap, rows, 3);
    assert_call(&gap, "usaged offsets --mend usage.raw:3 --at 400 --yes");
    set_outbox(&gap, late, 2); /* which does not reach what is stored */
    assert_call(&gap, "usaged offsets --mend usage.raw:3 --at 500 --yes");
    set_outbox(&gap, past, 2); /* which does not end there */
    assert_call(&gap, "usaged offsets --mend usage.raw:3 --at 500 --yes");

    expired.published = -1;
    set_outbox(&expired, rows + 1, 2);
    assert_call(&expired, "usaged offsets --mend usage.raw:3 --at 400 --yes");

    gone.no_partition = true;
    gone.low = gone.high = 0;
    gone.published = -1;
    assert_call(&gone, "usaged offsets --mend usage.raw:3 --at 0 --yes");
}

static void a_call_that_gives_up_events_or_repeats_them_says_so(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{400, 450}, {450, 500}};
    struct verdict_input cut = usual(), retention = usual(), expired = usual();
    cut.high = 499;
    cut.published = 450;
    set_outbox(&cut, rows, 2);
    retention.low = 700;
    retention.published = 450;
    set_outbox(&retention, rows, 2);
    expired.published = -1;
    set_outbox(&expired, rows, 2);

    assert_non_null(strstr(
        why_of(&cut), "beginning (giving up 1 outbox rows that may not be published), usaged"));
    assert_non_null(strstr(why_of(&retention),
                           "without them (publishing 1 outbox rows, perhaps again), usaged"));
    assert_non_null(
        strstr(why_of(&expired), "begins (publishing 2 outbox rows, perhaps again), usaged"));
}

static void the_numbers_of_what_is_written_over_http_are_not_read_again(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.topic = "@http";
    in.partition = 0;
    in.high = INT64_MAX;
    in.published = 600;

    assert_int_equal(found(&in), FOUND_REFUSED);
    assert_call(&in, "usaged offsets --mend @http:0 --at 600 --yes");
}

static void a_partition_that_is_gone_is_refused_until_all_of_it_is_forgotten(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{0, 5}};
    struct verdict_input in = usual();
    in.no_partition = true;
    in.low = in.high = in.stored = 0;
    in.published = -1;

    assert_int_equal(found(&in), FOUND_FORGOTTEN);
    set_outbox(&in, rows, 1);
    assert_int_equal(found(&in), FOUND_REFUSED);
}

static void the_call_is_whole_with_names_of_the_greatest_length(void **state)
{
    (void)state;
    static const struct verdict_range rows[] = {{400, 450}};
    char topic[250], why[VERDICT_WHY], call[400];
    memset(topic, 't', sizeof topic);
    topic[sizeof topic - 1] = 0;
    struct verdict_input in = usual();
    in.topic = topic;
    in.partition = INT32_MAX;
    in.stored = in.published = INT64_MAX;
    in.low = INT64_MAX - 2;
    in.high = INT64_MAX - 1;
    set_outbox(&in, rows, 1);

    assert_int_equal(verdict_of(&in, why, sizeof why), FOUND_REFUSED);
    snprintf(call, sizeof call, "usaged offsets --mend %s:%d --at %lld --yes", topic, INT32_MAX,
             (long long)in.low);
    assert_string_equal(why + strlen(why) - strlen(call), call);
}

static void a_long_sentence_is_cut_to_its_room(void **state)
{
    (void)state;
    struct verdict_input in = usual();
    in.low = 700;

    for (size_t size = 0; size < 150; size++) {
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
        cmocka_unit_test(a_refusal_ends_with_the_call_that_mends_it),
        cmocka_unit_test(a_call_that_gives_up_events_or_repeats_them_says_so),
        cmocka_unit_test(the_numbers_of_what_is_written_over_http_are_not_read_again),
        cmocka_unit_test(a_partition_that_is_gone_is_refused_until_all_of_it_is_forgotten),
        cmocka_unit_test(the_call_is_whole_with_names_of_the_greatest_length),
        cmocka_unit_test(a_long_sentence_is_cut_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
