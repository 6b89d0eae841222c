#define _GNU_SOURCE
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const char *folder(void)
{
    const char *named = getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

/* Without a name from the start where the file system can; else for a moment with one. */
static int open_nameless(void)
{
    int fd = open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    struct buf name = {0};
    buf_printf(&name, "%s/usaged-XXXXXX", folder());
    fd = mkostemp((char *)buf_text(&name), O_CLOEXEC);
    if (fd >= 0)
        unlink(name.data);
    buf_fini(&name);
    return fd;
}

static bool failed(struct err *err, const char *what)
{
    return err_set(err, ERR_RETRY,
                   "a file in %s cannot be %s: %s: make room there, or let TMPDIR name another "
                   "folder",
                   folder(), what, strerror(errno)); /* NOLINT(concurrency-mt-unsafe): glibc's is */
}

static bool flush(struct spool *s, struct err *err)
{
    if (s->file == 0) {
        int fd = open_nameless();
        if (fd < 0)
            return failed(err, "made");
        s->file = fd + 1;
    }
    for (size_t at = 0; at < s->memory.len;) {
        ssize_t n = write(s->file - 1, s->memory.data + at, s->memory.len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(err, "written");
        at += (size_t)n;
        s->filed += (uint64_t)n;
    }
    buf_reset(&s->memory);
    return true;
}

bool spool_write(struct spool *s, struct err *err)
{
    return s->memory.len <= s->memory_max || flush(s, err);
}

bool spool_read(struct spool *s, struct buf *out, size_t max, struct err *err)
{
    if (s->read_to >= s->filed) {
        size_t from = (size_t)(s->read_to - s->filed), left = s->memory.len - from,
               n = left < max ? left : max;
        buf_add(out, s->memory.data + from, n);
        s->read_to += n;
        return true;
    }
    ssize_t n;
    do
        n = pread(s->file - 1, buf_room(out, max), max, (off_t)s->read_to);
    while (n < 0 && errno == EINTR);
    if (n == 0) /* somebody has cut it */
        errno = EIO;
    if (n <= 0)
        return failed(err, "read");
    out->len += (size_t)n;
    s->read_to += (uint64_t)n;
    return true;
}

void spool_fini(struct spool *s)
{
    if (s->file > 0)
        close(s->file - 1);
    s->file = 0;
    buf_fini(&s->memory);
}
