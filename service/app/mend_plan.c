#include "app/mend_plan.h"

#include <string.h>

#include "usage/http_source.h"

#define LL(v) ((long long)(v))

static bool is_kept(const struct mend_plan *plan, const struct verdict_range *row)
{
    return row->from >= plan->keep_from && row->to <= plan->keep_to;
}

/* The row is of this log, so that its offsets and the group's can be compared. */
static bool is_ours(const struct verdict_input *in)
{
    return in->has_row && strcmp(in->row_cluster, in->cluster) == 0;
}

bool mend_plan_gives_up(const struct mend_plan *plan, const struct verdict_input *in,
                        const struct verdict_range *row)
{
    bool published = is_ours(in) && in->published >= 0 && row->to <= in->published;
    return !published && !is_kept(plan, row);
}

static void choose(const struct verdict_input *in, int64_t at, struct mend_plan *p)
{
    bool fits = is_ours(in) && in->stored >= in->low && in->stored <= in->high;
    bool ahead = is_ours(in) && in->published >= 0 && in->published < in->stored &&
                 verdict_covers(in, in->published);
    if (fits && at < in->stored && verdict_covers(in, at))
        *p = (struct mend_plan){.kind = MEND_PUBLISH,
                                .stored = in->stored,
                                .published = at,
                                .keep_from = at,
                                .keep_to = in->stored};
    else if (at < in->low || at > in->high)
        *p = (struct mend_plan){.kind = MEND_OUTSIDE};
    else if (ahead && at > in->stored)
        *p = (struct mend_plan){.kind = MEND_SKIP,
                                .stored = at,
                                .published = in->published,
                                .keep_from = in->published,
                                .keep_to = in->stored};
    else
        *p = (struct mend_plan){
            .kind = MEND_BOTH, .stored = at, .published = at, .keep_from = at, .keep_to = at};
}

bool mend_plan_of(const struct verdict_input *in, int64_t at, struct mend_plan *out)
{
    choose(in, at, out);
    if (out->kind == MEND_OUTSIDE)
        return false;
    for (size_t i = 0; i < in->outbox_count; i++) {
        out->kept += is_kept(out, &in->outbox[i]);
        out->removed += !is_kept(out, &in->outbox[i]);
        out->given_up += mend_plan_gives_up(out, in, &in->outbox[i]);
    }
    bool published = in->no_partition || in->published == out->published;
    if (is_ours(in) && in->stored == out->stored && published && out->given_up == 0)
        out->kind = MEND_NOTHING;
    return true;
}

/* --- words ---------------------------------------------------------------------------------- */

static void say_mark(struct buf *out, const char *name, bool was, int64_t before, int64_t after)
{
    if (was && before == after)
        buf_printf(out, "  %s stays %lld\n", name, LL(after));
    else if (was)
        buf_printf(out, "  %s: %lld -> %lld\n", name, LL(before), LL(after));
    else
        buf_printf(out, "  %s: none -> %lld\n", name, LL(after));
}

/* Which records are read that would not be, and the other way round. */
static void say_records(const struct mend_plan *p, const struct verdict_input *in, struct buf *out)
{
    if (!is_ours(in)) {
        buf_printf(out,
                   "  this cluster's records are read from %lld on; one whose usage is known is a "
                   "duplicate\n",
                   LL(p->stored));
        return;
    }
    int64_t known = in->published > in->stored ? in->published : in->stored;
    known = known < in->high ? known : in->high;
    if (p->stored > in->stored)
        buf_printf(out, "  %lld records, [%lld, %lld), are never read%s\n",
                   LL(p->stored - in->stored), LL(in->stored), LL(p->stored),
                   in->published > in->stored
                       ? ": of those below what is published events have gone out, and this "
                         "database will not have their usages"
                       : "");
    if (p->stored < known)
        buf_printf(out,
                   "  %lld records, [%lld, %lld), are read again: one that this database knows is "
                   "a duplicate, the events of one that it does not know go out again\n",
                   LL(known - p->stored), LL(p->stored), LL(known));
}

static void say_outbox(const struct mend_plan *p, int64_t kept, int64_t given_up, struct buf *out)
{
    if (p->kept > 0)
        buf_printf(out,
                   "  %zu outbox rows with %lld messages are published at the next start, perhaps "
                   "for the second time\n",
                   p->kept, LL(kept));
    if (p->given_up > 0)
        buf_printf(out,
                   "  %zu outbox rows with %lld messages are given up: what of them is not "
                   "published never will be\n",
                   p->given_up, LL(given_up));
    if (p->removed > p->given_up)
        buf_printf(out, "  %zu outbox rows that are published already are removed\n",
                   p->removed - p->given_up);
}

void mend_plan_say(const struct mend_plan *p, const struct verdict_input *in, int64_t kept,
                   int64_t given_up, struct buf *out)
{
    say_mark(out, "stored", in->has_row, in->stored, p->stored);
    if (in->no_partition)
        buf_str(out, "  if the partition comes back, it is read from its beginning\n");
    else
        say_mark(out, "published", in->published >= 0, in->published, p->published);
    if (!in->no_partition && strcmp(in->topic, HTTP_SOURCE) != 0)
        say_records(p, in, out);
    say_outbox(p, kept, given_up, out);
}
