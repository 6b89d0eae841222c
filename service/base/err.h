/* err - why a call failed, and what its caller should do about it. */
#pragma once

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))

/* The kind is the remedy, not the cause. */
enum err_kind {
    ERR_NONE,
    ERR_DATA,  /* set this record aside and go on */
    ERR_RETRY, /* recover: forget the batch, wait, take the partitions over again */
    ERR_LOST,  /* the group says that we are out: abort, poll until the next ASSIGN */
    ERR_FATAL  /* stop the service; the exit code is 1 */
};

/* Lives on the caller's stack. */
struct err {
    enum err_kind kind;
    int code;         /* what the layer that failed adds: a reason, an HTTP status; 0 if nothing */
    char state[6];    /* SQLSTATE if PostgreSQL refused, else "" */
    const char *part; /* which part of the system failed: "postgres", "kafka"; NULL: not said */
    char text[1024];  /* one line, UTF-8, no control characters */
};

/* Fills *err and returns false, so that `return err_set(err, ERR_DATA, "...")` reads well. */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context in front of the text ("context: text"), keeps the rest. Returns false. */
bool err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void err_clear(struct err *err);
