#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "app/mend_plan.h"

static const struct verdict_range rows[] = {{400, 450}, {450, 500}};

/* Records [0, 1000) of cluster "c", stored up to 500 and published up to 400; the outbox holds what
 * lies between: a takeover would find `ahead`. */
static struct verdict_input ahead(void)
{
    return (struct verdict_input){.topic = "usage.raw",
                                  .partition = 3,
                                  .has_row = true,
                                  .stored = 500,
                                  .row_cluster = "c",
                                  .cluster = "c",
                                  .low = 0,
                                  .high = 1000,
                                  .published = 400,
                                  .outbox = rows,
                                  .outbox_count = 2};
}

static struct mend_plan plan_of(const struct verdict_input *in, int64_t at)
{
    struct mend_plan plan;
    assert_true(mend_plan_of(in, at, &plan));
    return plan;
}

/* The partition as the next takeover finds it. */
static enum metrics_found found_after(const struct verdict_input *in, const struct mend_plan *plan)
{
    static struct verdict_range kept[8];
    struct verdict_input after = *in;
    char why[VERDICT_WHY];
    after.has_row = true;
    after.row_cluster = in->cluster;
    after.stored = plan->stored;
    after.published = in->no_partition ? -1 : plan->published;
    after.outbox = kept;
    after.outbox_count = 0;
    for (size_t i = 0; i < in->outbox_count; i++)
        if (in->outbox[i].from >= plan->keep_from && in->outbox[i].to <= plan->keep_to)
            kept[after.outbox_count++] = in->outbox[i];
    assert_int_equal(after.outbox_count, plan->kept);
    if (plan->kind == MEND_SKIP)
        kept[after.outbox_count - 1].to = plan->stored;
    return verdict_of(&after, why, sizeof why);
}

/* What a death between the two commits leaves: Kafka's offset is the new one, the rest is old. */
static enum metrics_found found_between(const struct verdict_input *in,
                                        const struct mend_plan *plan)
{
    struct verdict_input between = *in;
    char why[VERDICT_WHY];
    between.published = in->no_partition ? -1 : plan->published;
    return verdict_of(&between, why, sizeof why);
}

static const char *words(const struct verdict_input *in, int64_t at)
{
    static struct buf text;
    struct mend_plan plan = plan_of(in, at);
    buf_reset(&text);
    mend_plan_say(&plan, in, 30, 20, &text);
    return buf_text(&text);
}

/* --- the rule ------------------------------------------------------------------------------- */

static void what_the_outbox_holds_from_the_offset_to_stored_is_published(void **state)
{
    (void)state;
    struct verdict_input in = ahead();
    in.published = 420;

    struct mend_plan all = plan_of(&in, 400), one = plan_of(&in, 450);

    assert_int_equal(all.kind, MEND_PUBLISH);
    assert_int_equal(all.stored, 500);
    assert_int_equal(all.published, 400);
    assert_int_equal(all.kept, 2);
    assert_int_equal(all.given_up, 0);
    assert_int_equal(one.kind, MEND_PUBLISH);
    assert_int_equal(one.published, 450);
    assert_int_equal(one.kept, 1);
    assert_int_equal(one.given_up, 1);
}

static void the_outbox_is_published_though_retention_has_taken_its_records(void **state)
{
    (void)state;
    struct verdict_input in = ahead();
    in.published = -1;
    in.low = 480;

    assert_int_equal(plan_of(&in, 400).kind, MEND_PUBLISH);
}

static void an_offset_above_stored_skips_records_and_keeps_what_is_on_its_way(void **state)
{
    (void)state;
    struct verdict_input in = ahead();
    in.low = 700;

    struct mend_plan plan = plan_of(&in, 700);

    assert_int_equal(plan.kind, MEND_SKIP);
    assert_int_equal(plan.stored, 700);
    assert_int_equal(plan.published, 400);
    assert_int_equal(plan.kept, 2);
    assert_int_equal(found_after(&in, &plan), FOUND_AHEAD);
}

static void else_both_marks_go_there_and_the_outbox_is_given_up(void **state)
{
    (void)state;
    static const struct verdict_range gap[] = {{400, 440}, {450, 500}};
    struct verdict_input back = ahead(), holes = ahead(), moved = ahead(), beyond = ahead();
    holes.outbox = gap;
    moved.row_cluster = "other";
    beyond.high = 499;
    const struct {
        const struct verdict_input *in;
        int64_t at;
        size_t given_up;
    } cases[] = {{&back, 300, 2},  {&back, 410, 2},  {&back, 500, 2},  {&holes, 400, 2},
                 {&holes, 600, 2}, {&moved, 400, 2}, {&beyond, 400, 2}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mend_plan plan = plan_of(cases[i].in, cases[i].at);
        assert_int_equal(plan.kind, MEND_BOTH);
        assert_int_equal(plan.stored, cases[i].at);
        assert_int_equal(plan.published, cases[i].at);
        assert_int_equal(plan.kept, 0);
        assert_int_equal(plan.given_up, cases[i].given_up);
    }
}

static void rows_that_are_published_are_not_given_up(void **state)
{
    (void)state;
    struct verdict_input in = ahead();
    in.published = 450;

    struct mend_plan plan = plan_of(&in, 300);

    assert_int_equal(plan.removed, 2);
    assert_int_equal(plan.given_up, 1);

    in.row_cluster = "other"; /* of which this cluster's group says nothing */
    assert_int_equal(plan_of(&in, 300).given_up, 2);
}

static void an_offset_that_kafka_does_not_hold_is_refused(void **state)
{
    (void)state;
    struct verdict_input in = ahead();
    struct mend_plan plan;
    in.low = 100;

    assert_false(mend_plan_of(&in, 99, &plan));
    assert_true(mend_plan_of(&in, 100, &plan));
    assert_true(mend_plan_of(&in, 1000, &plan));
    assert_false(mend_plan_of(&in, 1001, &plan));
}

static void what_is_so_already_is_left_alone(void **state)
{
    (void)state;
    struct verdict_input in = ahead();
    assert_int_equal(plan_of(&in, 400).kind, MEND_NOTHING);
    in.published = 500;
    assert_int_equal(plan_of(&in, 500).kind, MEND_NOTHING); /* with rows that are published */
    in.row_cluster = "other";
    assert_int_equal(plan_of(&in, 500).kind, MEND_BOTH);
}

/* --- every state, every offset -------------------------------------------------------------- */

static const struct verdict_range other_rows[][3] = {
    {{0, 2}, {2, 4}, {4, 6}}, {{1, 2}, {2, 4}, {4, 6}}, {{0, 2}, {3, 4}, {4, 6}},
    {{2, 4}, {4, 6}, {6, 7}}, {{2, 3}, {3, 5}, {5, 7}}, {{4, 6}, {6, 8}, {8, 9}},
};

typedef void check(const struct verdict_input *in, const struct mend_plan *plan);

static void each_state(check *does)
{
    struct mend_plan plan;
    struct verdict_input in = ahead();
    for (int cluster = 0; cluster < 2; cluster++)
        for (in.low = 0; in.low <= 6; in.low += 3)
            for (in.high = in.low; in.high <= 9; in.high += 3)
                for (in.stored = 0; in.stored <= 9; in.stored++)
                    for (in.published = -1; in.published <= 9; in.published++)
                        for (size_t r = 0; r < 24; r++)
                            for (int64_t at = 0; at <= 9; at++) {
                                in.row_cluster = cluster ? "other" : "c";
                                in.outbox = other_rows[r / 4];
                                in.outbox_count = r % 4;
                                if (mend_plan_of(&in, at, &plan))
                                    does(&in, &plan);
                            }
}

static void is_resolved(const struct verdict_input *in, const struct mend_plan *plan)
{
    enum metrics_found found = found_after(in, plan);
    assert_true(found == FOUND_EQUAL || found == FOUND_AHEAD);
    assert_int_equal(found == FOUND_AHEAD, plan->kept > 0);
}

static void after_a_mend_nothing_is_refused(void **state)
{
    (void)state;
    each_state(is_resolved);
}

/* Unless it is the mended state but for rows that the next cleaning takes. */
static void is_refused_or_resolved(const struct verdict_input *in, const struct mend_plan *plan)
{
    enum metrics_found found = found_between(in, plan);
    if (found == FOUND_REFUSED)
        return;
    assert_int_equal(in->stored, plan->kind == MEND_SKIP ? in->stored : plan->stored);
    assert_int_equal(found == FOUND_AHEAD, plan->kept > 0);
}

static void a_death_between_the_two_commits_is_refused_or_mended(void **state)
{
    (void)state;
    each_state(is_refused_or_resolved);
}

/* --- words ---------------------------------------------------------------------------------- */

static void what_is_skipped_repeated_published_or_given_up_is_said(void **state)
{
    (void)state;
    struct verdict_input in = ahead(), gap = ahead(), backup = ahead();
    in.low = 700;
    gap.published = 420;
    backup.published = 600;

    assert_string_equal(words(&in, 700),
                        "  stored: 500 -> 700\n  published stays 400\n"
                        "  200 records, [500, 700), are never read\n"
                        "  2 outbox rows with 30 messages are published at the next start, perhaps "
                        "for the second time\n");
    assert_non_null(strstr(words(&gap, 450), "published: 420 -> 450\n"));
    assert_non_null(strstr(words(&gap, 450), "  1 outbox rows with 20 messages are given up"));
    assert_non_null(strstr(words(&gap, 300), "  200 records, [300, 500), are read again"));
    assert_non_null(strstr(words(&backup, 500), "  100 records, [500, 600), are read again"));
    assert_non_null(
        strstr(words(&backup, 500), "  2 outbox rows that are published already are removed"));
    assert_non_null(strstr(words(&backup, 600), "  100 records, [500, 600), are never read: of "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_outbox_holds_from_the_offset_to_stored_is_published),
        cmocka_unit_test(the_outbox_is_published_though_retention_has_taken_its_records),
        cmocka_unit_test(an_offset_above_stored_skips_records_and_keeps_what_is_on_its_way),
        cmocka_unit_test(else_both_marks_go_there_and_the_outbox_is_given_up),
        cmocka_unit_test(rows_that_are_published_are_not_given_up),
        cmocka_unit_test(an_offset_that_kafka_does_not_hold_is_refused),
        cmocka_unit_test(what_is_so_already_is_left_alone),
        cmocka_unit_test(after_a_mend_nothing_is_refused),
        cmocka_unit_test(a_death_between_the_two_commits_is_refused_or_mended),
        cmocka_unit_test(what_is_skipped_repeated_published_or_given_up_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
