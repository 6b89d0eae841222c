#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "usage/recent.h"

static struct usage_id id_of(uint64_t half)
{
    struct usage_id id = {{0}};
    memcpy(id.bytes + 8, &half, sizeof half);
    return id;
}

static uint64_t next(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static void an_id_is_remembered_from_the_first_time_on(void **state)
{
    (void)state;
    struct recent *r = recent_new();
    struct usage_id a = id_of(0x123456789abcdef0), b = id_of(0x2345678912345678);

    assert_false(recent_seen(r, &a));
    assert_false(recent_seen(r, &b));
    assert_true(recent_seen(r, &a));
    assert_true(recent_seen(r, &b));
    recent_free(r);
}

static void one_in_the_same_place_makes_it_forget(void **state)
{
    (void)state;
    struct recent *r = recent_new();
    struct usage_id a = id_of(0x0100000000001100), b = id_of(0x0200000000001100);

    assert_false(recent_seen(r, &a));
    assert_false(recent_seen(r, &b));
    assert_false(recent_seen(r, &a));
    recent_free(r);
}

static void most_of_the_last_fifty_thousand_are_remembered(void **state)
{
    (void)state;
    struct recent *r = recent_new();
    size_t remembered = 0;

    for (int round = 0; round < 2; round++) {
        uint64_t x = 88172645463325252;
        remembered = 0;
        for (int i = 0; i < 50000; i++) {
            x = next(x);
            struct usage_id id = id_of(x);
            remembered += recent_seen(r, &id);
        }
    }

    assert_true(remembered > 30000);
    recent_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_remembered_from_the_first_time_on),
        cmocka_unit_test(one_in_the_same_place_makes_it_forget),
        cmocka_unit_test(most_of_the_last_fifty_thousand_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
