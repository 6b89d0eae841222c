/* What changes makes of records that PostgreSQL refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "changes_scene.h"

static void a_refused_record_dies_and_the_others_are_decided_as_if_it_were_not_there(void **state)
{
    (void)state;
    struct entry *good = add_raw(0, "r1", "VOICE"), *bad = add_raw(1, "r2", "VOICE");
    take_new();
    assert_int_equal(parts[RAW].outcomes[OUTCOME_CREATED], 2);
    bad->refused = "PostgreSQL refuses it";

    changes_regroup(&c);
    all_new();
    decide();

    assert_int_equal(c.group_count, 1);
    assert_int_equal(good->outcome, OUTCOME_CREATED);
    assert_int_equal(bad->outcome, OUTCOME_DEAD);
    assert_int_equal(bad->reason, REASON_DATABASE);
    assert_string_equal(bad->text, "PostgreSQL refuses it");
    assert_int_equal(parts[RAW].outcomes[OUTCOME_CREATED], 1);
    assert_int_equal(parts[RAW].dead[REASON_DATABASE], 1);
    assert_int_equal(parts[RAW].events[EVENT_CREATE], 1);
}

static void the_copy_of_a_refused_record_is_the_one_that_creates(void **state)
{
    (void)state;
    struct entry *first = add_raw(0, "r1", "VOICE"), *second = add_raw(1, "r1", "OTHER");
    take_new();
    assert_int_equal(second->reason, REASON_CONFLICT);
    first->refused = "refused";

    changes_regroup(&c);
    all_new();
    decide();

    assert_ptr_equal(c.groups[0].creator, second);
    assert_int_equal(second->outcome, OUTCOME_CREATED);
    assert_int_equal(first->reason, REASON_DATABASE);
}

static void some_of_a_group_have_their_own_creator(void **state)
{
    (void)state;
    struct entry *first = add_raw(0, "r1", "VOICE"), *second = add_raw(1, "r1", "VOICE");
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
