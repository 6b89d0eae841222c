/* base/log: what a line is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int behind, before; /* standard error, read and as it was */
static char line[8192];

static void listen_to_it(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stderr);
    before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    behind = ends[0];
}

/* The line behind its time. */
static const char *heard(void)
{
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t n = read(behind, line, sizeof line - 1);
    close(behind);
    assert_true(n > 25);
    line[n] = 0;
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
    return strchr(line, ' ') + 1;
}

static void a_line_has_level_thread_text_and_fields(void **state)
{
    (void)state;
    listen_to_it();
    log_line(LOG_WARNING, "waiting", "for=%s n=%d", "kafka", 3);
    assert_string_equal(heard(), "warning main: waiting for=kafka n=3\n");

    listen_to_it();
    log_line(LOG_INFO, "stopped", NULL);
    assert_string_equal(heard(), "info main: stopped\n");
}

static void a_text_of_others_cannot_end_its_quotes(void **state)
{
    (void)state;
    listen_to_it();
    log_line(LOG_INFO, "waiting", "for=%s why=\"%s\"", "postgres",
             "at \"127.0.0.1\", C:\\x\n exit=0");
    assert_string_equal(
        heard(), "info main: waiting for=postgres why=\"at \\\"127.0.0.1\\\", C:\\\\x  exit=0\"\n");

    listen_to_it();
    log_line(LOG_INFO, "it", "why=\"%s\"", "");
    assert_string_equal(heard(), "info main: it why=\"\"\n");

    listen_to_it(); /* constants in front of it are as they are */
    log_line(LOG_INFO, "it", "remedy=\"run it\" why=\"%s\"", "\"");
    assert_string_equal(heard(), "info main: it remedy=\"run it\" why=\"\\\"\"\n");
}

static void a_long_text_is_cut_off_inside_its_quotes(void **state)
{
    (void)state;
    char text[5000];
    for (size_t n = 1900; n < sizeof text; n += n < 2100 ? 1 : 1000) {
        memset(text, n % 2 ? '"' : 'a', n);
        text[n] = 0;
        listen_to_it();
        log_line(LOG_INFO, "it", "why=\"%s\"", text);
        const char *said = heard();
        size_t length = strlen(line);
        assert_true(length <= 2048);
        assert_string_equal(said + strlen(said) - 2, "\"\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_thread_text_and_fields),
        cmocka_unit_test(a_text_of_others_cannot_end_its_quotes),
        cmocka_unit_test(a_long_text_is_cut_off_inside_its_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
