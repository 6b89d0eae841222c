/* spool - bytes that are written first and read afterwards, in memory up to a limit and behind that
 * in a file that has no name: it goes with the process. One thread at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct spool {
    struct buf memory;
    size_t memory_max; /* bytes; then the file takes what memory holds */
    int file;          /* descriptor + 1; 0: none */
    uint64_t filed;    /* bytes in it; what is in memory is behind them */
    uint64_t read_to;
};

/* Bytes are added to `memory`; this is called behind each addition. ERR_RETRY: the folder $TMPDIR,
 * else /tmp, takes no more; the text says so, and the remedy. What is said to be written can be
 * read, since no byte of it still needs the disk. */
bool spool_write(struct spool *s, struct err *err) MUST_CHECK;

/* Adds at most `max` bytes to `out`, from where the last read ended; none: that was all. Nothing is
 * written after the first. */
bool spool_read(struct spool *s, struct buf *out, size_t max, struct err *err) MUST_CHECK;
void spool_fini(struct spool *s);
