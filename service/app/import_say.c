#include "app/import_say.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/progress.h"
#include "base/stop.h"

enum {
    SHOW_MS = 500,
    STALL_MS = 5000, /* so long nothing may be stored before that is said */
    STALL_AGAIN_MS = 60000
};

void import_say_wipe(struct import_say *s)
{
    if (s->has_bar)
        fputs("\r\033[K", stderr);
    s->has_bar = false;
}

bool import_say_fail(struct import_say *s, const char *text)
{
    import_say_wipe(s);
    fprintf(stderr, "usaged: import: %s\n", text);
    return false;
}

bool import_say_is_due(struct import_say *s)
{
    int64_t now = instant_ticks();
    if (!isatty(STDERR_FILENO) || now - s->shown < SHOW_MS)
        return false;
    s->shown = now;
    s->has_bar = true;
    return true;
}

void import_say_bar(const char *what, int64_t part, int64_t of, uint64_t lines)
{
    char bar[PROGRESS_CHARS];
    fprintf(stderr, "\r\033[Kusaged: import: %s %s, %" PRIu64 " lines", what,
            progress_bar(part, of, bar), lines);
    fflush(stderr);
}

void import_say_waiting(struct import_say *s, const char *why, int most_ms)
{
    import_say_wipe(s);
    if (!s->has_waited)
        fprintf(stderr,
                "usaged: import: waiting: %s (it ends after %d s, or with Ctrl-C; what was sent "
                "stays, and importing it again does not harm)\n",
                why, most_ms / 1000);
    s->has_waited = true;
}

void import_say_goes(struct import_say *s)
{
    s->has_waited = false;
}

void import_say_sent(struct import_say *s, const char *why)
{
    import_say_wipe(s);
    if (!s->has_waited)
        fprintf(stderr,
                "usaged: import: all is sent; waiting to see what becomes of it: %s (it ends with "
                "Ctrl-C, which does not take back what was sent)\n",
                why);
    s->has_waited = true;
}

void import_say_stored(struct import_say *s, int64_t stored, int64_t of, const char *group)
{
    int64_t now = instant_ticks();
    if (stored != s->stored || s->stall_at == 0) {
        s->stored = stored;
        s->stall_at = now + STALL_MS;
    }
    if (now < s->stall_at)
        return;
    import_say_wipe(s);
    fprintf(stderr,
            "usaged: import: waiting: all is in Kafka, %" PRId64 " of %" PRId64
            " lines are stored: does `usaged run` run for the group %s? (Ctrl-C ends the wait; "
            "what was sent stays)\n",
            stored, of, group);
    s->stall_at = now + STALL_AGAIN_MS;
}

bool import_say_over(const char *why, int most_ms, struct err *err)
{
    if (stop_asked())
        return err_set(err, ERR_RETRY, "stopped while waiting: %s", why);
    return err_set(err, ERR_RETRY,
                   "%s, for %d s now: import again once that has passed, which does not harm what "
                   "was sent",
                   why, most_ms / 1000);
}
