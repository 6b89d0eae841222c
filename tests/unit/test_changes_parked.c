/* Ratings that wait for their usage: in a batch, and in the sweep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "changes_scene.h"

static void a_rating_without_its_usage_is_parked_and_says_nothing(void **state)
{
    (void)state;
    struct entry *e = add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);

    changes_group(&c);
    decide();

    assert_int_equal(e->outcome, OUTCOME_PARKED);
    assert_int_equal(c.to_park_count, 1);
    assert_string_equal(messages(RATED), "");
    assert_int_equal(parts[RATED].outcomes[OUTCOME_PARKED], 1);
}

static void a_usage_applies_what_is_parked_for_it_oldest_rating_first(void **state)
{
    (void)state;
    struct entry *raw = add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], rating("r1", STATUS_RERATED, SAMPLE_RATED + 9), 3);
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 4);
    decide();

    assert_int_equal(raw->outcome, OUTCOME_CREATED);
    assert_int_equal(parts[RAW].parked_ended[OUTCOME_CHANGED], 2);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
    assert_int_equal(c.groups[0].now->usage.revision, 3);
    assert_string_equal(messages(RAW), "css");
}

static void a_usage_with_a_source_system_of_its_own_tells_its_name_to_what_was_parked(void **state)
{
    (void)state;
    struct entry *raw = add_raw(1, "r1", "VOICE");
    struct list *own = &raw->change.usage->characteristics;
    struct characteristic *c0 = own->items;
    for (size_t i = 0; i < own->count; i++)
        if (text_is(c0[i].name, "sourceSystem"))
            c0[i].value.text = TEXT("another");
    struct change parked = rating("r1", STATUS_RATED, SAMPLE_RATED);
    parked.source = parked.record_id = (struct text){0}; /* as the table has it */

    changes_group(&c);
    all_new();
    park(&c.groups[0], parked, 3);
    decide();

    assert_string_equal(messages(RAW), "cs");
    assert_true(text_is(raw->effects->next->source, "med-gz-02"));
    assert_true(text_is(raw->effects->next->record_id, "r1"));
}

static void a_parked_rating_without_date_acts_right_behind_the_one_parked_before_it(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], undated("r1", STATUS_GUIDED), 2); /* first: none is before it */
    park(&c.groups[0], rating("r1", STATUS_RERATED, SAMPLE_RATED + 9), 3);
    park(&c.groups[0], undated("r1", STATUS_BILLED), 4);
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 5);
    decide();

    static const enum usage_status previous[] = {STATUS_RECEIVED, STATUS_GUIDED, STATUS_RATED,
                                                 STATUS_RERATED};
    const struct effect *f = entries[0].effects->next; /* behind the create */
    for (size_t i = 0; i < 4; i++, f = f->next)
        assert_int_equal(f->previous, previous[i]);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_BILLED);
    assert_int_equal(parts[RAW].parked_ended[OUTCOME_CHANGED], 4);
}

static void what_becomes_of_parked_ratings_is_not_counted_as_records(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 2);
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 3);
    park(&c.groups[0], undated("r1", STATUS_GUIDED), 4);
    park(&c.groups[0], undated("r1", STATUS_REJECTED), 5);
    decide();

    static const enum outcome ended[] = {OUTCOME_CHANGED, OUTCOME_DUPLICATE, OUTCOME_SUPERSEDED,
                                         OUTCOME_DEAD};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parts[RAW].parked_ended[ended[i]], 1);
        assert_int_equal(parts[RAW].outcomes[ended[i]] + parts[RATED].outcomes[ended[i]], 0);
    }
    assert_int_equal(parts[RAW].outcomes[OUTCOME_CREATED], 1);
    assert_string_equal(messages(RAW), "csx");
}

static void
a_parked_rating_that_no_longer_fits_becomes_a_dead_letter_with_its_own_bytes(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], rating("r1", STATUS_RERATED, SAMPLE_RATED), 3);
    decide();

    assert_int_equal(parts[RAW].parked_ended[OUTCOME_DEAD], 1);
    assert_int_equal(parts[RAW].outcomes[OUTCOME_DEAD], 0);
    const struct outbox_message *m = message(RAW, 1);
    assert_int_equal(m->topic, OUTBOX_DEAD);
    assert_true(text_is(m->value, "parked"));
}

static void a_rating_that_finds_others_parked_is_applied_in_their_order(void **state)
{
    (void)state;
    struct entry *rerated = add_rated(7, "r1", STATUS_RERATED, SAMPLE_RATED + 9);
    add_raw(1, "r1", "VOICE");
    changes_group(&c);
    struct there there = {.content = entries[1].change.content, .usage = *entries[1].change.usage};
    c.groups[0].there = &there;
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 4);

    decide();

    assert_int_equal(entries[1].outcome, OUTCOME_DUPLICATE);
    assert_int_equal(rerated->outcome, OUTCOME_CHANGED);
    assert_int_equal(parts[RATED].parked_ended[OUTCOME_CHANGED], 1);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
    assert_string_equal(messages(RATED), "ss");
}

static void a_rating_whose_usage_comes_later_in_the_same_batch_is_parked_and_applied(void **state)
{
    (void)state;
    struct entry *first = add_rated(5, "r1", STATUS_RERATED, SAMPLE_RATED + 9);
    struct entry *whole = add_whole(6, "r1", STATUS_RATED, (struct list){sample_rating(a), 1});

    take_new();

    assert_int_equal(first->outcome, OUTCOME_PARKED);
    assert_int_equal(whole->outcome, OUTCOME_CREATED);
    assert_int_equal(c.to_park_count, 0);
    assert_int_equal(parts[RATED].parked_ended[OUTCOME_CHANGED], 1);
    assert_string_equal(messages(RATED), "cs");
}

/* --- a sweep: no records, one part --- */

static struct group *sweep_of(const struct usage_id *id)
{
    c.part_count = 1;
    parts[0].topic = "@http";
    changes_sweep(&c, id, 1);
    return &c.groups[0];
}

static void a_sweep_applies_what_waits_oldest_rating_first_and_counts_no_record(void **state)
{
    (void)state;
    struct change guided = rating("r1", STATUS_GUIDED, SAMPLE_NOW - 1000),
                  rated = rating("r1", STATUS_RATED, SAMPLE_NOW);
    struct usage *usage = add_raw(0, "r1", "VOICE")->change.usage;
    struct group *g = sweep_of(&rated.id);
    g->there = arena_zero(a, sizeof *g->there);
    g->there->usage = *usage;
    g->there->usage.revision = 4;
    park(g, rated, 1);
    park(g, guided, 2);

    decide();

    assert_string_equal(messages(0), "ss");
    assert_int_equal(parts[0].parked_ended[OUTCOME_CHANGED], 2);
    assert_true(g->changed);
    assert_int_equal(g->now->usage.status, STATUS_RATED);
    assert_int_equal(g->now->usage.revision, 6);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        assert_int_equal(parts[0].outcomes[o], 0);
}

static void what_a_sweep_hangs_on_no_usage_ends_as_parked_expired_with_its_own_bytes(void **state)
{
    (void)state;
    struct change one = rating("r1", STATUS_RATED, SAMPLE_NOW);
    settings.parked_max_age_ms = 86400000;
    struct group *g = sweep_of(&one.id);
    park(g, one, 5);
    park(g, one, 6);

    decide();

    assert_string_equal(messages(0), "xx");
    assert_int_equal(parts[0].parked_ended[OUTCOME_DEAD], 2);
    assert_int_equal(c.parked_dead, 2);
    assert_false(g->changed);
    const struct outbox_message *m = message(0, 0);
    assert_true(text_is(m->value, "parked"));
    assert_true(text_is(m->headers[0].value, "parked-expired"));
    assert_non_null(
        strstr(arena_copy(a, m->headers[1].value.p, m->headers[1].value.n), "86400000"));
    assert_true(text_is(m->headers[2].value, "usage.rated"));
}

int main(void)
{
#define RULE(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest rules[] = {
        RULE(a_rating_without_its_usage_is_parked_and_says_nothing),
        RULE(a_usage_applies_what_is_parked_for_it_oldest_rating_first),
        RULE(a_usage_with_a_source_system_of_its_own_tells_its_name_to_what_was_parked),
        RULE(a_parked_rating_without_date_acts_right_behind_the_one_parked_before_it),
        RULE(what_becomes_of_parked_ratings_is_not_counted_as_records),
        RULE(a_parked_rating_that_no_longer_fits_becomes_a_dead_letter_with_its_own_bytes),
        RULE(a_rating_that_finds_others_parked_is_applied_in_their_order),
        RULE(a_rating_whose_usage_comes_later_in_the_same_batch_is_parked_and_applied),
        RULE(a_sweep_applies_what_waits_oldest_rating_first_and_counts_no_record),
        RULE(what_a_sweep_hangs_on_no_usage_ends_as_parked_expired_with_its_own_bytes),
    };
    return cmocka_run_group_tests_name("parked", rules, NULL, NULL);
}
