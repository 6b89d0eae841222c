/* io/framing */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/framing.h"

static void assert_unframed(struct text value, const char *text)
{
    struct err err = {0};
    int32_t id = 0;
    assert_false(framing_read(value, &id, &err));
    assert_int_equal(err.kind, ERR_DATA);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
}

static void an_id_has_four_bytes_behind_a_zero(void **state)
{
    (void)state;
    struct err err = {0};
    int32_t id = 0;

    assert_true(framing_read(TEXT("\0\x01\x02\x03\x04"), &id, &err));
    assert_int_equal(id, 0x01020304);
    assert_true(framing_read(TEXT("\0\xff\xff\xff\xfe and more"), &id, &err));
    assert_int_equal(id, -2);
}

static void any_shorter_value_has_no_framing(void **state)
{
    (void)state;

    assert_unframed((struct text){0}, "the record has no value");
    assert_unframed(TEXT(""), "begins with nothing (0 bytes)");
    assert_unframed(TEXT("\0\0\x01"), "begins with 000001 (3 bytes)");
    assert_unframed(TEXT("\0\0\0\x01"), "begins with 00000001 (4 bytes)");
}

static void a_framing_of_another_kind_is_named(void **state)
{
    (void)state;

    assert_unframed(TEXT("\xc3\x01\x10\x20\x30\x40\x50\x60\x70"),
                    "begins with c301102030405060 (9 bytes), not with 00 and a schema id of four "
                    "bytes; it looks like Avro's single-object encoding");
    assert_unframed(TEXT("Obj\x01 and more"), "an Avro container file");
    assert_unframed(TEXT("{\"source\":1}"), "it looks like JSON");
    assert_unframed(TEXT("\x01\0\0\0\x01"), "begins with 0100000001 (5 bytes)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_four_bytes_behind_a_zero),
        cmocka_unit_test(any_shorter_value_has_no_framing),
        cmocka_unit_test(a_framing_of_another_kind_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
