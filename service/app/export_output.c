#include "app/export_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stop.h"

static bool failed(const struct export_output *o, const char *what, struct err *err)
{
    return err_set(err, ERR_FATAL, "%s: cannot %s: %s", o->file ? o->file : "standard output", what,
                   errno == EPIPE ? "who reads it has gone" : strerror(errno));
}

/* As a file that is made by its name would be. */
static void give_mode(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
}

bool export_output_open(struct export_output *o, const char *file, struct err *err)
{
    struct stat there;
    *o = (struct export_output){.fd = STDOUT_FILENO, .file = file};
    if (!file)
        return true;
    bool exists = stat(file, &there) == 0;
    if (exists && !S_ISREG(there.st_mode)) {
        o->fd = open(file, O_WRONLY | O_CLOEXEC);
        return o->fd >= 0 || failed(o, "write", err);
    }
    o->target = exists ? realpath(file, NULL) : strdup(file);
    if (!o->target)
        return failed(o, "write", err);
    size_t n = strlen(o->target) + 8;
    o->made = malloc(n);
    if (!o->made)
        abort();
    snprintf(o->made, n, "%s.XXXXXX", o->target);
    o->fd = mkstemp(o->made);
    if (o->fd >= 0) {
        give_mode(o->fd);
        return true;
    }
    failed(o, "write beside it", err);
    free(o->made);
    o->made = NULL;
    export_output_close(o);
    return false;
}

/* A pipe that can take PIPE_BUF bytes takes them at once, so the stop is always seen. */
static bool wait_for_room(const struct export_output *o)
{
    struct pollfd p[2] = {{.fd = o->fd, .events = POLLOUT}, {.fd = stop_fd(), .events = POLLIN}};
    return poll(p, 2, -1) >= 0 && !p[1].revents;
}

bool export_output_write(struct export_output *o, const char *bytes, size_t n, struct err *err)
{
    while (n > 0) {
        size_t most = o->made || n < PIPE_BUF ? n : PIPE_BUF;
        if (!o->made && !wait_for_room(o)) {
            errno = EINTR;
            return failed(o, "write", err);
        }
        ssize_t written = write(o->fd, bytes, most);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failed(o, "write", err);
        bytes += written;
        n -= (size_t)written;
        o->bytes += written;
    }
    return true;
}

bool export_output_finish(struct export_output *o, struct err *err)
{
    if (!o->made)
        return true;
    if (fsync(o->fd) != 0 || rename(o->made, o->target) != 0)
        return failed(o, "finish", err);
    free(o->made);
    o->made = NULL;
    return true;
}

void export_output_close(struct export_output *o)
{
    if (o->made)
        unlink(o->made);
    if (o->file && o->fd >= 0)
        close(o->fd);
    free(o->made);
    free(o->target);
    o->made = o->target = NULL;
    o->fd = -1;
}
