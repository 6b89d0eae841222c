#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "usage/outcome.h"
#include "usage_samples.h"

#include "arena_scene.h"

enum { NOTHING = -1, DELETED = -2 };
enum { RAW, DOCUMENT, RATED, WITH_USAGE };
enum { SAME = 1, OTHER = 2 }; /* contents of the usage */

/* A line of the table: ratings are named by their date, 0: none, UNDATED: one without a date; their
 * price is their own number. */
enum { UNDATED = 9 };

struct row {
    const char *rule;
    int record;
    enum usage_status status;
    int rating, price;
    int there; /* a status, NOTHING or DELETED */
    int there_rating, there_price;
    int content; /* of a usage in the record */
    enum outcome outcome;
    enum reason reason;
};

static struct list ratings(int date, int price)
{
    if (date == 0)
        return (struct list){0};
    struct rating *r = sample_rating(a);
    r->rating_date = date == UNDATED ? INSTANT_NONE : SAMPLE_RATED + date;
    r->tax_rate = sample_decimal(6, 0);
    r->tax_excluded->value = sample_decimal(price, 2);
    return (struct list){r, 1};
}

static struct change change_of(const struct row *row)
{
    static struct usage usage;
    struct change c = {
        .status = row->status, .ratings = ratings(row->rating, row->price), .content = SAME};
    c.kind = row->record == RAW        ? CHANGE_RAW
             : row->record == DOCUMENT ? CHANGE_DOCUMENT
                                       : CHANGE_RATED;
    if (row->record != RATED)
        c.usage = &usage;
    c.newest_rating = usage_newest_rating(&c.ratings);
    c.rated = 77;
    return c;
}

static struct there there_of(const struct row *row)
{
    struct there t = {.deleted = row->there == DELETED,
                      .content = (uint64_t)(row->content == OTHER ? OTHER : SAME)};
    if (!t.deleted) {
        t.usage.status = (enum usage_status)row->there;
        t.usage.ratings = ratings(row->there_rating, row->there_price);
        t.usage.revision = 3;
    }
    return t;
}

#define S(name) STATUS_##name
#define DEAD_OF(reason) OUTCOME_DEAD, REASON_##reason
#define IS(outcome) OUTCOME_##outcome, REASON_NONE

/* clang-format off: one rule, one line */
static const struct row table[] = {
    /* record              date price   there      date price content */
    {"a raw record of a new usage is created", RAW, S(RECEIVED), 0, 0, NOTHING, 0, 0, SAME,
     IS(CREATED)},
    {"the same raw record again is a duplicate", RAW, S(RECEIVED), 0, 0, S(RECEIVED), 0, 0, SAME,
     IS(DUPLICATE)},
    {"a late raw record of a rated usage is a duplicate", RAW, S(RECEIVED), 0, 0, S(RATED), 1, 60,
     SAME, IS(DUPLICATE)},
    {"a raw record with another status only is a duplicate", RAW, S(GUIDED), 0, 0, S(RECEIVED), 0,
     0, SAME, IS(DUPLICATE)},
    {"a raw record of a deleted usage is a duplicate", RAW, S(RECEIVED), 0, 0, DELETED, 0, 0, OTHER,
     IS(DUPLICATE)},
    {"a raw record that was changed is a conflict", RAW, S(RECEIVED), 0, 0, S(RECEIVED), 0, 0,
     OTHER, DEAD_OF(CONFLICT)},

    {"a document of a new usage is created", DOCUMENT, S(BILLED), 1, 60, NOTHING, 0, 0, SAME,
     IS(CREATED)},
    {"a document that differs in status and ratings only is a duplicate", DOCUMENT, S(BILLED), 1,
     60, S(RATED), 1, 61, SAME, IS(DUPLICATE)},
    {"a document with another content is a conflict", DOCUMENT, S(RATED), 1, 60, S(RATED), 1, 60,
     OTHER, DEAD_OF(CONFLICT)},
    {"a document of a deleted usage is a duplicate", DOCUMENT, S(RATED), 1, 60, DELETED, 0, 0,
     OTHER, IS(DUPLICATE)},

    {"a rating whose usage has not come is parked", RATED, S(RATED), 1, 60, NOTHING, 0, 0, SAME,
     IS(PARKED)},
    {"a bill without ratings is parked too", RATED, S(BILLED), 0, 0, NOTHING, 0, 0, SAME,
     IS(PARKED)},
    {"a rating that brings its usage creates it", WITH_USAGE, S(RATED), 1, 60, NOTHING, 0, 0, SAME,
     IS(CREATED)},
    {"a bill without ratings cannot create a usage", WITH_USAGE, S(BILLED), 0, 0, NOTHING, 0, 0,
     SAME, DEAD_OF(INCOMPLETE)},
    {"a rating that brings another usage is a conflict", WITH_USAGE, S(RATED), 1, 60, S(RECEIVED),
     0, 0, OTHER, DEAD_OF(CONFLICT)},
    {"so it is when the rating is there already", WITH_USAGE, S(RATED), 1, 60, S(RATED), 1, 60,
     OTHER, DEAD_OF(CONFLICT)},
    {"a rating that brings the same usage is applied", WITH_USAGE, S(RATED), 1, 60, S(RECEIVED), 0,
     0, SAME, IS(CHANGED)},
    {"a rating that brings the same usage again is a duplicate", WITH_USAGE, S(RATED), 1, 60,
     S(RATED), 1, 60, SAME, IS(DUPLICATE)},

    {"a usage that has this status and rating", RATED, S(RATED), 1, 60, S(RATED), 1, 60, SAME,
     IS(DUPLICATE)},
    {"a second guiding without ratings", RATED, S(GUIDED), 0, 0, S(GUIDED), 0, 0, SAME,
     IS(DUPLICATE)},
    {"a second guiding of a usage that has ratings", RATED, S(GUIDED), 0, 0, S(GUIDED), 1, 60, SAME,
     IS(DUPLICATE)},
    {"a second bill without ratings", RATED, S(BILLED), 0, 0, S(BILLED), 1, 60, SAME,
     IS(DUPLICATE)},
    {"the same rerating", RATED, S(RERATED), 1, 60, S(RERATED), 1, 60, SAME, IS(DUPLICATE)},

    {"a rating older than the usage's", RATED, S(RATED), 1, 60, S(RERATED), 2, 61, SAME,
     IS(SUPERSEDED)},
    {"an older rerating", RATED, S(RERATED), 1, 60, S(RERATED), 2, 61, SAME, IS(SUPERSEDED)},
    {"an older rating of a billed usage", RATED, S(RERATED), 1, 60, S(BILLED), 2, 61, SAME,
     IS(SUPERSEDED)},
    {"an older rating of the same status", RATED, S(RATED), 1, 60, S(RATED), 2, 61, SAME,
     IS(SUPERSEDED)},
    {"a rejection with an older rating", RATED, S(REJECTED), 1, 60, S(RATED), 2, 61, SAME,
     IS(SUPERSEDED)},
    {"a bill on an older price is a conflict", RATED, S(BILLED), 1, 60, S(RERATED), 2, 61, SAME,
     DEAD_OF(CONFLICT)},
    {"a bill on a price as old as the usage's", RATED, S(BILLED), 2, 61, S(RERATED), 2, 61, SAME,
     IS(CHANGED)},
    {"a record without a date is not older", RATED, S(GUIDED), UNDATED, 60, S(RECEIVED), 2, 61,
     SAME, IS(CHANGED)},

    {"guiding that comes after the rating", RATED, S(GUIDED), 0, 0, S(RATED), 1, 60, SAME,
     IS(SUPERSEDED)},
    {"guiding that comes after the rerating", RATED, S(GUIDED), 0, 0, S(RERATED), 1, 60, SAME,
     IS(SUPERSEDED)},
    {"guiding that comes after the bill", RATED, S(GUIDED), 0, 0, S(BILLED), 1, 60, SAME,
     IS(SUPERSEDED)},
    {"guiding that comes after the rejection is none", RATED, S(GUIDED), 0, 0, S(REJECTED), 0, 0,
     SAME, DEAD_OF(TRANSITION)},

    {"a rating with the same moment is not older", RATED, S(RATED), 2, 61, S(RATED), 2, 60, SAME,
     DEAD_OF(CONFLICT)},
    {"the same bill again", RATED, S(BILLED), 1, 60, S(BILLED), 1, 60, SAME, IS(DUPLICATE)},
    {"an older rating that brings the same usage", WITH_USAGE, S(RERATED), 1, 60, S(RATED), 2, 61,
     SAME, IS(SUPERSEDED)},
    {"an older rating that brings another usage", WITH_USAGE, S(RERATED), 1, 60, S(RATED), 2, 61,
     OTHER, DEAD_OF(CONFLICT)},

    {"received becomes guided", RATED, S(GUIDED), 0, 0, S(RECEIVED), 0, 0, SAME, IS(CHANGED)},
    {"received becomes rated", RATED, S(RATED), 1, 60, S(RECEIVED), 0, 0, SAME, IS(CHANGED)},
    {"received becomes rejected", RATED, S(REJECTED), 0, 0, S(RECEIVED), 0, 0, SAME, IS(CHANGED)},
    {"guided becomes rated", RATED, S(RATED), 1, 60, S(GUIDED), 0, 0, SAME, IS(CHANGED)},
    {"rejected becomes recycled", RATED, S(RECYCLED), 0, 0, S(REJECTED), 0, 0, SAME, IS(CHANGED)},
    {"recycled becomes rated", RATED, S(RATED), 1, 60, S(RECYCLED), 0, 0, SAME, IS(CHANGED)},
    {"rated becomes rerated", RATED, S(RERATED), 2, 61, S(RATED), 1, 60, SAME, IS(CHANGED)},
    {"rated becomes rerated at the same moment", RATED, S(RERATED), 1, 61, S(RATED), 1, 60, SAME,
     IS(CHANGED)},
    {"rated becomes billed, keeping its rating", RATED, S(BILLED), 0, 0, S(RATED), 1, 60, SAME,
     IS(CHANGED)},
    {"rerated becomes billed", RATED, S(BILLED), 2, 61, S(RERATED), 1, 60, SAME, IS(CHANGED)},
    {"rerated is rerated again", RATED, S(RERATED), 2, 61, S(RERATED), 1, 60, SAME, IS(UPDATED)},

    {"rated with another rating is a conflict", RATED, S(RATED), 2, 61, S(RATED), 1, 60, SAME,
     DEAD_OF(CONFLICT)},
    {"billed with another rating is a conflict", RATED, S(BILLED), 2, 61, S(BILLED), 1, 60, SAME,
     DEAD_OF(CONFLICT)},
    {"guided with another rating is a conflict", RATED, S(GUIDED), UNDATED, 61, S(GUIDED), 1, 60,
     SAME, DEAD_OF(CONFLICT)},

    {"received does not become billed", RATED, S(BILLED), 1, 60, S(RECEIVED), 0, 0, SAME,
     DEAD_OF(TRANSITION)},
    {"received does not become rerated", RATED, S(RERATED), 1, 60, S(RECEIVED), 0, 0, SAME,
     DEAD_OF(TRANSITION)},
    {"received does not become recycled", RATED, S(RECYCLED), 0, 0, S(RECEIVED), 0, 0, SAME,
     DEAD_OF(TRANSITION)},
    {"rejected does not become rated", RATED, S(RATED), 1, 60, S(REJECTED), 0, 0, SAME,
     DEAD_OF(TRANSITION)},
    {"rated does not become rejected", RATED, S(REJECTED), 0, 0, S(RATED), 1, 60, SAME,
     DEAD_OF(TRANSITION)},
    {"rerated becomes rated once more", RATED, S(RATED), 2, 61, S(RERATED), 1, 60, SAME,
     IS(CHANGED)},
    {"billed becomes nothing", RATED, S(RERATED), 2, 61, S(BILLED), 1, 60, SAME,
     DEAD_OF(TRANSITION)},
    {"a deleted usage becomes nothing", RATED, S(RATED), 1, 60, DELETED, 0, 0, SAME,
     DEAD_OF(TRANSITION)},
    {"nor with the usage inside", WITH_USAGE, S(RATED), 1, 60, DELETED, 0, 0, OTHER,
     DEAD_OF(TRANSITION)},

    {"a bill without ratings on a guided usage", RATED, S(BILLED), 0, 0, S(GUIDED), 0, 0, SAME,
     DEAD_OF(INCOMPLETE)},
    {"a bill without ratings on a rejected usage", RATED, S(BILLED), 0, 0, S(REJECTED), 0, 0, SAME,
     DEAD_OF(INCOMPLETE)},
    {"a bill without ratings comes before a conflict", WITH_USAGE, S(BILLED), 0, 0, S(RECEIVED), 0,
     0, OTHER, DEAD_OF(INCOMPLETE)},
};
/* clang-format on */

static void a_record_has_the_outcome_of_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct row *row = &table[i];
        struct change change = change_of(row);
        struct there there = there_of(row);
        struct verdict verdict;

        outcome(&change, row->there == NOTHING ? NULL : &there, &verdict);

        if (verdict.outcome != row->outcome || verdict.reason != row->reason)
            fail_msg("%s: %s %s", row->rule, outcome_names[verdict.outcome],
                     reason_name(verdict.reason));
        assert_int_equal(verdict.outcome == OUTCOME_DEAD, verdict.text[0] != 0);
    }
}

/* A usage at `status` that has the rating of that date and price. */
static struct there usage_at(enum usage_status status, int date, int price)
{
    struct there t = {.content = SAME};
    t.usage.status = status;
    t.usage.revision = 3;
    t.usage.ratings = ratings(date, price);
    t.usage.description = TEXT("a call");
    return t;
}

static struct change rated(enum usage_status status, int date, int price, uint64_t digest)
{
    struct change c = {
        .kind = CHANGE_RATED, .status = status, .ratings = ratings(date, price), .rated = digest};
    c.newest_rating = usage_newest_rating(&c.ratings);
    return c;
}

static enum outcome judged(const struct change *c, const struct there *t)
{
    struct verdict v;
    outcome(c, t, &v);
    return v.outcome;
}

/* Each state that a usage may be in, and what becomes of a record of each status with a newer and
 * another rating: c changed, u updated, s superseded, x conflict, t no transition. */
static void the_table_of_transitions_holds_for_each_pair_of_states(void **state)
{
    (void)state;
    static const enum usage_status to[] = {STATUS_GUIDED, STATUS_REJECTED, STATUS_RECYCLED,
                                           STATUS_RATED,  STATUS_RERATED,  STATUS_BILLED};
    static const struct {
        enum usage_status there;
        char becomes[7];
    } rows[] = {{STATUS_RECEIVED, "cctctt"}, {STATUS_GUIDED, "xctctt"}, {STATUS_REJECTED, "txcttt"},
                {STATUS_RECYCLED, "ccxctt"}, {STATUS_RATED, "sttxcc"},  {STATUS_RERATED, "sttcuc"},
                {STATUS_BILLED, "sttttx"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t k = 0; k < sizeof to / sizeof to[0]; k++) {
            struct there there = usage_at(rows[i].there, 1, 60);
            struct change change = rated(to[k], 2, 61, 1);
            struct verdict v;
            outcome(&change, &there, &v);
            char found = v.outcome == OUTCOME_CHANGED      ? 'c'
                         : v.outcome == OUTCOME_UPDATED    ? 'u'
                         : v.outcome == OUTCOME_SUPERSEDED ? 's'
                         : v.reason == REASON_CONFLICT     ? 'x'
                         : v.reason == REASON_TRANSITION   ? 't'
                                                           : '?';
            if (found != rows[i].becomes[k])
                fail_msg("%s to %s: %c", usage_status_names[rows[i].there],
                         usage_status_names[to[k]], found);
        }
}

static void both_states_stand_in_the_text_of_a_refused_transition(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_REJECTED, 0, 0);
    struct change change = rated(STATUS_RATED, 1, 60, 1);
    struct verdict v;

    outcome(&change, &there, &v);
    assert_string_equal(v.text, "there is no transition from rejected to rated");
    there.deleted = true;
    outcome(&change, &there, &v);
    assert_string_equal(v.text, "there is no transition from deleted to rated");
}

static void a_change_is_carried_out_on_the_usage(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_GUIDED, 0, 0);
    struct change change = rated(STATUS_RATED, 1, 60, 11);
    change.description = TEXT("priced");

    outcome_apply(&change, &there, a);

    assert_int_equal(there.usage.status, STATUS_RATED);
    assert_int_equal(there.usage.revision, 4);
    assert_true(text_is(there.usage.description, "priced"));
    assert_true(usage_ratings_equal(&there.usage.ratings, &change.ratings));
    assert_int_equal(there.rated_count, 1);
}

static void a_change_without_description_or_ratings_keeps_those_of_the_usage(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_RECEIVED, 1, 60);
    struct list before = there.usage.ratings;
    struct change change = rated(STATUS_GUIDED, 0, 0, 11);

    outcome_apply(&change, &there, a);

    assert_true(text_is(there.usage.description, "a call"));
    assert_ptr_equal(there.usage.ratings.items, before.items);
}

static void a_bill_without_ratings_bills_those_of_the_usage(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_RATED, 1, 60);
    const struct rating *before = there.usage.ratings.items;
    struct change change = rated(STATUS_BILLED, 0, 0, 11);

    outcome_apply(&change, &there, a);

    const struct rating *after = there.usage.ratings.items;
    assert_int_equal(there.usage.status, STATUS_BILLED);
    assert_int_equal(there.usage.ratings.count, 1);
    assert_int_equal(after->is_billed, 1);
    assert_int_equal(after->rating_date, before->rating_date);
    assert_int_equal(before->is_billed, -1); /* an event of before may still show it */
    assert_int_equal(judged(&change, &there), OUTCOME_DUPLICATE);
}

static void the_last_32_applied_records_are_known_again(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_RATED, 1, 1);
    for (int i = 2; i <= 34; i++) {
        struct change change = rated(STATUS_RERATED, 1, i, (uint64_t)i);
        assert_int_equal(judged(&change, &there), i == 2 ? OUTCOME_CHANGED : OUTCOME_UPDATED);
        outcome_apply(&change, &there, a);
    }
    assert_int_equal(there.rated_count, OUTCOME_DIGESTS);

    struct change forgotten = rated(STATUS_RERATED, 1, 2, 2),
                  oldest = rated(STATUS_RERATED, 1, 3, 3);

    assert_int_equal(judged(&forgotten, &there), OUTCOME_UPDATED);
    assert_int_equal(judged(&oldest, &there), OUTCOME_DUPLICATE);
}

static void a_copy_of_an_older_rating_that_was_applied_is_a_duplicate(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_GUIDED, 0, 0);
    struct change first = rated(STATUS_RATED, 1, 60, 1), second = rated(STATUS_RERATED, 2, 61, 2);
    outcome_apply(&first, &there, a);
    outcome_apply(&second, &there, a);

    assert_int_equal(judged(&first, &there), OUTCOME_DUPLICATE);
}

static void a_second_rerating_names_what_it_changes(void **state)
{
    (void)state;
    struct there there = usage_at(STATUS_RERATED, 1, 60);
    struct change change = rated(STATUS_RERATED, 2, 61, 1);

    assert_string_equal(outcome_field_path(&change, &there), "ratedProductUsage");
    change.description = TEXT("a call");
    assert_string_equal(outcome_field_path(&change, &there), "ratedProductUsage");
    change.description = TEXT("another");
    assert_string_equal(outcome_field_path(&change, &there), "description,ratedProductUsage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_outcome_of_its_line),
        cmocka_unit_test(the_table_of_transitions_holds_for_each_pair_of_states),
        cmocka_unit_test(both_states_stand_in_the_text_of_a_refused_transition),
        cmocka_unit_test(a_change_is_carried_out_on_the_usage),
        cmocka_unit_test(a_change_without_description_or_ratings_keeps_those_of_the_usage),
        cmocka_unit_test(a_bill_without_ratings_bills_those_of_the_usage),
        cmocka_unit_test(the_last_32_applied_records_are_known_again),
        cmocka_unit_test(a_copy_of_an_older_rating_that_was_applied_is_a_duplicate),
        cmocka_unit_test(a_second_rerating_names_what_it_changes),
    };
    return cmocka_run_group_tests(tests, start, end);
}
