/* Settings out of a file, the environment and the command line.
 *
 * Input: the file's text up to a 0, variables (NAME=VALUE) each up to a 0, and behind an empty one
 * what --set gets, each up to a 0. Not the service's own table, whose checks ask librdkafka: that
 * would load libraries and open files that a random text names. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/config_table.h"
#include "fuzz.h"

enum { VARIABLES_MAX = 40 };

/* A file in memory; its path. */
static int file_of(struct text content, char path[40])
{
    int fd = memfd_create("settings", MFD_CLOEXEC);
    assert(fd >= 0);
    ssize_t n = write(fd, content.p, content.n);
    assert(n == (ssize_t)content.n);
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

/* Variables that name a file to be read all name this one: a random text may name a device. */
static char *variable_of(struct arena *a, struct text part, const char *path)
{
    char *variable = arena_copy(a, part.p, part.n);
    size_t n = strcspn(variable, "=");
    if (n >= 5 && memcmp(variable + n - 5, "_FILE", 5) == 0)
        return arena_printf(a, "%.*s=%s", (int)n, variable, path);
    return variable;
}

static void check(const struct target *t, bool good, const char *errors)
{
    assert(good == (errors[0] == 0));
    assert(t->name && t->records >= 1 && t->records <= 100000);
    assert(t->wait_ms >= 0 && t->wait_ms <= 10000 && t->bytes >= 65536 && t->age_ms >= 1000);
    assert((int)t->interval >= 0 && (int)t->interval <= 2);
    assert(t->topics.count > 0 && t->topics.count <= CONFIG_LIST_MAX);
    for (int i = 0; i < t->topics.count; i++)
        assert(t->topics.names[i][0]);
    char text[UNITS_CHARS];
    int64_t back;
    bool same = units_duration(units_print_duration(t->age_ms, text), false, &back);
    assert(same && back == t->age_ms);
    same = units_size(units_print_size(t->bytes, text), &back);
    assert(same && back == t->bytes);
}

FUZZ(settings)
{
    struct target target = {0};
    char path[40], *errors = NULL, *variables[VARIABLES_MAX + 1];
    size_t count = 0, errors_size = 0;
    struct arena *a = arena_new(4096);
    int fd = file_of(fuzz_part(&data, &size), path);
    FILE *stream = open_memstream(&errors, &errors_size);
    struct config *c = config_new(&(struct config_options){.table = table,
                                                           .count = sizeof table / sizeof *table,
                                                           .program = "usaged",
                                                           .environment = "USAGED_",
                                                           .foreign = "USAGED_TEST",
                                                           .open = "other.",
                                                           .secret = is_secret,
                                                           .errors = stream});
    config_file(c, path);
    while (size > 0 && *data != 0 && count < VARIABLES_MAX)
        variables[count++] = variable_of(a, fuzz_part(&data, &size), path);
    variables[count] = NULL;
    config_environment(c, variables);
    if (size > 0)
        fuzz_part(&data, &size);
    for (count = 0; size > 0 && count < VARIABLES_MAX; count++) {
        struct text part = fuzz_part(&data, &size);
        config_set(c, arena_copy(a, part.p, part.n));
    }
    bool good = config_finish(c, &target);
    fflush(stream);
    check(&target, good, errors);
    for (int i = 0; i < config_count(c); i++)
        assert(config_at(c, i)->name && config_at(c, i)->where);
    config_free(c);
    fclose(stream);
    free(errors);
    close(fd);
    arena_free(a);
    return 0;
}
