/* Memory that is given back to a mark. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena_scene.h"

static void what_was_taken_behind_a_mark_is_taken_again(void **state)
{
    (void)state;
    char *kept = arena_copy(a, "kept", 4);
    size_t bytes = arena_bytes(a);

    struct arena_mark mark = arena_mark(a);
    char *once = arena_alloc(a, 100);
    arena_rewind(a, mark);

    assert_int_equal(arena_bytes(a), bytes);
    assert_ptr_equal(arena_alloc(a, 100), once);
    assert_string_equal(kept, "kept");
}

/* Also over the ends of blocks, of which some are larger than others. */
static void blocks_behind_a_mark_are_used_again_and_none_is_used_twice(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct arena_mark mark = arena_mark(a);
        char *pieces[40];
        for (int i = 0; i < 40; i++)
            pieces[i] = memset(arena_alloc(a, (size_t)(i % 7 == 0 ? 9000 : 700)), i,
                               (size_t)(i % 7 == 0 ? 9000 : 700));
        for (int i = 0; i < 40; i++)
            assert_true(pieces[i][0] == i && pieces[i][699] == i);
        arena_rewind(a, mark);
    }

    assert_int_equal(arena_bytes(a), 0);
}

static void marks_may_stand_within_marks(void **state)
{
    (void)state;
    struct arena_mark outer = arena_mark(a);
    char *first = arena_copy(a, "first", 5);
    struct arena_mark inner = arena_mark(a);
    arena_alloc(a, 10000);
    arena_rewind(a, inner);

    assert_string_equal(first, "first");
    arena_rewind(a, outer);
    assert_ptr_equal(arena_alloc(a, 5), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_taken_behind_a_mark_is_taken_again, start, end),
        cmocka_unit_test_setup_teardown(blocks_behind_a_mark_are_used_again_and_none_is_used_twice,
                                        start, end),
        cmocka_unit_test_setup_teardown(marks_may_stand_within_marks, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
