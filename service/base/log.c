#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int threshold = LOG_INFO;
static _Thread_local char thread_name[16] = "main";

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

void log_set_thread(const char *name)
{
    snprintf(thread_name, sizeof thread_name, "%s", name);
}

void log_line(enum log_level level, const char *text, const char *fields, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    char line[2048];
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s: %s", now.tv_nsec / 1000000,
                          names[level], thread_name, text);
    if (fields && fields[0] && n < sizeof line - 2) {
        line[n++] = ' ';
        va_list args;
        va_start(args, fields);
        int more = vsnprintf(line + n, sizeof line - n, fields, args);
        va_end(args);
        n += more < 0 ? 0 : (size_t)more;
    }
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written; /* there is nowhere to report a log that cannot be written */
}
