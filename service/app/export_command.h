/* export_command - `usaged export`: usages as CSV or JSON lines into a file or to standard output,
 * straight from PostgreSQL.
 *
 * A file has its name only once it is whole and on the disk. What goes to standard output is whole
 * when the exit code is 0. An export that PostgreSQL leaves in the middle waits for it and goes on.
 */
#pragma once

#include "app/settings.h"

struct export_options {
    const char *from, *to; /* a date or a time each, of usageDate: from <= usageDate < to */
    const char *filter;    /* as behind the '?' of GET usage */
    const char *fields, *sort;
    const char *format; /* csv, ndjson */
    const char *output; /* NULL or "-": standard output */
};

/* Returns the exit code: 0 whole; 1 not; 2 an option is wrong. Says what was written on standard
 * error. */
int export_run(const struct settings *s, const struct export_options *options);
