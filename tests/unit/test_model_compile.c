#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/embed.h"
#include "model_scene.h"
#include "usage/model_parts.h"

static void a_uri_is_one_by_rfc_3986(void **state)
{
    (void)state;
    static const char *const good[] = {"http://a",
                                       "a:",
                                       "a:b",
                                       "urn:isbn:0-1",
                                       "HTTPS://u:p@h.example:8080/a/b;c=1?d=e/?#f/?",
                                       "http://[2001:db8::1]:80/",
                                       "http://[v1.a:b]/",
                                       "http://h:/",
                                       "http:///a",
                                       "file:///etc",
                                       "mailto:a@b",
                                       "a+b-c.1:x",
                                       "http://h/%E4%BD%a0",
                                       "http://%41@h%41/",
                                       "x:/a//b",
                                       "x:?q",
                                       "x:#",
                                       "http://h?q",
                                       "http://1.2.3.4/",
                                       "x:a:b@c"};
    static const char *const bad[] = {"",
                                      "a",
                                      ":",
                                      "1a:b",
                                      "/a",
                                      "//h/a",
                                      "http//h",
                                      "a_b:c",
                                      "http://h/ b",
                                      "http://h/%4",
                                      "http://h/%zz",
                                      "http://h/%4g",
                                      "http://h/%g4",
                                      "http://h/\"",
                                      "http://h/<",
                                      "http://h/你",
                                      "http://h:8a/",
                                      "http://a@b@c/",
                                      "http://[::1",
                                      "http://[::1]a/",
                                      "http://[1.2.3]/",
                                      "http://[v.a]/",
                                      "http://[vx.a]/",
                                      "http://[v1.]/",
                                      "http://h/[",
                                      "x:#a#b",
                                      "http://h/\\",
                                      "http://h^/",
                                      "http://u]@h/",
                                      "http://[::1%25eth0]/",
                                      "http://h/{a}",
                                      "a b:c",
                                      "http://h/\x01"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!model_is_uri(text_of(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (model_is_uri(text_of(bad[i])))
            fail_msg("%s", bad[i]);
}

static void a_description_that_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"{\"type\":\"object\",\"pattern\":\"a\"}", "it is not known what this means: pattern"},
        {"{\"type\":\"thing\"}", "there is no type thing"},
        {"{\"type\":\"object\",\"required\":[\"a\"]}", "required is what is no property: a"},
        {"{\"type\":\"object\",\"not\":{\"required\":[\"a\"]}}", "unknown form of not"},
        {"{\"type\":\"string\",\"maxLength\":3}", "maxLength is not x-maxBytes"},
        {"{\"type\":\"string\",\"format\":\"email\"}", "there is no format email"},
        {"{\"type\":\"number\",\"maximum\":3}",
         "a number has bounds without x-wholeDigits, or it without them"},
        {"{\"type\":\"array\"}", "there is no schema"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/x\"}}}", "unknown form of $ref"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/components/schemas/B\"}}}",
         "there is no schema"},
    };
    const struct model *models[MODEL_TYPES];
    struct err err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *json =
            arena_printf(a, "{\"components\":{\"schemas\":{\"Usage_Create\":%s}}}", rows[i].json);
        bool compiled = model_compile(text_of(json), a, models, &err);
        if (compiled || err.kind != ERR_FATAL || !strstr(err.text, rows[i].why))
            fail_msg("%s\n%s", rows[i].json, compiled ? "compiled" : err.text);
    }
    assert_true(model_compile(text_of(embed_text(embed_schemas, "openapi.json")), a, models, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uri_is_one_by_rfc_3986),
        cmocka_unit_test(a_description_that_is_not_understood_is_refused),
    };
    return cmocka_run_group_tests(tests, start, end);
}
