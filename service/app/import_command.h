/* import_command - `usaged import`: usages of a file into topic.import, and what became of them. */
#pragma once

#include "app/settings.h"

struct import_options {
    const char *file;     /* "-": standard input */
    const char *format;   /* csv, ndjson; NULL: by the end of the file's name */
    const char *rejected; /* NULL: FILE.rejected, of standard input stdin.rejected */
    bool dry_run;         /* checks only */
    bool no_wait;         /* does not look what became of what was sent */
};

/* Returns the exit code: 0 each line is a usage (a dry run: could be); 1 not each, or not known; 2
 * an option is wrong. The summary is on standard output, all else on standard error. */
int import_run(const struct settings *s, const struct import_options *options);
