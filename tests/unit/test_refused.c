/* What changes makes of records that PostgreSQL refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "usage/changes.h"
#include "usage/id.h"
#include "usage_samples.h"

static struct arena *a;
static struct part part;
static struct entry entries[8];
static struct changes_settings settings = {.base_url = "http://h", .event_max = 900 * 1024};
static struct changes c;

static int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    memset(entries, 0, sizeof entries);
    part = (struct part){.topic = "usage.raw", .to = 1};
    c = (struct changes){.settings = &settings,
                         .a = a,
                         .now_ms = SAMPLE_NOW,
                         .parts = &part,
                         .part_count = 1,
                         .entries = entries};
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_fini(&part.messages);
    arena_free(a);
    return 0;
}

static struct entry *add_raw(const char *record_id, const char *type)
{
    struct entry *e = &entries[c.entry_count];
    struct raw_usage *raw = sample_call(a);
    struct mapping_settings s = sample_settings();
    struct err err;
    e->in = (struct inbound){.topic = "usage.raw",
                             .offset = (int64_t)c.entry_count++,
                             .timestamp = SAMPLE_NOW,
                             .value = TEXT("bytes")};
    raw->record_id = text_of(record_id);
    raw->usage_type = text_of(type);
    assert_true(mapping_raw(&s, raw, -1, SAMPLE_NOW, a, &e->change, &err));
    return e;
}

static void decide(void)
{
    for (size_t i = 0; i < c.group_count; i++)
        c.groups[i].inserted = c.groups[i].creator != NULL;
    changes_decide(&c);
    changes_messages(&c);
}

static void a_refused_record_dies_and_the_others_are_decided_as_if_it_were_not_there(void **state)
{
    (void)state;
    struct entry *good = add_raw("r1", "VOICE"), *bad = add_raw("r2", "VOICE");
    changes_group(&c);
    decide();
    assert_int_equal(part.outcomes[OUTCOME_CREATED], 2);
    bad->refused = "PostgreSQL refuses it";

    changes_regroup(&c);
    decide();

    assert_int_equal(c.group_count, 1);
    assert_int_equal(good->outcome, OUTCOME_CREATED);
    assert_int_equal(bad->outcome, OUTCOME_DEAD);
    assert_int_equal(bad->reason, REASON_DATABASE);
    assert_string_equal(bad->text, "PostgreSQL refuses it");
    assert_int_equal(part.outcomes[OUTCOME_CREATED], 1);
    assert_int_equal(part.dead[REASON_DATABASE], 1);
    assert_int_equal(part.events[EVENT_CREATE], 1);
}

static void the_copy_of_a_refused_record_is_the_one_that_creates(void **state)
{
    (void)state;
    struct entry *first = add_raw("r1", "VOICE"), *second = add_raw("r1", "OTHER");
    changes_group(&c);
    decide();
    assert_int_equal(second->reason, REASON_CONFLICT);
    first->refused = "refused";

    changes_regroup(&c);
    decide();

    assert_ptr_equal(c.groups[0].creator, second);
    assert_int_equal(second->outcome, OUTCOME_CREATED);
    assert_int_equal(first->reason, REASON_DATABASE);
}

static void some_of_a_group_have_their_own_creator(void **state)
{
    (void)state;
    struct entry *first = add_raw("r1", "VOICE"), *second = add_raw("r1", "VOICE");
    changes_group(&c);

    struct group some = changes_some(&c.groups[0], &second, 1), none = changes_some(&some, NULL, 0);

    assert_int_equal(some.count, 1);
    assert_ptr_equal(some.creator, second);
    assert_ptr_equal(c.groups[0].creator, first);
    assert_null(none.creator);
    assert_int_equal(id_compare(&none.id, &c.groups[0].id), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_refused_record_dies_and_the_others_are_decided_as_if_it_were_not_there, start, end),
        cmocka_unit_test_setup_teardown(the_copy_of_a_refused_record_is_the_one_that_creates, start,
                                        end),
        cmocka_unit_test_setup_teardown(some_of_a_group_have_their_own_creator, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
