#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model_scene.h"

struct row {
    const char *json, *tidy;
};

static void check_rows(enum model_type type, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        struct buf out = {0};
        if (!model_check(type, text_of(rows[i].json), a, &err))
            fail_msg("%s\n%s", rows[i].json, err.text);
        model_tidy(type, text_of(rows[i].json), a, &out);
        assert_string_equal(buf_text(&out), rows[i].tidy);
        buf_fini(&out);
        arena_reset(a);
    }
}
#define TIDY(type, rows) check_rows(type, rows, sizeof(rows) / sizeof *(rows))

static void a_date_is_in_utc_with_milliseconds_wherever_the_model_has_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"name\":\"x\",\"validFor\":{\"startDateTime\":\"2026-11-20T16:15:30+08:00\"}}",
         "{\"name\":\"x\",\"validFor\":{\"startDateTime\":\"2026-11-20T08:15:30.000Z\"}}"},
        {"{\"name\":\"x\",\"specCharacteristic\":[{},{\"characteristicValueSpecification\":[{"
         "\"validFor\":{\"endDateTime\":\"2026-11-20t08:15:30.2509z\"}}]}]}",
         "{\"name\":\"x\",\"specCharacteristic\":[{},{\"characteristicValueSpecification\":[{"
         "\"validFor\":{\"endDateTime\":\"2026-11-20T08:15:30.250Z\"}}]}]}"},
        {"{\"name\":\"x\",\"lastUpdate\":\"2026-11-20T\\u0030" /* an escape */
         "8:15:30Z\"}",
         "{\"name\":\"x\",\"lastUpdate\":\"2026-11-20T08:15:30.000Z\"}"},
    };
    TIDY(MODEL_SPECIFICATION_CREATE, rows);
}

static void what_counts_as_absent_is_left_out(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"name\":\"x\",\"relatedParty\":[],\"x\":null,\"attachment\":[ ]}", "{\"name\":\"x\"}"},
        {"{\"x\":null,\"name\":\"x\",\"specCharacteristic\":[{\"y\":null,\"charSpecRelationship\":["
         "]}]}",
         "{\"name\":\"x\",\"specCharacteristic\":[{}]}"},
        {"{\"name\":\"x\",\"validFor\":{\"y\":null}}", "{\"name\":\"x\",\"validFor\":{}}"},
    };
    TIDY(MODEL_SPECIFICATION_CREATE, rows);
    static const struct row patches[] = {
        {"{\"description\":null,\"x\":1}", "{\"x\":1}"},
    };
    TIDY(MODEL_SPECIFICATION_UPDATE, patches);
}

static void values_and_what_is_inside_extensions_stay_byte_for_byte(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"name\":\"\\u0061\\/"
        "\",\"x\":{\"validFor\":{\"startDateTime\":\"2026-11-20T16:15:30+08:00\"},"
        "\"a\":null,\"b\":[], \"n\":1.50e2}}",
        "{\"name\":\"x\",\"specCharacteristic\":[{\"characteristicValueSpecification\":[{\"value\":"
        "null},"
        "{\"value\":[]},{\"value\":\"2026-11-20T16:15:30+08:00\"},{\"value\":{\"a\" : null}}]}]}",
        "{\"name\":\"x\",\"x\":[],\"y\":\"\",\"isBundle\":true}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_rows(MODEL_SPECIFICATION_CREATE, &(struct row){rows[i], rows[i]}, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_in_utc_with_milliseconds_wherever_the_model_has_one),
        cmocka_unit_test(what_counts_as_absent_is_left_out),
        cmocka_unit_test(values_and_what_is_inside_extensions_stay_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, start, end);
}
