#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/registry_answer.h"

#define JSON "application/vnd.schemaregistry.v1+json"

static struct fetch_answer answer_of(long status, const char *type, const char *body)
{
    struct fetch_answer a = {.status = status};
    snprintf(a.type, sizeof a.type, "%s", type);
    buf_str(&a.body, body);
    return a;
}

static struct registry_parsed schema(long status, const char *type, const char *body)
{
    struct fetch_answer a = answer_of(status, type, body);
    struct registry_parsed p = registry_answer_schema(&a);
    fetch_answer_fini(&a);
    return p;
}

static struct registry_parsed subject(long status, const char *type, const char *body)
{
    struct fetch_answer a = answer_of(status, type, body);
    struct registry_parsed p = registry_answer_subject(&a);
    fetch_answer_fini(&a);
    return p;
}

/* --- a schema by its id --------------------------------------------------------------------- */

static void a_schema_is_taken_out_of_its_json(void **state)
{
    (void)state;

    struct registry_parsed p = schema(200, JSON, "{\"schema\":\"{\\\"type\\\":\\\"int\\\"}\"}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_SCHEMA);
    assert_string_equal(p.text, "{\"type\":\"int\"}");
    free(p.text);
}

static void what_a_registry_adds_to_a_schema_does_not_matter(void **state)
{
    (void)state;

    struct registry_parsed p = schema(
        200, "application/json",
        "{\"maxId\":7,\"schema\":\"\\\"int\\\"\",\"schemaType\":\"AVRO\",\"references\":[]}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_SCHEMA);
    assert_string_equal(p.text, "\"int\"");
    free(p.text);
}

static void a_schema_of_another_kind_is_unsupported(void **state)
{
    (void)state;

    struct registry_parsed p =
        schema(200, JSON, "{\"schema\":\"message M {}\",\"schemaType\":\"PROTOBUF\"}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_UNSUPPORTED);
    assert_int_equal(p.why.kind, ERR_DATA);
    assert_string_equal(p.why.text, "the schema is of type PROTOBUF, not AVRO");
}

/* It would be asked for again and again, and its partitions would wait for ever. */
static void a_schema_that_is_too_long_to_fetch_is_unsupported_and_an_error_page_is_not(void **state)
{
    (void)state;
    struct fetch_answer a = answer_of(200, JSON, "{\"schema\":\"...");
    a.too_long = true;

    struct registry_parsed p = registry_answer_schema(&a);

    assert_int_equal(p.kind, REGISTRY_ANSWER_UNSUPPORTED);
    assert_int_equal(p.why.kind, ERR_DATA);
    assert_string_equal(p.why.text, "the registry's answer has more than 8388608 bytes");
    a.status = 502;
    assert_int_equal(registry_answer_schema(&a).kind, REGISTRY_ANSWER_AWAY);
    a.status = 404;
    assert_int_equal(registry_answer_schema(&a).kind, REGISTRY_ANSWER_AWAY);
    a.status = 200;
    assert_int_equal(registry_answer_subject(&a).kind, REGISTRY_ANSWER_AWAY);
    snprintf(a.type, sizeof a.type, "text/html");
    assert_int_equal(registry_answer_schema(&a).kind, REGISTRY_ANSWER_AWAY);
    fetch_answer_fini(&a);
}

static void a_schema_with_references_is_unsupported(void **state)
{
    (void)state;

    struct registry_parsed p = schema(200, JSON,
                                      "{\"schema\":\"\\\"a.B\\\"\",\"references\":[{\"name\":\"a."
                                      "B\",\"subject\":\"b\",\"version\":1}]}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_UNSUPPORTED);
    assert_non_null(strstr(p.why.text, "references"));
}

static void only_the_registrys_own_404_says_that_an_id_is_unknown(void **state)
{
    (void)state;

    struct registry_parsed p =
        schema(404, JSON, "{\"error_code\":40403,\"message\":\"Schema not found\"}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_UNKNOWN);
    assert_string_equal(p.why.text, "HTTP 404, error_code 40403: Schema not found");
    assert_int_equal(schema(404, "application/json", "{\"error_code\":40401}").kind,
                     REGISTRY_ANSWER_UNKNOWN);
    assert_int_equal(schema(404, "application/json", "{\"error_code\":0}").kind,
                     REGISTRY_ANSWER_UNKNOWN);

    assert_int_equal(schema(404, JSON, "{\"error_code\":\"40403\"}").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(404, JSON, "{}").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(404, JSON, "[40403]").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(404, JSON, "").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(404, "text/html", "{\"error_code\":40403}").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(404, "", "{\"error_code\":40403}").kind, REGISTRY_ANSWER_AWAY);
}

static void any_other_answer_says_that_the_registry_is_away(void **state)
{
    (void)state;
    static const long statuses[] = {200, 204, 301, 400, 401, 403, 410, 429, 500, 502, 503};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct registry_parsed p =
            schema(statuses[i], JSON, "{\"error_code\":40403,\"message\":\"no\"}");
        char want[16];
        snprintf(want, sizeof want, "HTTP %ld", statuses[i]);
        assert_int_equal(p.kind, REGISTRY_ANSWER_AWAY);
        assert_int_equal(p.why.kind, ERR_RETRY);
        assert_int_equal(p.why.code, statuses[i]);
        assert_non_null(strstr(p.why.text, want));
    }
    assert_int_equal(schema(200, JSON, "{\"schema\":").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(200, JSON, "{\"schema\":7}").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(200, JSON, "{\"schema\":\"\\ud800\"}").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(schema(200, "text/html", "<html>").kind, REGISTRY_ANSWER_AWAY);
}

static void a_message_of_the_registry_breaks_no_line(void **state)
{
    (void)state;

    struct registry_parsed p = schema(500, JSON, "{\"message\":\"a\\nb\\u0007\"}");

    assert_string_equal(p.why.text, "HTTP 500: a\\x0ab\\x07");
}

/* --- subjects ------------------------------------------------------------------------------- */

static void a_subject_answers_with_an_id(void **state)
{
    (void)state;

    struct registry_parsed p =
        subject(200, JSON, "{\"subject\":\"s\",\"version\":1,\"id\":12,\"schema\":\"\"}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_ID);
    assert_int_equal(p.id, 12);
    assert_int_equal(subject(200, JSON, "{\"id\":4294967295}").id, -1);
    assert_int_equal(subject(200, JSON, "{\"id\":4294967296}").kind, REGISTRY_ANSWER_AWAY);
    assert_int_equal(subject(200, JSON, "{\"id\":\"12\"}").kind, REGISTRY_ANSWER_AWAY);
}

static void a_refusal_of_a_subject_is_told_in_the_registrys_words(void **state)
{
    (void)state;

    struct registry_parsed p =
        subject(409, JSON, "{\"error_code\":40901,\"message\":\"incompatible\"}");

    assert_int_equal(p.kind, REGISTRY_ANSWER_REFUSED);
    assert_int_equal(p.why.kind, ERR_FATAL);
    assert_string_equal(p.why.text, "HTTP 409, error_code 40901: incompatible");
    assert_int_equal(subject(422, JSON, "{\"error_code\":42201}").kind, REGISTRY_ANSWER_REFUSED);
    assert_int_equal(subject(404, JSON, "{\"error_code\":40401}").kind, REGISTRY_ANSWER_UNKNOWN);
}

static void what_passes_by_itself_is_waited_for(void **state)
{
    (void)state;
    static const long statuses[] = {401, 403, 408, 429, 500, 503};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        assert_int_equal(subject(statuses[i], JSON, "{\"error_code\":1}").kind,
                         REGISTRY_ANSWER_AWAY);
    assert_int_equal(subject(409, "text/html", "<html>").kind, REGISTRY_ANSWER_AWAY);
}

static void a_subject_stands_in_a_url_escaped(void **state)
{
    (void)state;
    struct buf b = {0};

    fetch_escape(&b, "usage.create-value/ä?");

    assert_string_equal(buf_text(&b), "usage.create-value%2F%C3%A4%3F");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_taken_out_of_its_json),
        cmocka_unit_test(what_a_registry_adds_to_a_schema_does_not_matter),
        cmocka_unit_test(a_schema_of_another_kind_is_unsupported),
        cmocka_unit_test(
            a_schema_that_is_too_long_to_fetch_is_unsupported_and_an_error_page_is_not),
        cmocka_unit_test(a_schema_with_references_is_unsupported),
        cmocka_unit_test(only_the_registrys_own_404_says_that_an_id_is_unknown),
        cmocka_unit_test(any_other_answer_says_that_the_registry_is_away),
        cmocka_unit_test(a_message_of_the_registry_breaks_no_line),
        cmocka_unit_test(a_subject_answers_with_an_id),
        cmocka_unit_test(a_refusal_of_a_subject_is_told_in_the_registrys_words),
        cmocka_unit_test(what_passes_by_itself_is_waited_for),
        cmocka_unit_test(a_subject_stands_in_a_url_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
