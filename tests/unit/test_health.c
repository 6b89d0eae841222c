#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "app/health.h"
#include "base/instant.h"

static int all_quiet(void **state)
{
    (void)state;
    for (int key = 0; key < HEALTH_KEYS; key++)
        for (int owner = 0; owner < HEALTH_OWNERS_MAX; owner++)
            health_go((enum health_key)key, owner);
    for (int owner = 0; owner < HEALTH_OWNERS_MAX; owner++)
        health_unwatch(owner);
    return 0;
}

static void assert_rendered(const char *expected)
{
    struct buf b = {0};
    health_render(&b);
    assert_string_equal(buf_text(&b), expected);
    buf_fini(&b);
}

static void a_service_that_waits_for_nothing_is_ready(void **state)
{
    (void)state;
    assert_true(health_ready());
    assert_rendered("{\"ready\":true,\"waiting\":{}}");
}

static void what_is_waited_for_is_named_under_its_key(void **state)
{
    (void)state;
    health_wait(HEALTH_POSTGRES, 0, "connection refused");
    health_wait(HEALTH_KAFKA, 3, "no \"broker\"");

    assert_false(health_ready());
    assert_rendered("{\"ready\":false,\"waiting\":{\"kafka\":\"no "
                    "\\\"broker\\\"\",\"postgres\":\"connection refused\"}}");
}

static void only_the_first_word_and_the_last_are_news(void **state)
{
    (void)state;
    assert_true(health_wait(HEALTH_REGISTRY, 1, "away"));
    assert_false(health_wait(HEALTH_REGISTRY, 1, "still away"));
    assert_rendered("{\"ready\":false,\"waiting\":{\"registry\":\"still away\"}}");
    assert_true(health_go(HEALTH_REGISTRY, 1));
    assert_false(health_go(HEALTH_REGISTRY, 1));
    assert_true(health_ready());
}

static void each_owner_takes_back_its_own_word_only(void **state)
{
    (void)state;
    health_wait(HEALTH_PARTITIONS, 0, "usage.raw[0]");
    health_wait(HEALTH_PARTITIONS, 1, "usage.raw[1]");
    health_wait(HEALTH_PARTITIONS, 2, "usage.raw[1]");
    assert_rendered(
        "{\"ready\":false,\"waiting\":{\"partitions\":\"usage.raw[0]; usage.raw[1]\"}}");

    health_go(HEALTH_PARTITIONS, 0);

    assert_rendered("{\"ready\":false,\"waiting\":{\"partitions\":\"usage.raw[1]\"}}");
}

static void a_text_is_cut_between_characters_and_always_valid_json(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'a', sizeof text);
    memcpy(text + 399, "\xe8\xae\xa1", 3);
    text[599] = 0;
    health_wait(HEALTH_TOPICS, 0, text);
    health_wait(HEALTH_TOPICS, 1, "bad \xff byte");
    struct buf b = {0};

    health_render(&b);

    assert_true(text_is_utf8(b.data, b.len));
    assert_non_null(strstr(buf_text(&b), "aaa; bad ? byte\""));
    buf_fini(&b);
}

static void a_thread_that_does_not_move_within_its_limit_is_named(void **state)
{
    (void)state;
    struct buf b = {0};
    health_watch(5, 60000);
    assert_true(health_alive(&b));

    health_watch(7, 1);
    for (int64_t start = instant_ticks(); instant_ticks() < start + 5;)
        ;

    assert_false(health_alive(&b));
    assert_non_null(strstr(buf_text(&b), "thread 7"));
    assert_null(strstr(buf_text(&b), "thread 5"));
    health_unwatch(7);
    assert_true(health_alive(&b));
    buf_fini(&b);
}

static void an_owner_that_cannot_be_is_ignored(void **state)
{
    (void)state;
    assert_false(health_wait(HEALTH_KAFKA, -1, "x"));
    assert_false(health_wait(HEALTH_KAFKA, HEALTH_OWNERS_MAX, "x"));
    health_beat(-1);
    health_watch(HEALTH_OWNERS_MAX, 1);
    assert_true(health_ready());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_service_that_waits_for_nothing_is_ready, all_quiet),
        cmocka_unit_test_setup(what_is_waited_for_is_named_under_its_key, all_quiet),
        cmocka_unit_test_setup(only_the_first_word_and_the_last_are_news, all_quiet),
        cmocka_unit_test_setup(each_owner_takes_back_its_own_word_only, all_quiet),
        cmocka_unit_test_setup(a_text_is_cut_between_characters_and_always_valid_json, all_quiet),
        cmocka_unit_test_setup(a_thread_that_does_not_move_within_its_limit_is_named, all_quiet),
        cmocka_unit_test_setup(an_owner_that_cannot_be_is_ignored, all_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
