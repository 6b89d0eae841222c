/* import_rejects - the file of lines that are no usages: JSON lines {"line","reason","message"}.
 * One thread.
 *
 * It is there once there is such a line; an earlier one of the name is removed at the begin.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/text.h"

struct import_rejects {
    const char *file;
    FILE *out;
    uint64_t count;
    int error; /* the first that writing has met: nothing is added any more */
};

/* Whether it can be written. ERR_FATAL, here and below: the text names the file. */
bool import_rejects_open(struct import_rejects *r, const char *file, struct err *err) MUST_CHECK;

bool import_rejects_add(struct import_rejects *r, uint64_t line, const char *reason,
                        struct text message, struct err *err) MUST_CHECK;

/* All is on its way to the disk. True as well behind a failure that was returned already. */
bool import_rejects_close(struct import_rejects *r, struct err *err) MUST_CHECK;
