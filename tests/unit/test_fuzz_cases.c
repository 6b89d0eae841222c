/* Every seed of the fuzz targets, and every case that they ever found, once: a finding is an assert
 * that fails, a crash, or a sanitizer's word (make asan). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

typedef int target_function(const uint8_t *data, size_t size);

target_function fuzz_record, fuzz_schema, fuzz_registry, fuzz_settings, fuzz_number, fuzz_json,
    fuzz_merge, fuzz_body, fuzz_query, fuzz_import;

static void read_file(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    b->len = 0;
    for (size_t n = 1; n > 0;) {
        n = fread(buf_room(b, 65536), 1, 65536, f);
        b->len += n;
    }
    fclose(f);
}

/* All files of a folder; returns how many. A folder that is not there has none. */
static int run_folder(const char *kind, const char *name, target_function *target)
{
    char folder[200], path[600];
    struct buf b = {0};
    int count = 0;
    snprintf(folder, sizeof folder, "tests/fuzz/%s/%s", kind, name);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        read_file(path, &b);
        char *exact = malloc(b.len > 0 ? b.len : 1); /* a read past the end is seen */
        memcpy(exact, b.data, b.len);
        fprintf(stderr, "%s\n", path); /* the last one is what it died of */
        assert_int_equal(target((const uint8_t *)exact, b.len), 0);
        free(exact);
        count++;
    }
    if (dir)
        closedir(dir);
    buf_fini(&b);
    return count;
}

static void run(const char *name, target_function *target)
{
    assert_true(run_folder("seeds", name, target) > 0);
    run_folder("found", name, target);
}

#define CASES(name)                                                                                \
    static void every_case_of_##name##_is_survived(void **state)                                   \
    {                                                                                              \
        (void)state;                                                                               \
        run(#name, fuzz_##name);                                                                   \
    }

CASES(record)
CASES(schema)
CASES(registry)
CASES(settings)
CASES(number)
CASES(json)
CASES(body)
CASES(merge)
CASES(query)
CASES(import)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_record_is_survived),
        cmocka_unit_test(every_case_of_schema_is_survived),
        cmocka_unit_test(every_case_of_registry_is_survived),
        cmocka_unit_test(every_case_of_settings_is_survived),
        cmocka_unit_test(every_case_of_number_is_survived),
        cmocka_unit_test(every_case_of_json_is_survived),
        cmocka_unit_test(every_case_of_body_is_survived),
        cmocka_unit_test(every_case_of_merge_is_survived),
        cmocka_unit_test(every_case_of_query_is_survived),
        cmocka_unit_test(every_case_of_import_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
