#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "app/replay_memory.h"
#include "base/arena.h"

static const struct replay_selection all = {"*", "*", 3}, dates = {"date", "*", 3},
                                     raws = {"*", "usage.raw", 3},
                                     raw_dates = {"date", "usage.raw", 3},
                                     two = {"value,date", "*", 3}, often = {"*", "*", 5};

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(64 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const char *written(const struct replay_memory *m)
{
    static char text[8192];
    struct buf b = {0};
    struct err err;
    assert_true(replay_memory_write(m, &b, &err));
    snprintf(text, sizeof text, "%s", buf_text(&b));
    buf_fini(&b);
    return text;
}

static struct replay_memory read_of(const char *text)
{
    struct replay_memory m;
    struct err err;
    assert_true(replay_memory_read(&m, text_of(text), arena, &err));
    return m;
}

static bool has(const struct replay_memory *m, int64_t offset, const char *reason,
                const char *topic, int replays)
{
    return replay_memory_has(m, offset, text_of(reason), text_of(topic), replays);
}

/* --- the text ------------------------------------------------------------------------------- */

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char text[] = "1|value,date;*;3;0;120|*;usage.raw,usage.rated;5;130;9000000000";

    struct replay_memory m = read_of(text);

    assert_string_equal(written(&m), text);
}

static void nothing_is_remembered_at_first(void **state)
{
    (void)state;
    struct replay_memory m = read_of(NULL);

    assert_int_equal(m.count, 0);
    assert_false(has(&m, 0, "date", "usage.raw", 0));
    assert_int_equal(replay_memory_begin(&m, &all, 17), 17);
}

static void a_text_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "2|*;*;3;0;120",       "x",          "1|*;*;3;0",     "1|*;*;3;0;120;7", "1|*;*;3;9;9",
        "1|*;;3;0;120",        "1|;*;3;0;9", "1|*;*;a;0;120", "1|*;*;3;-4;120",  "1||*;*;3;0;9",
        "1|*;*;9999999999;0;5"};
    struct replay_memory m;
    struct err err;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(replay_memory_read(&m, text_of(texts[i]), arena, &err));
        assert_int_equal(err.kind, ERR_FATAL);
    }
}

static void more_than_a_broker_takes_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    struct replay_memory m = {0};
    struct buf b = {0};
    struct err err;

    for (int64_t i = 0; i < 1000; i++) /* none of which meets another */
        replay_memory_add(&m, &raw_dates, 10 * i, 10 * i + 5, arena);

    assert_false(replay_memory_write(&m, &b, &err));
    assert_non_null(strstr(err.text, "too many different selections"));
    buf_fini(&b);

    replay_memory_add(&m, &all, 0, 10000, arena);
    assert_string_equal(written(&m), "1|*;*;3;0;10000");
}

/* --- what was sent back --------------------------------------------------------------------- */

static void it_has_what_a_run_selected_within_its_offsets_and_nothing_else(void **state)
{
    (void)state;
    struct replay_memory m = {0};

    replay_memory_add(&m, &raw_dates, 10, 20, arena);

    assert_true(has(&m, 10, "date", "usage.raw", 0));
    assert_true(has(&m, 19, "date", "usage.raw", 2));
    assert_false(has(&m, 9, "date", "usage.raw", 0));
    assert_false(has(&m, 20, "date", "usage.raw", 0));
    assert_false(has(&m, 15, "value", "usage.raw", 0));
    assert_false(has(&m, 15, "date", "usage.rated", 0));
    assert_false(has(&m, 15, "date", "usage.raw", 3));
    assert_false(has(&m, 15, "dat", "usage.raw", 0));
}

static void a_run_begins_behind_what_earlier_ones_have_sent_for_it(void **state)
{
    (void)state;
    struct replay_memory m = {0};
    replay_memory_add(&m, &dates, 0, 50, arena);
    replay_memory_add(&m, &all, 50, 80, arena);
    replay_memory_add(&m, &raws, 80, 90, arena);

    assert_int_equal(replay_memory_begin(&m, &raw_dates, 0), 90);
    assert_int_equal(replay_memory_begin(&m, &dates, 0), 80);
    assert_int_equal(replay_memory_begin(&m, &dates, 30), 80);
    assert_int_equal(replay_memory_begin(&m, &two, 0), 0);
    assert_int_equal(replay_memory_begin(&m, &two, 60), 80);
    assert_int_equal(replay_memory_begin(&m, &often, 60), 60);
    assert_int_equal(replay_memory_begin(&m, &raws, 90), 90);
}

static void runs_of_one_selection_become_one_where_they_meet(void **state)
{
    (void)state;
    struct replay_memory m = {0};

    replay_memory_add(&m, &dates, 0, 10, arena);
    replay_memory_add(&m, &dates, 20, 30, arena);
    assert_int_equal(m.count, 2);
    replay_memory_add(&m, &dates, 10, 20, arena);

    assert_string_equal(written(&m), "1|date;*;3;0;30");
}

static void a_run_that_lies_within_another_is_dropped_and_one_that_does_not_is_kept(void **state)
{
    (void)state;
    struct replay_memory m = {0};

    replay_memory_add(&m, &raw_dates, 5, 10, arena);
    replay_memory_add(&m, &often, 5, 10, arena);
    replay_memory_add(&m, &two, 0, 12, arena);
    replay_memory_add(&m, &dates, 11, 13, arena);

    assert_string_equal(written(&m), "1|*;*;5;5;10|value,date;*;3;0;12|date;*;3;11;13");
}

static void an_empty_run_is_not_remembered(void **state)
{
    (void)state;
    struct replay_memory m = {0};

    replay_memory_add(&m, &all, 7, 7, arena);

    assert_int_equal(m.count, 0);
}

static void what_retention_has_removed_is_forgotten(void **state)
{
    (void)state;
    struct replay_memory m = {0};
    replay_memory_add(&m, &dates, 0, 10, arena);
    replay_memory_add(&m, &raws, 0, 11, arena);

    replay_memory_forget(&m, 10);

    assert_string_equal(written(&m), "1|*;usage.raw;3;0;11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(nothing_is_remembered_at_first),
        cmocka_unit_test(a_text_that_is_not_ours_is_refused),
        cmocka_unit_test(more_than_a_broker_takes_is_refused_before_anything_is_sent),
        cmocka_unit_test(it_has_what_a_run_selected_within_its_offsets_and_nothing_else),
        cmocka_unit_test(a_run_begins_behind_what_earlier_ones_have_sent_for_it),
        cmocka_unit_test(runs_of_one_selection_become_one_where_they_meet),
        cmocka_unit_test(a_run_that_lies_within_another_is_dropped_and_one_that_does_not_is_kept),
        cmocka_unit_test(an_empty_run_is_not_remembered),
        cmocka_unit_test(what_retention_has_removed_is_forgotten)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
