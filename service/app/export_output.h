/* export_output - a file that has its name only once it is whole, or standard output. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct export_output {
    int fd;
    const char *file; /* NULL: standard output */
    char *made;       /* the name that it has until it is whole; NULL: it is written in place */
    char *target;     /* where it goes: `file`, behind a symbolic link what that names */
    int64_t bytes;
};

/* What is no ordinary file (a pipe, /dev/null) is written in place. ERR_FATAL, here and below: the
 * text names the file and what is wrong. */
bool export_output_open(struct export_output *o, const char *file, struct err *err) MUST_CHECK;

/* Waits for who reads, but not beyond the stop. */
bool export_output_write(struct export_output *o, const char *bytes, size_t n,
                         struct err *err) MUST_CHECK;

/* All is written: it goes to the disk, and then has its name. */
bool export_output_finish(struct export_output *o, struct err *err) MUST_CHECK;

/* Removes what was not finished. */
void export_output_close(struct export_output *o);
