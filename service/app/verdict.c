#include "app/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/mend_plan.h"
#include "usage/http_source.h"

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

/* Rows below are those that have been published and not yet removed. */
bool verdict_covers(const struct verdict_input *in, int64_t from)
{
    int64_t at = from;
    for (size_t i = 0; i < in->outbox_count; i++) {
        const struct verdict_range *r = &in->outbox[i];
        if (r->to <= from)
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

static void say_outbox(struct sentence *s, const struct mend_plan *plan)
{
    const char *sign = " (";
    if (plan->kept > 0) {
        say(s, "%spublishing %zu outbox rows, perhaps again", sign, plan->kept);
        sign = ", ";
    }
    if (plan->given_up > 0)
        say(s, "%sgiving up %zu outbox rows that may not be published", sign, plan->given_up);
    if (plan->kept + plan->given_up > 0)
        say(s, ")");
}

/* `aim`: what going on at `at` is for. The sentence ends with the call. */
static enum metrics_found refuse(struct sentence *s, const struct verdict_input *in,
                                 const char *aim, int64_t at)
{
    struct mend_plan plan;
    say(s, "; %s", aim);
    if (mend_plan_of(in, at, &plan))
        say_outbox(s, &plan);
    say(s, ", usaged stopped: usaged offsets --mend %s:%d --at %lld --yes", in->topic,
        in->partition, LL(at));
    return FOUND_REFUSED;
}

static enum metrics_found other_cluster(const struct verdict_input *in, struct sentence *s)
{
    bool goes_on = in->published >= in->low && in->published <= in->high;
    say(s,
        "stored %lld is of Kafka cluster %s, and this is cluster %s: the wrong brokers, or the "
        "wrong database",
        LL(in->stored), in->row_cluster, in->cluster);
    return refuse(s, in,
                  goes_on ? "if the topic has moved here for good, to go on at the group's offset"
                          : "if the topic has moved here for good, to read it from its beginning",
                  goes_on ? in->published : in->low);
}

static enum metrics_found out_of_bounds(const struct verdict_input *in, struct sentence *s)
{
    if (in->stored < in->low) {
        say(s,
            "stored %lld is below Kafka's low watermark %lld: retention took %lld offsets before "
            "they were read (records, or markers of transactions, which are none)",
            LL(in->stored), LL(in->low), LL(in->low - in->stored));
        return refuse(s, in, "to go on without them", in->low);
    }
    say(s,
        "stored %lld is above Kafka's high watermark %lld: the topic was made anew, or has lost "
        "records",
        LL(in->stored), LL(in->high));
    return refuse(s, in, "to read it from its beginning", in->low);
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

/* Where publishing can go on without a gap. */
static int64_t outbox_start(const struct verdict_input *in)
{
    int64_t start = run_start(in);
    return verdict_covers(in, start) ? start : in->stored;
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
        "be published: it was deleted under load",
        in->outbox_count, LL(in->stored));
    return refuse(s, in, "to go on where the outbox begins", outbox_start(in));
}

/* Numbers of the source @http name no records: nothing can be read again. */
static enum metrics_found database_behind(const struct verdict_input *in, struct sentence *s)
{
    say(s,
        "stored %lld is below published %lld: the database comes from a backup, or is another one",
        LL(in->stored), LL(in->published));
    if (strcmp(in->topic, HTTP_SOURCE) == 0)
        return refuse(s, in, "to count on from there", in->published);
    char aim[120];
    snprintf(aim, sizeof aim, "to read these %lld records again (their events go out again)",
             LL(in->published - in->stored));
    return refuse(s, in, aim, in->stored);
}

static enum metrics_found not_covered(const struct verdict_input *in, struct sentence *s)
{
    int64_t start = outbox_start(in);
    say(s,
        "stored %lld is above published %lld, and the outbox does not hold what lies between: the "
        "group was reset by hand, or rows were lost",
        LL(in->stored), LL(in->published));
    return refuse(s, in,
                  start < in->stored ? "to publish what it holds" : "to go on at what is stored",
                  start);
}

/* Nobody can be assigned it. Once all is forgotten that was stored of it, one that comes back is
 * read from its beginning. */
static enum metrics_found not_in_kafka(const struct verdict_input *in, struct sentence *s)
{
    say(s, "Kafka has no such partition: the topic is gone, or was made with fewer");
    if (!in->has_row || (in->stored == 0 && in->outbox_count == 0))
        return FOUND_FORGOTTEN;
    return refuse(s, in, "if it stays away, to forget how far it was read", 0);
}

/* The table, from the top: the cluster, then [low, high], then the two watermarks. */
enum metrics_found verdict_of(const struct verdict_input *in, char *why, size_t why_bytes)
{
    struct sentence s = {why, why_bytes};
    if (why_bytes > 0)
        why[0] = 0;
    if (in->no_partition)
        return not_in_kafka(in, &s);
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
    if (!verdict_covers(in, in->published))
        return not_covered(in, &s);
    say(&s,
        "on their way, or left by a worker that died between the two commits: the events of "
        "[%lld, %lld) are in the outbox; a takeover publishes them",
        LL(in->published), LL(in->stored));
    return FOUND_AHEAD;
}
