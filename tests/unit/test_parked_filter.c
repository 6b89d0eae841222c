#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "usage/parked_filter.h"

enum { CAPACITY = 1 << 16 };

/* Ids as ours are: a date in front, 1,000 of each millisecond, and a digest behind. */
static void make_id(uint64_t number, unsigned char id[16])
{
    uint64_t ms = INT64_C(1795421730250) + number / 1000,
             digest = number * UINT64_C(0x9e3779b97f4a7c15) >> 2 | UINT64_C(1) << 63;
    for (int i = 0; i < 6; i++)
        id[i] = (unsigned char)(ms >> (40 - 8 * i));
    id[6] = 0x80;
    id[7] = 0;
    for (int i = 0; i < 8; i++)
        id[8 + i] = (unsigned char)(digest >> (56 - 8 * i));
}

/* Ids that another has made: they differ in one byte only. */
static void make_like(uint64_t number, unsigned char id[16])
{
    memset(id, 0x42, 16);
    id[15] = (unsigned char)number;
    id[3] = (unsigned char)(number >> 8);
}

static struct parked_filter *filled(size_t count, void (*make)(uint64_t, unsigned char *))
{
    struct parked_filter *f = parked_filter_new(CAPACITY);
    unsigned char id[16];
    for (uint64_t i = 0; i < count; i++) {
        make(i, id);
        parked_filter_add(f, id);
    }
    return f;
}

/* How many of `count` from `first` on may be in it. */
static size_t maybes(const struct parked_filter *f, uint64_t first, size_t count,
                     void (*make)(uint64_t, unsigned char *))
{
    unsigned char id[16];
    size_t n = 0;
    for (uint64_t i = first; i < first + count; i++) {
        make(i, id);
        n += parked_filter_maybe(f, id);
    }
    return n;
}

static void what_was_added_is_never_denied(void **state)
{
    (void)state;
    struct parked_filter *f = filled(CAPACITY, make_id);

    assert_int_equal(maybes(f, 0, CAPACITY, make_id), CAPACITY);
    parked_filter_free(f);
}

static void an_empty_one_denies_all(void **state)
{
    (void)state;
    struct parked_filter *f = filled(0, make_id);

    assert_int_equal(maybes(f, 0, 10000, make_id), 0);
    parked_filter_free(f);
}

static void most_of_what_was_not_added_is_denied(void **state)
{
    (void)state;
    struct parked_filter *half = filled(CAPACITY / 2, make_id), *whole = filled(CAPACITY, make_id);

    size_t of_half = maybes(half, CAPACITY, 100000, make_id),
           of_whole = maybes(whole, CAPACITY, 100000, make_id);
    print_message("maybes of 100,000: %zu at half the capacity, %zu at the whole\n", of_half,
                  of_whole);

    assert_true(of_half < 1000);
    assert_true(of_whole < 5000);
    parked_filter_free(half);
    parked_filter_free(whole);
}

static void ids_that_are_alike_are_told_apart(void **state)
{
    (void)state;
    struct parked_filter *f = filled(10000, make_like);

    assert_int_equal(maybes(f, 0, 10000, make_like), 10000);
    assert_true(maybes(f, 10000, 50000, make_like) < 500);
    parked_filter_free(f);
}

static void beyond_its_capacity_it_denies_nothing(void **state)
{
    (void)state;
    struct parked_filter *f = filled(CAPACITY, make_id);
    assert_false(parked_filter_is_full(f));

    unsigned char id[16];
    for (uint64_t i = CAPACITY; i < CAPACITY * 3 / 2; i++) {
        make_id(i, id);
        parked_filter_add(f, id);
    }

    assert_true(parked_filter_is_full(f));
    assert_int_equal(maybes(f, CAPACITY * 2, 10000, make_id), 10000);
    parked_filter_free(f);
}

static void an_id_that_is_added_again_and_again_does_not_fill_it(void **state)
{
    (void)state;
    struct parked_filter *f = filled(1000, make_id);
    unsigned char id[16];

    for (int round = 0; round < CAPACITY / 100; round++)
        for (uint64_t i = 0; i < 1000; i++) {
            make_id(i, id);
            parked_filter_add(f, id);
        }

    assert_false(parked_filter_is_full(f));
    parked_filter_free(f);
}

static void a_cleared_one_begins_anew(void **state)
{
    (void)state;
    struct parked_filter *f = filled(CAPACITY * 2, make_id);
    unsigned char id[16];

    parked_filter_clear(f);
    make_id(7, id);
    parked_filter_add(f, id);

    assert_false(parked_filter_is_full(f));
    assert_int_equal(maybes(f, 0, 1000, make_id), 1);
    parked_filter_free(f);
}

static void a_tiny_one_works_too(void **state)
{
    (void)state;
    struct parked_filter *f = parked_filter_new(1);
    unsigned char id[16];

    make_id(1, id);
    parked_filter_add(f, id);

    assert_true(parked_filter_maybe(f, id));
    assert_false(parked_filter_is_full(f));
    parked_filter_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_never_denied),
        cmocka_unit_test(an_empty_one_denies_all),
        cmocka_unit_test(most_of_what_was_not_added_is_denied),
        cmocka_unit_test(ids_that_are_alike_are_told_apart),
        cmocka_unit_test(beyond_its_capacity_it_denies_nothing),
        cmocka_unit_test(an_id_that_is_added_again_and_again_does_not_fill_it),
        cmocka_unit_test(a_cleared_one_begins_anew),
        cmocka_unit_test(a_tiny_one_works_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
