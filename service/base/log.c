#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
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

enum { LINE_MAX_BYTES = 2048 };

/* Writes `fields` to `out`; of a value that is their end and in quotes, "why=\"%s\"", the quotes
 * and backslashes are escaped. Returns the bytes, fewer than `size`. */
static size_t add_fields(char *out, size_t size, const char *fields, va_list args)
{
    static const char tail[] = "\"%s\"";
    char before[512], whole[LINE_MAX_BYTES];
    size_t length = strlen(fields), tail_length = sizeof tail - 1;
    bool quoted = length >= tail_length && length < sizeof before &&
                  strcmp(fields + length - tail_length, tail) == 0;
    va_list copy;
    va_copy(copy, args);
    int n = vsnprintf(whole, sizeof whole, fields, args);
    snprintf(before, sizeof before, "%.*s", quoted ? (int)(length - tail_length) : 0, fields);
    int value = quoted ? vsnprintf(NULL, 0, before, copy) + 1 : n;
    va_end(copy);
    size_t made = 0, end = n < 0 ? 0 : strlen(whole);
    if (quoted && (size_t)n == end)
        end--; /* the last quote comes below */
    for (size_t i = 0; i < end && made < size - 3; i++) {
        if ((int)i >= value && (whole[i] == '"' || whole[i] == '\\'))
            out[made++] = '\\';
        out[made++] = whole[i];
    }
    if (quoted)
        out[made++] = '"';
    return made;
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
    char line[LINE_MAX_BYTES];
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s: %s", now.tv_nsec / 1000000,
                          names[level], thread_name, text);
    if (fields && fields[0] && n < sizeof line - 8) {
        line[n++] = ' ';
        va_list args;
        va_start(args, fields);
        n += add_fields(line + n, sizeof line - n, fields, args);
        va_end(args);
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
