#include "app/replay_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/instant.h"

enum { SHOW_MS = 500 };

void replay_report_fini(struct replay_report *r)
{
    free(r->counts);
}

static struct replay_count *count_of(struct replay_report *r, const struct replay_letter *l)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->counts[i].topic, l->topic) == 0 &&
            strcmp(r->counts[i].reason, l->reason) == 0)
            return &r->counts[i];
    if (r->count == r->size) {
        r->size = r->size ? 2 * r->size : 32;
        r->counts = realloc(r->counts, r->size * sizeof *r->counts);
        if (!r->counts)
            abort();
    }
    struct replay_count *c = &r->counts[r->count++];
    *c = (struct replay_count){0};
    memcpy(c->topic, l->topic, sizeof c->topic);
    memcpy(c->reason, l->reason, sizeof c->reason);
    return c;
}

void replay_report_add(struct replay_report *r, const struct replay_letter *l,
                       enum replay_column column)
{
    count_of(r, l)->now[column]++;
}

int64_t replay_report_sum(const struct replay_report *r, enum replay_column column)
{
    int64_t sum = 0;
    for (size_t i = 0; i < r->count; i++)
        sum += r->counts[i].now[column];
    return sum;
}

void replay_report_keep(struct replay_report *r)
{
    for (size_t i = 0; i < r->count; i++)
        memcpy(r->counts[i].kept, r->counts[i].now, sizeof r->counts[i].kept);
}

void replay_report_back(struct replay_report *r)
{
    for (size_t i = 0; i < r->count; i++)
        memcpy(r->counts[i].now, r->counts[i].kept, sizeof r->counts[i].now);
}

/* --- lines ---------------------------------------------------------------------------------- */

static void wipe_bar(struct replay_report *r)
{
    if (r->has_bar)
        fputs("\r\033[K", stderr);
    r->has_bar = false;
}

void replay_report_left(struct replay_report *r, const struct replay_letter *l, const char *why,
                        const rd_kafka_message_t *at)
{
    wipe_bar(r);
    if (l->lack == LACK_ORIGIN)
        printf("left out: ");
    else
        printf("left out: %s[%d]@%lld, %s, ", l->topic, l->partition, (long long)l->offset,
               l->reason);
    printf("dead letter %s[%d]@%lld: %s\n", rd_kafka_topic_name(at->rkt), (int)at->partition,
           (long long)at->offset, why);
}

void replay_report_progress(struct replay_report *r, const char *waiting)
{
    int64_t now = instant_ticks();
    bool is_new = waiting && strncmp(waiting, r->waiting, sizeof r->waiting - 1) != 0;
    snprintf(r->waiting, sizeof r->waiting, "%s", waiting ? waiting : "");
    if (is_new) {
        wipe_bar(r);
        fprintf(stderr, "usaged: replay: waiting: %s\n", waiting);
    }
    if (!isatty(STDERR_FILENO) || (!is_new && now - r->shown_ms < SHOW_MS))
        return;
    r->shown_ms = now;
    r->has_bar = true;
    fprintf(stderr, "\r\033[Kusaged: replay: %lld %s, %lld of %lld looked at%s",
            (long long)replay_report_sum(r, COLUMN_SENT), r->dry_run ? "to send back" : "sent back",
            (long long)r->looked, (long long)r->of, waiting ? ", waiting" : "");
    fflush(stderr);
}

static int in_order(const void *a, const void *b)
{
    const struct replay_count *x = a, *y = b;
    int topic = strcmp(x->topic, y->topic);
    return topic ? topic : strcmp(x->reason, y->reason);
}

static void print_row(int topic_width, const char *topic, const char *reason,
                      const int64_t n[COLUMNS])
{
    printf("%-*s  %-18s %9lld %9lld %9lld\n", topic_width, topic, reason, (long long)n[COLUMN_SENT],
           (long long)n[COLUMN_BEFORE], (long long)n[COLUMN_LEFT]);
}

void replay_report_print(struct replay_report *r)
{
    int width = (int)strlen("topic");
    int64_t sums[COLUMNS];
    wipe_bar(r);
    for (int i = 0; i < COLUMNS; i++)
        sums[i] = replay_report_sum(r, (enum replay_column)i);
    for (size_t i = 0; i < r->count; i++)
        if ((int)strlen(r->counts[i].topic) > width)
            width = (int)strlen(r->counts[i].topic);
    if (r->count > 0)
        qsort(r->counts, r->count, sizeof *r->counts, in_order);
    printf("%-*s  %-18s %9s %9s %9s\n", width, "topic", "reason", r->dry_run ? "to send" : "sent",
           "before", "left out");
    for (size_t i = 0; i < r->count; i++)
        print_row(width, r->counts[i].topic, r->counts[i].reason, r->counts[i].now);
    print_row(width, "all", "", sums);
    fflush(stdout);
}
