#include "app/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LL(v) ((long long)(v))

/* Where the unbroken run of outbox rows that ends at `stored` begins; `stored` itself if no row
 * ends there. */
static int64_t run_start(const struct verdict_input *in)
{
    int64_t start = in->stored;
    for (size_t i = in->outbox_count; i-- > 0;)
        if (in->outbox[i].to == start)
            start = in->outbox[i].from;
    return start;
}

/* Whether rows cover [published, stored) without a gap, the first beginning exactly at `published`.
 * Rows below are those that have been published and not yet removed. */
static bool is_covered(const struct verdict_input *in)
{
    int64_t at = in->published;
    for (size_t i = 0; i < in->outbox_count; i++) {
        const struct verdict_range *r = &in->outbox[i];
        if (r->to <= in->published)
            continue;
        if (r->from != at)
            return false;
        at = r->to;
    }
    return at == in->stored;
}

struct sentence {
    char *out;
    size_t size;
};

static void say(struct sentence *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct sentence *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->out, s->size, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n < s->size ? (size_t)n : s->size - (s->size > 0);
    s->out += used;
    s->size -= used;
}

/* The call after which `published` is `offset`. The group must have no members then. */
static void say_group(struct sentence *s, const struct verdict_input *in, int64_t offset)
{
    say(s,
        "kafka-consumer-groups.sh --group %s --topic %s:%d --reset-offsets --to-offset %lld "
        "--execute",
        in->group, in->topic, in->partition, LL(offset));
    if (in->brokers)
        say(s, " --bootstrap-server %s", in->brokers);
}

/* Rows of the outbox would be in the way of records that are read under offsets of another log. */
static void say_delete_outbox(struct sentence *s, const struct verdict_input *in)
{
    size_t waiting = 0;
    for (size_t i = 0; i < in->outbox_count; i++)
        waiting += in->outbox[i].to > in->published;
    if (waiting > 0)
        say(s, "(giving up %zu outbox rows that may not be published) ", waiting);
    say(s, "DELETE FROM usaged.outbox WHERE (topic, partition) = ('%s', %d); ", in->topic,
        in->partition);
}

/* The calls after which both watermarks are `offset`. */
static void say_both(struct sentence *s, const struct verdict_input *in, int64_t offset)
{
    say_delete_outbox(s, in);
    say(s,
        "UPDATE usaged.source_offset SET next_offset = %lld WHERE (topic, partition) = ('%s', %d); "
        "and ",
        LL(offset), in->topic, in->partition);
    say_group(s, in, offset);
}

static enum metrics_found other_cluster(const struct verdict_input *in, struct sentence *s)
{
    say(s,
        "stored %lld is of Kafka cluster %s, and this is cluster %s: the wrong brokers, or the "
        "wrong database; if the "
        "topic has moved here for good, usaged stopped: ",
        LL(in->stored), in->row_cluster, in->cluster);
    say_delete_outbox(s, in);
    say(s, "DELETE FROM usaged.source_offset WHERE (topic, partition) = ('%s', %d)", in->topic,
        in->partition);
    return FOUND_REFUSED;
}

static enum metrics_found out_of_bounds(const struct verdict_input *in, struct sentence *s)
{
    if (in->stored < in->low)
        say(s,
            "stored %lld is below Kafka's low watermark %lld: retention took %lld records before "
            "they were read; to go on "
            "without them, usaged stopped: ",
            LL(in->stored), LL(in->low), LL(in->low - in->stored));
    else
        say(s,
            "stored %lld is above Kafka's high watermark %lld: the topic was made anew, or has "
            "lost records; to read it "
            "from its beginning, usaged stopped: ",
            LL(in->stored), LL(in->high));
    say_both(s, in, in->low);
    return FOUND_REFUSED;
}

static enum metrics_found first(const struct verdict_input *in, struct sentence *s)
{
    if (in->published >= 0)
        say(s, "no row in PostgreSQL: begins at the group's committed offset %lld",
            LL(in->published));
    else
        say(s, "no row in PostgreSQL and nothing committed: begins by start.offset");
    return FOUND_FIRST;
}

static enum metrics_found none_committed(const struct verdict_input *in, struct sentence *s)
{
    if (in->outbox_count == 0) {
        say(s,
            "the group has no committed offset, and all up to stored %lld was published: it "
            "expired or was deleted",
            LL(in->stored));
        return FOUND_FORGOTTEN;
    }
    say(s,
        "the group has no committed offset, and %zu outbox rows up to stored %lld may or may not "
        "be published: it was "
        "deleted under load; to publish them (perhaps again), usaged stopped: ",
        in->outbox_count, LL(in->stored));
    say_group(s, in, run_start(in));
    return FOUND_REFUSED;
}

static enum metrics_found database_behind(const struct verdict_input *in, struct sentence *s)
{
    say(s,
        "stored %lld is below published %lld: the database comes from a backup, or is another one; "
        "to read these %lld "
        "records again (their events go out again), usaged stopped: ",
        LL(in->stored), LL(in->published), LL(in->published - in->stored));
    say_group(s, in, in->stored);
    return FOUND_REFUSED;
}

static enum metrics_found not_covered(const struct verdict_input *in, struct sentence *s)
{
    int64_t start = run_start(in);
    say(s,
        "stored %lld is above published %lld, and the outbox does not hold what lies between: the "
        "group was reset by "
        "hand, or rows were lost; to publish what it holds from %lld on, usaged stopped: ",
        LL(in->stored), LL(in->published), LL(start));
    say_group(s, in, start);
    return FOUND_REFUSED;
}

/* The table, from the top: the cluster, then [low, high], then the two watermarks. */
enum metrics_found verdict_of(const struct verdict_input *in, char *why, size_t why_bytes)
{
    struct sentence s = {why, why_bytes};
    if (why_bytes > 0)
        why[0] = 0;
    if (in->has_row && strcmp(in->row_cluster, in->cluster) != 0)
        return other_cluster(in, &s);
    if (in->has_row && (in->stored < in->low || in->stored > in->high))
        return out_of_bounds(in, &s);
    if (!in->has_row)
        return first(in, &s);
    if (in->published < 0)
        return none_committed(in, &s);
    if (in->stored == in->published)
        return FOUND_EQUAL;
    if (in->stored < in->published)
        return database_behind(in, &s);
    if (!is_covered(in))
        return not_covered(in, &s);
    say(&s,
        "on their way, or left by a worker that died between the two commits: the events of "
        "[%lld, %lld) are in the outbox; a takeover publishes them",
        LL(in->published), LL(in->stored));
    return FOUND_AHEAD;
}
