#include "app/storm.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "base/log.h"

enum { TOPICS_MAX = 64, TOPIC_BYTES = 256 };

/* --- of one topic --- */

void storm_add(struct storm *s, enum reason reason, uint64_t n, int64_t now)
{
    s->unsaid[reason] += n;
    s->total += n;
    s->last = now;
}

static bool any_unsaid(const struct storm *s)
{
    for (int r = 0; r < REASON_COUNT; r++)
        if (s->unsaid[r] > 0)
            return true;
    return false;
}

static bool any_due(const struct storm *s, int64_t now)
{
    for (int r = 0; r < REASON_COUNT; r++)
        if (s->unsaid[r] > 0 && (!s->known[r] || now - s->said[r] >= STORM_MINUTE_MS))
            return true;
    return false;
}

static void say(struct storm *s, int64_t now, char counts[STORM_COUNTS], uint64_t *total)
{
    size_t n = 0;
    counts[0] = 0;
    for (int r = 0; r < REASON_COUNT; r++) {
        if (s->unsaid[r] == 0)
            continue;
        n += (size_t)snprintf(counts + n, STORM_COUNTS - n, "%s%s=%" PRIu64, n > 0 ? " " : "",
                              reason_name((enum reason)r), s->unsaid[r]);
        s->unsaid[r] = 0;
        s->said[r] = now;
        s->known[r] = true;
    }
    *total = s->total;
}

enum storm_line storm_due(struct storm *s, int64_t now, bool end, char counts[STORM_COUNTS],
                          uint64_t *total)
{
    if (s->total == 0)
        return STORM_SILENT;
    if (any_due(s, now)) {
        say(s, now, counts, total);
        return STORM_GOES_ON;
    }
    bool unsaid = any_unsaid(s), many = s->total >= STORM_MANY;
    if (!end && (now - s->last < STORM_QUIET_MS || (unsaid && !many)))
        return STORM_SILENT; /* the few are said when the minute is over */
    say(s, now, counts, total);
    s->total = 0;
    return many || unsaid ? STORM_HAS_ENDED : STORM_SILENT;
}

/* --- of all --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char topic[TOPIC_BYTES];
    struct storm storm;
} storms[TOPICS_MAX];
static size_t storm_count;

void storm_dead(const char *topic, enum reason reason, uint64_t n)
{
    size_t i = 0;
    pthread_mutex_lock(&lock);
    while (i < storm_count && strcmp(storms[i].topic, topic) != 0)
        i++;
    if (i < TOPICS_MAX) {
        if (i == storm_count)
            snprintf(storms[storm_count++].topic, TOPIC_BYTES, "%s", topic);
        storm_add(&storms[i].storm, reason, n, instant_ticks());
    }
    pthread_mutex_unlock(&lock);
}

static void look(bool end)
{
    char counts[STORM_COUNTS];
    uint64_t total = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < storm_count; i++)
        switch (storm_due(&storms[i].storm, instant_ticks(), end, counts, &total)) {
        case STORM_GOES_ON:
            log_line(LOG_WARNING, "records become dead letters", "topic=%s %s total=%" PRIu64,
                     storms[i].topic, counts, total);
            break;
        case STORM_HAS_ENDED:
            log_line(LOG_INFO, "no more dead letters", "topic=%s%s%s total=%" PRIu64,
                     storms[i].topic, counts[0] ? " " : "", counts, total);
            break;
        case STORM_SILENT:
            break;
        }
    pthread_mutex_unlock(&lock);
}

void storm_look(void)
{
    look(false);
}

void storm_end(void)
{
    look(true);
}
