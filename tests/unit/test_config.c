#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "config_table.h"

struct reading {
    struct config *config;
    struct target target;
    char *errors;
    size_t errors_size;
    FILE *stream;
};

static struct reading *begin(void)
{
    struct reading *r = calloc(1, sizeof *r);
    r->stream = open_memstream(&r->errors, &r->errors_size);
    r->config = config_new(&(struct config_options){.table = table,
                                                    .count = sizeof table / sizeof table[0],
                                                    .program = "usaged",
                                                    .environment = "USAGED_",
                                                    .foreign = "USAGED_TEST",
                                                    .open = "other.",
                                                    .secret = is_secret,
                                                    .errors = r->stream});
    return r;
}

static bool finish(struct reading *r)
{
    bool good = config_finish(r->config, &r->target);
    fflush(r->stream);
    return good;
}

static void end(struct reading *r)
{
    config_free(r->config);
    fclose(r->stream);
    free(r->errors);
    free(r);
}

/* A file with this content; the caller removes it. */
static const char *file_of(const char *content)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal((ssize_t)strlen(content), write(fd, content, strlen(content)));
    close(fd);
    return path;
}

static void read_file(struct reading *r, const char *content)
{
    const char *path = file_of(content);
    config_file(r->config, path);
    unlink(path);
}

/* What one --set of this value says; "" if it is taken. */
static char *complaint_of(const char *assignment)
{
    struct reading *r = begin();
    config_set(r->config, assignment);
    bool good = finish(r);
    assert_int_equal(good, r->errors[0] == 0);
    char *text = strdup(r->errors);
    end(r);
    return text;
}

static void assert_complaint(const char *assignment, const char *want)
{
    char *text = complaint_of(assignment);
    assert_string_equal(text, want);
    free(text);
}

/* --- values --------------------------------------------------------------------------------- */

static void defaults_stand_where_no_source_says_otherwise(void **state)
{
    (void)state;
    struct reading *r = begin();

    assert_true(finish(r));

    assert_string_equal(r->target.name, "usaged");
    assert_null(r->target.note);
    assert_int_equal(r->target.records, 5000);
    assert_int_equal(r->target.wait_ms, 20);
    assert_int_equal(r->target.age_ms, 10 * INT64_C(365) * 86400000);
    assert_int_equal(r->target.bytes, 8 << 20);
    assert_true(r->target.on);
    assert_false(r->target.second);
    assert_int_equal(r->target.interval, MONTH);
    assert_int_equal(r->target.topics.count, 2);
    assert_string_equal(r->target.topics.names[1], "b");
    end(r);
}

static void an_error_names_setting_value_fault_and_source(void **state)
{
    (void)state;

    assert_complaint("batch.records=0",
                     "usaged: setting batch.records: \"0\" is not in 1 to 100000 (--set)\n");
    assert_complaint("batch.records=-1",
                     "usaged: setting batch.records: \"-1\" is not in 1 to 100000 (--set)\n");
    assert_complaint(
        "batch.records=99999999999999999999",
        "usaged: setting batch.records: \"99999999999999999999\" is not in 1 to 100000 (--set)\n");
    assert_complaint("batch.records=1e3",
                     "usaged: setting batch.records: \"1e3\" is not a whole number (--set)\n");
    assert_complaint("batch.records=",
                     "usaged: setting batch.records: \"\" is not a whole number (--set)\n");
    assert_complaint("batch.bytes=1KiB",
                     "usaged: setting batch.bytes: \"1KiB\" is not in 64 KiB to 1 GiB (--set)\n");
    assert_complaint("batch.bytes=1MB", "usaged: setting batch.bytes: \"1MB\" is not a number of "
                                        "bytes, nor one with KiB, MiB or GiB (--set)\n");
    assert_complaint(
        "usage.oldest=10",
        "usaged: setting usage.oldest: \"10\" is not a number with ms, s, m, h, d or y (--set)\n");
    assert_complaint("usage.oldest=1ms",
                     "usaged: setting usage.oldest: \"1ms\" is not in 1 s to 100 y (--set)\n");
    assert_complaint("batch.wait-ms=11s",
                     "usaged: setting batch.wait-ms: \"11s\" is not in 0 to 10000 (--set)\n");
    assert_complaint("on=yes", "usaged: setting on: \"yes\" is not false or true (--set)\n");
    assert_complaint("interval=week",
                     "usaged: setting interval: \"week\" is not hour, day or month (--set)\n");
    assert_complaint("name=", "usaged: setting name: \"\" is too short (--set)\n");
    assert_complaint("name=far-too-long",
                     "usaged: setting name: \"far-too-long\" is longer than 8 bytes (--set)\n");
    assert_complaint("name=a\nb",
                     "usaged: setting name: \"a\\x0ab\" holds a control character (--set)\n");
    assert_complaint("name=\xff", "usaged: setting name: \"\\xff\" is not UTF-8 (--set)\n");
    assert_complaint("topics=a,,b", "usaged: setting topics: \"a,,b\" has an empty name (--set)\n");
    assert_complaint("topics=a,b,a",
                     "usaged: setting topics: \"a,b,a\" has the name a twice (--set)\n");
    assert_complaint(
        "nope=1",
        "usaged: setting nope: there is no such setting; `usaged --help` lists them (--set)\n");
    assert_complaint("nope", "usaged: --set wants NAME=VALUE\n");
}

static void all_errors_of_one_start_are_printed(void **state)
{
    (void)state;
    struct reading *r = begin();

    config_set(r->config, "batch.records=0");
    config_set(r->config, "on=1");
    config_set(r->config, "nope=1");

    assert_false(finish(r));
    assert_string_equal(
        r->errors,
        "usaged: setting nope: there is no such setting; `usaged --help` lists them (--set)\n"
        "usaged: setting batch.records: \"0\" is not in 1 to 100000 (--set)\n"
        "usaged: setting on: \"1\" is not false or true (--set)\n");
    end(r);
}

static void in_the_place_of_a_faulty_value_stands_its_default(void **state)
{
    (void)state;
    struct reading *r = begin();

    config_set(r->config, "batch.records=0");
    config_set(r->config, "topics=,");

    assert_false(finish(r));
    assert_int_equal(r->target.records, 5000);
    assert_int_equal(r->target.topics.count, 2);
    end(r);
}

static void a_setting_is_reported_once(void **state)
{
    (void)state;
    struct reading *r = begin();
    config_set(r->config, "batch.records=0");
    assert_false(finish(r));

    config_fault(r->config, "batch.records", "is above something");
    config_fault(r->config, "name", "is above %s", "all");
    config_refuse(r->config, "place", "does not fit");

    fflush(r->stream);
    assert_string_equal(r->errors,
                        "usaged: setting batch.records: \"0\" is not in 1 to 100000 (--set)\n"
                        "usaged: setting name: \"usaged\" is above all (default)\n"
                        "usaged: setting place: does not fit (default)\n");
    end(r);
}

static void a_secret_is_in_no_error(void **state)
{
    (void)state;
    struct reading *r = begin();
    config_set(
        r->config,
        "server.password=0123456789012345678901234567890123456789012345678901234567890123456789");
    config_set(r->config, "other.password=hunter2");

    assert_false(finish(r));
    config_fault(r->config, "other.password", "is refused");

    fflush(r->stream);
    assert_string_equal(
        r->errors, "usaged: setting server.password: the value is longer than 64 bytes (--set)\n"
                   "usaged: setting other.password: the value is refused (--set)\n");
    end(r);
}

static void durations_and_sizes_are_read_with_their_units(void **state)
{
    (void)state;
    int64_t v;
    char text[UNITS_CHARS];

    assert_true(units_duration("20ms", false, &v) && v == 20);
    assert_true(units_duration("2 s", false, &v) && v == 2000);
    assert_true(units_duration("3m", false, &v) && v == 180000);
    assert_true(units_duration("1h", false, &v) && v == 3600000);
    assert_true(units_duration("1d", false, &v) && v == 86400000);
    assert_true(units_duration("1y", false, &v) && v == INT64_C(31536000000));
    assert_true(units_duration("0", false, &v) && v == 0);
    assert_true(units_duration("7", true, &v) && v == 7);
    assert_false(units_duration("7", false, &v));
    assert_false(units_duration("s", false, &v));
    assert_false(units_duration("1 s ", false, &v));
    assert_true(units_duration("999999999999999999y", false, &v) && v == INT64_MAX);
    assert_true(units_size("1 GiB", &v) && v == 1 << 30);
    assert_true(units_size("65536", &v) && v == 65536);
    assert_false(units_size("1gib", &v));
    assert_string_equal(units_print_size(900 << 10, text), "900 KiB");
    assert_string_equal(units_print_size(1000, text), "1000");
    assert_string_equal(units_print_duration(0, text), "0 ms");
    assert_string_equal(units_print_duration(90000, text), "90 s");
}

/* --- sources -------------------------------------------------------------------------------- */

static void the_later_source_wins(void **state)
{
    (void)state;
    char *environment[] = {"USAGED_BATCH_RECORDS=2", "USAGED_BATCH_WAIT_MS=2", "PATH=/bin", NULL};
    struct reading *r = begin();

    read_file(r, "batch.records = 1\nbatch.wait-ms = 1\nbatch.bytes = 1 MiB\n");
    config_environment(r->config, environment);
    config_set(r->config, "batch.records=3");
    config_set(r->config, "batch.records=4");

    assert_true(finish(r));
    assert_int_equal(r->target.records, 4);
    assert_int_equal(r->target.wait_ms, 2);
    assert_int_equal(r->target.bytes, 1 << 20);
    assert_string_equal(config_at(r->config, 3)->where, "--set");
    assert_string_equal(config_at(r->config, 4)->where, "environment USAGED_BATCH_WAIT_MS");
    end(r);
}

static void a_file_has_sections_comments_and_plain_quotes(void **state)
{
    (void)state;
    struct reading *r = begin();

    read_file(r, "\xef\xbb\xbf# comment\r\n"
                 "; comment\n"
                 "\n"
                 "note = \"q\" # \r\n"
                 "[batch]\n"
                 "  records=7\t\n"
                 "wait-ms = 5\n"
                 "[other]\n"
                 "sasl.password = a=b\n");

    assert_true(finish(r));
    assert_string_equal(r->target.note, "\"q\" #");
    assert_int_equal(r->target.records, 7);
    assert_int_equal(r->target.wait_ms, 5);
    assert_string_equal(config_text(r->config, "other.sasl.password"), "a=b");
    end(r);
}

static void a_broken_file_is_reported_line_by_line_without_its_values(void **state)
{
    (void)state;
    struct reading *r = begin();

    read_file(r, "hunter2\n"
                 "[batch\n"
                 "[]\n"
                 "= hunter2\n"
                 "nope = 1\n"
                 "name = a\n"
                 "name = b\n");

    assert_false(finish(r));
    assert_null(strstr(r->errors, "hunter2"));
    static const char *const wants[] = {
        " line 1: the line is not ",
        " line 2: the section does not end with ]",
        " line 3: the section has no name",
        " line 4: the line is not ",
        "setting nope: there is no such setting; `usaged --help` lists them (file ",
        "setting name: given a second time, first in file "};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++)
        assert_non_null(strstr(r->errors, wants[i]));
    end(r);
}

static void a_line_may_be_8_kib_long(void **state)
{
    (void)state;
    enum { MAX = 8192 };
    static const char name[] = "other.x=";
    char *content = malloc(MAX + 3);
    memset(content, 'a', MAX + 1);
    memcpy(content, name, strlen(name));

    memcpy(content + MAX, "\n", 2);
    struct reading *r = begin();
    read_file(r, content);
    assert_true(finish(r));
    assert_int_equal(strlen(config_text(r->config, "other.x")), MAX - strlen(name));
    end(r);

    memcpy(content + MAX, "a\n", 3);
    r = begin();
    read_file(r, content);
    assert_false(finish(r));
    assert_non_null(strstr(r->errors, " line 1: the line is longer than 8192 bytes"));
    end(r);
    free(content);
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct reading *r = begin();

    config_file(r->config, "/nonexistent/usaged.ini");

    assert_false(finish(r));
    assert_string_equal(r->errors,
                        "usaged: file /nonexistent/usaged.ini: No such file or directory\n");
    end(r);
}

static void a_variable_names_a_setting_in_capitals(void **state)
{
    (void)state;
    char *environment[] = {"USAGED_USAGE_OLDEST=1y",
                           "USAGED_OTHER_SASL_PASSWORD=x",
                           "USAGED_OTHER_TIMEOUT_MS=5",
                           "USAGED_TEST_SOMETHING=1",
                           "OTHER=1",
                           NULL};
    struct reading *r = begin();

    config_environment(r->config, environment);

    assert_true(finish(r));
    assert_int_equal(r->target.age_ms, INT64_C(31536000000));
    assert_string_equal(config_text(r->config, "other.sasl.password"), "x");
    assert_string_equal(config_text(r->config, "other.timeout.ms"), "5");
    end(r);
}

static void an_unknown_variable_is_an_error(void **state)
{
    (void)state;
    char *environment[] = {"USAGED_NOPE=1", "USAGED_OTHER_=1", "USAGED_OTHER_lower=1", NULL};
    struct reading *r = begin();

    config_environment(r->config, environment);

    assert_false(finish(r));
    assert_non_null(strstr(r->errors, "usaged: setting USAGED_NOPE: there is no such setting; "
                                      "`usaged --help` lists them (environment USAGED_NOPE)\n"));
    assert_non_null(strstr(r->errors, "USAGED_OTHER_: there is no such setting"));
    assert_non_null(strstr(r->errors, "USAGED_OTHER_lower: there is no such setting"));
    end(r);
}

static void a_variable_may_name_a_file_with_the_value(void **state)
{
    (void)state;
    const char *path = file_of("geheim\n\n");
    char variable[128], open[128];
    snprintf(variable, sizeof variable, "USAGED_SERVER_PASSWORD_FILE=%s", path);
    snprintf(open, sizeof open, "USAGED_OTHER_SASL_PASSWORD_FILE=%s", path);
    char *environment[] = {variable, open, NULL};
    struct reading *r = begin();

    config_environment(r->config, environment);
    unlink(path);

    assert_true(finish(r));
    assert_string_equal(r->target.password,
                        "geheim\n"); /* one newline is the file's, not the value's */
    assert_string_equal(config_text(r->config, "other.sasl.password"), "geheim\n");
    end(r);
}

static void a_value_and_a_file_at_once_is_an_error(void **state)
{
    (void)state;
    char *environment[] = {"USAGED_NAME=a", "USAGED_NAME_FILE=/dev/null",
                           "USAGED_NOTE_FILE=/nonexistent", NULL};
    struct reading *r = begin();

    config_environment(r->config, environment);

    assert_false(finish(r));
    assert_string_equal(r->errors,
                        "usaged: setting name: given twice, in environment USAGED_NAME and in "
                        "environment USAGED_NAME_FILE\n"
                        "usaged: setting note: cannot read /nonexistent: No such file or directory "
                        "(environment USAGED_NOTE_FILE)\n");
    end(r);
}

static void a_default_made_at_run_time_yields_to_any_source(void **state)
{
    (void)state;
    struct reading *r = begin();
    config_set(r->config, "name=mine");

    config_default(r->config, "name", "host");
    config_default(r->config, "note", "made");

    assert_true(finish(r));
    assert_string_equal(r->target.name, "mine");
    assert_string_equal(r->target.note, "made");
    end(r);
}

/* --- addresses ------------------------------------------------------------------------------ */

static void assert_address(const char *text, const char *want_host, const char *want_port)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    assert_true(address_split(text, host, port));
    assert_string_equal(host, want_host);
    assert_string_equal(port, want_port);
}

static void an_address_is_host_and_port(void **state)
{
    (void)state;
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    static const char *const bad[] = {"",           "8635",        "host",     "host:",   "host:0",
                                      "host:65536", "host:http",   "::1:80",   "[::1:80", "[]:80",
                                      "a b:80",     "http://h:80", "host:80x", "host:-1"};

    assert_address("127.0.0.1:8635", "127.0.0.1", "8635");
    assert_address("localhost:080", "localhost", "80");
    assert_address("[::1]:65535", "::1", "65535");
    assert_address("*:1", "", "1");
    assert_address(":1", "", "1");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(address_split(bad[i], host, port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_no_source_says_otherwise),
        cmocka_unit_test(an_error_names_setting_value_fault_and_source),
        cmocka_unit_test(all_errors_of_one_start_are_printed),
        cmocka_unit_test(in_the_place_of_a_faulty_value_stands_its_default),
        cmocka_unit_test(a_setting_is_reported_once),
        cmocka_unit_test(a_secret_is_in_no_error),
        cmocka_unit_test(durations_and_sizes_are_read_with_their_units),
        cmocka_unit_test(the_later_source_wins),
        cmocka_unit_test(a_file_has_sections_comments_and_plain_quotes),
        cmocka_unit_test(a_broken_file_is_reported_line_by_line_without_its_values),
        cmocka_unit_test(a_line_may_be_8_kib_long),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
        cmocka_unit_test(a_variable_names_a_setting_in_capitals),
        cmocka_unit_test(an_unknown_variable_is_an_error),
        cmocka_unit_test(a_variable_may_name_a_file_with_the_value),
        cmocka_unit_test(a_value_and_a_file_at_once_is_an_error),
        cmocka_unit_test(a_default_made_at_run_time_yields_to_any_source),
        cmocka_unit_test(an_address_is_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
