/* Bytes that wait in memory, and behind a limit in a nameless file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "base/spool.h"

enum { PIECE = 1000, MEMORY = 4096 };

static void add(struct spool *s, unsigned char byte)
{
    memset(buf_room(&s->memory, PIECE), byte, PIECE);
    s->memory.len += PIECE;
}

/* All of it, in pieces of `max` bytes: piece i is made of the byte i. */
static bool reads_back(struct spool *s, size_t pieces, size_t max)
{
    struct buf b = {0};
    struct err err = {0};
    for (size_t before = SIZE_MAX; before != b.len;) {
        before = b.len;
        if (!spool_read(s, &b, max, &err))
            break;
    }
    bool good = b.len == pieces * PIECE;
    for (size_t i = 0; good && i < b.len; i++)
        good = (unsigned char)b.data[i] == (unsigned char)(i / PIECE);
    buf_fini(&b);
    return good;
}

static void it_reads_what_was_written_in_memory_in_the_file_and_in_both(void **state)
{
    (void)state;
    for (size_t pieces = 0; pieces < 40; pieces++)
        for (size_t max = 7; max < 20000; max *= 5) {
            struct spool s = {.memory_max = MEMORY};
            struct err err = {0};
            for (size_t i = 0; i < pieces; i++) {
                add(&s, (unsigned char)i);
                assert_true(spool_write(&s, &err));
            }
            assert_int_equal(s.file > 0, pieces * PIECE > MEMORY);
            assert_true(reads_back(&s, pieces, max));
            spool_fini(&s);
        }
}

static void a_file_that_takes_no_more_is_an_error_with_its_folder_and_the_remedy(void **state)
{
    (void)state;
    struct spool s = {.memory_max = MEMORY};
    struct err err = {0};
    struct rlimit before, small = {10 * PIECE, 10 * PIECE};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);

    bool good = true;
    for (size_t i = 0; good && i < 40; i++) {
        add(&s, (unsigned char)i);
        good = spool_write(&s, &err);
    }

    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(good);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "a file in /tmp cannot be written: File too large"));
    assert_non_null(strstr(err.text, "TMPDIR"));
    spool_fini(&s);
}

/* The last bytes are in memory, and stay there: what was taken can be given back on a full disk. */
static void reading_needs_no_room_on_the_disk(void **state)
{
    (void)state;
    struct spool s = {.memory_max = MEMORY};
    struct err err = {0};
    struct rlimit before, none = {0, 0};
    for (size_t i = 0; i < 8; i++) {
        add(&s, (unsigned char)i);
        assert_true(spool_write(&s, &err));
    }
    assert_true(s.file > 0 && s.memory.len > 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &none);

    bool good = reads_back(&s, 8, 3000);

    setrlimit(RLIMIT_FSIZE, &before);
    assert_true(good);
    spool_fini(&s);
}

static void a_folder_that_is_not_there_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct spool s = {.memory_max = 0};
    struct err err = {0};
    setenv("TMPDIR", "/nonexistent/folder", 1);
    add(&s, 1);

    bool good = spool_write(&s, &err);

    setenv("TMPDIR", "/tmp", 1);
    assert_false(good);
    assert_non_null(strstr(err.text, "a file in /nonexistent/folder cannot be made"));
    spool_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_what_was_written_in_memory_in_the_file_and_in_both),
        cmocka_unit_test(a_file_that_takes_no_more_is_an_error_with_its_folder_and_the_remedy),
        cmocka_unit_test(reading_needs_no_room_on_the_disk),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error_that_names_it),
    };
    setenv("TMPDIR", "/tmp", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
