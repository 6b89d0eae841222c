#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "usage/id.h"

#define DATE INT64_C(1795421730250)

static void assert_id(struct usage_id id, const char *expected)
{
    char text[ID_CHARS];
    id_print(&id, text);
    assert_string_equal(text, expected);
}

static void a_record_has_the_id_of_the_contract(void **state)
{
    (void)state;
    static const struct {
        const char *source, *record_id;
        int64_t date;
        const char *id;
    } rows[] = {
        {"med-gz-02", "20261123-000417-88231", DATE, "01a20779-75ca-882e-8c96-86cbff439931"},
        {"med-gz-02", "20261123-000417-88231", DATE + 1, "01a20779-75cb-882e-8c96-86cbff439931"},
        {"计费", "记录-1", DATE, "01a20779-75ca-807c-b292-fe75f50655be"},
    };

    for (size_t i = 0; i < 3; i++)
        assert_id(id_of_record(text_of(rows[i].source), text_of(rows[i].record_id), rows[i].date),
                  rows[i].id);
}

static void an_event_has_the_id_of_the_contract(void **state)
{
    (void)state;
    struct usage_id usage = id_of_record(TEXT("med-gz-02"), TEXT("20261123-000417-88231"), DATE);

    assert_id(id_of_event(&usage, 1), "b03518e3-d0dd-8525-932c-635cfb6956dc");
    assert_id(id_of_event(&usage, 2), "f0626426-f2d4-8370-ab6d-3beb47f0722e");
    assert_id(id_of_event(&usage, 3), "b78b26a2-f7a0-8b72-a001-d8f2cdcc9a6f");
}

static void source_and_record_do_not_run_into_each_other(void **state)
{
    (void)state;
    struct usage_id ab_c = id_of_record(TEXT("ab"), TEXT("c"), DATE),
                    a_bc = id_of_record(TEXT("a"), TEXT("bc"), DATE);

    assert_int_not_equal(id_compare(&ab_c, &a_bc), 0);
}

static void *in_thread(void *out)
{
    *(struct usage_id *)out = id_of_record(TEXT("med-gz-02"), TEXT("20261123-000417-88231"), DATE);
    return NULL;
}

static void every_thread_makes_the_same_id(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct usage_id ids[4];

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, in_thread, &ids[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);

    for (int i = 0; i < 4; i++)
        assert_id(ids[i], "01a20779-75ca-882e-8c96-86cbff439931");
}

static void a_random_id_is_version_7_at_its_time(void **state)
{
    (void)state;
    struct usage_id a = id_random(DATE), b = id_random(DATE);

    assert_int_equal(id_version(&a), 7);
    assert_int_equal(id_milliseconds(&a), DATE);
    assert_int_equal(a.bytes[8] >> 6, 2);
    assert_int_not_equal(id_compare(&a, &b), 0);
}

static void ids_order_by_time_from_the_floor_of_a_millisecond(void **state)
{
    (void)state;
    struct usage_id id = id_of_record(TEXT("a"), TEXT("b"), DATE), floor = id_floor(DATE),
                    next = id_floor(DATE + 1);

    assert_true(id_compare(&floor, &id) < 0);
    assert_true(id_compare(&id, &next) < 0);
    assert_int_equal(id_milliseconds(&floor), DATE);
    assert_id(id_floor(0), "00000000-0000-0000-0000-000000000000");
}

static void a_printed_id_is_parsed_in_any_case(void **state)
{
    (void)state;
    struct usage_id id, same;

    assert_true(id_parse(TEXT("01A20779-75ca-882E-8c96-86cbff439931"), &id));
    assert_true(id_parse(TEXT("01a20779-75ca-882e-8c96-86cbff439931"), &same));

    assert_int_equal(id_compare(&id, &same), 0);
    assert_int_equal(id_version(&id), 8);
}

static void anything_else_is_no_id(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "01a20779",
        "01a2077975ca882e8c9686cbff439931",
        "{01a20779-75ca-882e-8c96-86cbff43993}",
        "01a20779-75ca-882e-8c96-86cbff43993g",
        "01a20779-75ca-882e-8c96-86cbff4399310",
        "01a2077-975ca-882e-8c96-86cbff439931",
        "01a20779 75ca 882e 8c96 86cbff439931",
    };
    struct usage_id id;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_false(id_parse(text_of(rows[i]), &id));
    assert_false(id_parse((struct text){0}, &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_id_of_the_contract),
        cmocka_unit_test(an_event_has_the_id_of_the_contract),
        cmocka_unit_test(source_and_record_do_not_run_into_each_other),
        cmocka_unit_test(every_thread_makes_the_same_id),
        cmocka_unit_test(a_random_id_is_version_7_at_its_time),
        cmocka_unit_test(ids_order_by_time_from_the_floor_of_a_millisecond),
        cmocka_unit_test(a_printed_id_is_parsed_in_any_case),
        cmocka_unit_test(anything_else_is_no_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
