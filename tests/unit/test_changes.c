/* What a batch does: who acts first, what is said, and what is too large to be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "changes_scene.h"

static void the_same_record_twice_in_a_batch_is_created_once(void **state)
{
    (void)state;
    struct entry *first = add_raw(1, "r1", "VOICE"), *second = add_raw(2, "r1", "VOICE");

    take_new();

    assert_int_equal(c.group_count, 1);
    assert_int_equal(first->outcome, OUTCOME_CREATED);
    assert_int_equal(second->outcome, OUTCOME_DUPLICATE);
    assert_string_equal(messages(RAW), "c");
}

static void a_changed_copy_in_the_same_batch_is_a_conflict(void **state)
{
    (void)state;
    struct entry *first = add_raw(1, "r1", "VOICE"), *second = add_raw(2, "r1", "SMS");

    take_new();

    assert_int_equal(first->outcome, OUTCOME_CREATED);
    assert_int_equal(second->outcome, OUTCOME_DEAD);
    assert_int_equal(second->reason, REASON_CONFLICT);
    assert_string_equal(messages(RAW), "cx");
}

static void raw_records_act_before_ratings(void **state)
{
    (void)state;
    struct entry *rated = add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);
    struct entry *raw = add_raw(9, "r1", "VOICE");

    take_new();

    assert_int_equal(raw->outcome, OUTCOME_CREATED);
    assert_int_equal(rated->outcome, OUTCOME_CHANGED);
    assert_int_equal(c.groups[0].now->usage.revision, 2);
    assert_true(c.groups[0].changed);
    assert_string_equal(messages(RAW), "c");
    assert_string_equal(messages(RATED), "s");
}

static void two_ratings_of_one_usage_act_one_after_the_other(void **state)
{
    (void)state;
    struct entry *second = add_rated(6, "r1", STATUS_RERATED, SAMPLE_RATED + 5);
    struct entry *first = add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);
    add_raw(9, "r1", "VOICE");

    take_new();

    assert_int_equal(first->outcome, OUTCOME_CHANGED);
    assert_int_equal(second->outcome, OUTCOME_CHANGED);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
    assert_int_equal(c.groups[0].now->usage.revision, 3);
}

static void of_two_ratings_that_of_the_first_topic_and_partition_acts_first(void **state)
{
    (void)state;
    struct entry *second = add(RAW, 1), *first = add_rated(9, "r1", STATUS_RATED, SAMPLE_RATED);
    second->change = rating("r1", STATUS_RERATED, SAMPLE_RATED);
    add_raw(5, "r1", "VOICE");

    take_new();

    assert_int_equal(first->outcome, OUTCOME_CHANGED);
    assert_int_equal(second->outcome, OUTCOME_CHANGED);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
}

static void a_second_rerating_tells_of_an_attribute_and_names_it(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");
    add_rated(2, "r1", STATUS_RATED, SAMPLE_RATED);
    add_rated(3, "r1", STATUS_RERATED, SAMPLE_RATED + 1);
    struct entry *again = add_rated(4, "r1", STATUS_RERATED, SAMPLE_RATED + 2),
                 *described = add_rated(5, "r1", STATUS_RERATED, SAMPLE_RATED + 3);
    described->change.description = TEXT("in other words");

    take_new();

    assert_int_equal(again->outcome, OUTCOME_UPDATED);
    assert_string_equal(again->effects->field_path, "ratedProductUsage");
    assert_string_equal(described->effects->field_path, "description,ratedProductUsage");
    assert_string_equal(messages(RATED), "ssaa");
}

/* --- limits --- */

static void a_usage_whose_event_would_be_too_large_is_not_stored(void **state)
{
    (void)state;
    struct entry *e = add_raw(1, "r1", "VOICE"), *fits = add_raw(2, "r2", "VOICE");
    settings.event_max = 700;
    struct characteristic *items = ((struct list *)&e->change.usage->characteristics)->items;
    char *giant = arena_zero(a, 1000);
    memset(giant, 'x', 1000);
    items[0].value = sample_text((struct text){giant, 1000});

    changes_check(&c, e);
    changes_check(&c, fits);
    take_new();

    assert_int_equal(e->outcome, OUTCOME_DEAD);
    assert_int_equal(e->reason, REASON_EVENT_TOO_LARGE);
    assert_int_equal(!c.groups[0].creator + !c.groups[1].creator, 1);
    assert_int_equal(fits->outcome, OUTCOME_CREATED);
}

static void a_copy_of_what_is_there_is_a_duplicate_though_its_event_would_be_too_large(void **state)
{
    (void)state;
    struct entry *copy = add_raw(1, "r1", "VOICE"), *other = add_raw(2, "r1", "SMS");
    settings.event_max = 100;
    changes_check(&c, copy);
    changes_check(&c, other);
    changes_group(&c);
    assert_true(c.groups[0].large && !c.groups[0].rated);
    struct there there = {.content = copy->change.content, .usage = *copy->change.usage};
    c.groups[0].there = &there;

    decide();

    assert_int_equal(copy->outcome, OUTCOME_DUPLICATE);
    assert_int_equal(other->reason, REASON_CONFLICT);
    assert_string_equal(messages(RAW), "x");
}

static void a_bill_without_ratings_begins_no_usage(void **state)
{
    (void)state;
    struct entry *bill = add_whole(5, "r1", STATUS_BILLED, (struct list){0});

    take_new();

    assert_null(c.groups[0].creator);
    assert_int_equal(bill->outcome, OUTCOME_DEAD);
    assert_int_equal(bill->reason, REASON_INCOMPLETE);
    assert_string_equal(messages(RATED), "x");
}

static void the_bound_of_an_event_is_more_than_it_takes(void **state)
{
    (void)state;
    struct entry *e = add_raw(1, "r1", "VOICE");
    struct change rated = rating("r1", STATUS_RATED, SAMPLE_RATED);
    struct usage u = *e->change.usage;
    struct buf b = {0};
    char *giant = arena_zero(a, 5000);
    memset(giant, 'x', 5000);
    u.ratings = rated.ratings;
    u.specification.href = (struct text){giant, 5000};
    ((struct characteristic *)u.characteristics.items)[0].value_type = (struct text){giant, 5000};
    struct event event = {.type = EVENT_CREATE,
                          .usage = &u,
                          .base_url = "http://h",
                          .event_time = SAMPLE_NOW,
                          .occurred = SAMPLE_NOW,
                          .source = e->change.source,
                          .record_id = e->change.record_id};

    event_write(&b, &event);

    assert_in_range(event_bytes_max(&event), b.len, 3 * b.len);
    buf_fini(&b);
}

static void deciding_again_gives_the_same(void **state)
{
    (void)state;
    add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);
    add_raw(9, "r1", "VOICE");
    add_raw(10, "r1", "SMS");
    changes_group(&c);
    all_new();

    decide();
    size_t length = parts[RAW].messages.len;
    decide();

    assert_int_equal(parts[RAW].messages.len, length);
    assert_int_equal(parts[RAW].outcomes[OUTCOME_CREATED], 1);
    assert_int_equal(parts[RAW].outcomes[OUTCOME_DEAD], 1);
    assert_int_equal(parts[RATED].outcomes[OUTCOME_CHANGED], 1);
}

static void events_carry_the_trace_and_the_key_of_the_subscriber(void **state)
{
    (void)state;
    static const struct outbox_header headers[] = {{TEXT("x"), TEXT("1")},
                                                   {TEXT("traceparent"), TEXT("00-a-b-01")},
                                                   {TEXT("traceparent"), TEXT("second")}};
    struct entry *e = add_raw(1, "r1", "VOICE");
    e->in.headers = headers;
    e->in.header_count = 3;

    take_new();

    const struct outbox_message *m = message(RAW, 0);
    assert_int_equal(m->header_count, 1);
    assert_true(text_is(m->headers[0].value, "00-a-b-01"));
    assert_true(text_is(m->key, "cust-55810"));
}

static void of_a_batch_with_too_much_to_say_a_beginning_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        add_raw(i, (const char *const[]){"r1", "r2", "r3", "r4", "r5"}[i], "VOICE");
    take_new();
    size_t all = parts[RAW].messages.len;
    assert_int_equal(c.told, 5);

    c.messages_max = all / 5 + all / 10; /* passed by the second */
    decide();
    assert_int_equal(c.told, 2);
    c.messages_max = 1; /* one is told whatever it has */
    decide();
    assert_int_equal(c.told, 1);
    c.messages_max = all;
    decide();
    assert_int_equal(c.told, 5);
}

int main(void)
{
#define RULE(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest rules[] = {
        RULE(of_a_batch_with_too_much_to_say_a_beginning_is_told),
        RULE(the_same_record_twice_in_a_batch_is_created_once),
        RULE(a_changed_copy_in_the_same_batch_is_a_conflict),
        RULE(raw_records_act_before_ratings),
        RULE(two_ratings_of_one_usage_act_one_after_the_other),
        RULE(of_two_ratings_that_of_the_first_topic_and_partition_acts_first),
        RULE(a_second_rerating_tells_of_an_attribute_and_names_it),
        RULE(a_usage_whose_event_would_be_too_large_is_not_stored),
        RULE(a_copy_of_what_is_there_is_a_duplicate_though_its_event_would_be_too_large),
        RULE(a_bill_without_ratings_begins_no_usage),
        RULE(the_bound_of_an_event_is_more_than_it_takes),
        RULE(deciding_again_gives_the_same),
        RULE(events_carry_the_trace_and_the_key_of_the_subscriber),
    };
    return cmocka_run_group_tests_name("changes", rules, NULL, NULL);
}
