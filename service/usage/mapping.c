#include "usage/mapping.h"

#include "base/instant.h"
#include "usage/digest.h"
#include "usage/id.h"
#include "usage/mapping_parts.h"

/* STATUS_COUNT with the fault added if the symbol is none of `allowed` (bits). */
static enum usage_status take_status(struct faults *f, struct symbol symbol,
                                     enum usage_status fallback, unsigned allowed,
                                     const char *allowed_names)
{
    if (symbol.index < 0 && symbol.text.n == 0) /* an empty string where a writer's status is one */
        return fallback;
    if (symbol.index >= 0 && symbol.index < STATUS_COUNT && (allowed >> symbol.index & 1))
        return (enum usage_status)symbol.index;
    char quoted[TEXT_QUOTED];
    struct text name = symbol.index >= 0 && symbol.index < STATUS_COUNT
                           ? text_of(usage_status_names[symbol.index])
                           : symbol.text;
    faults_add(f, REASON_STATUS, "status", "\"%s\" is not one of %s", text_quote(name, quoted),
               allowed_names);
    return STATUS_COUNT;
}

static enum usage_status raw_status(struct faults *f, struct symbol symbol)
{
    const unsigned allowed =
        1u << STATUS_RECEIVED | 1u << STATUS_GUIDED | 1u << STATUS_REJECTED | 1u << STATUS_RECYCLED;
    return take_status(f, symbol, STATUS_RECEIVED, allowed, "received, guided, rejected, recycled");
}

static enum usage_status rated_status(struct faults *f, struct symbol symbol)
{
    const unsigned allowed = ((1u << STATUS_COUNT) - 1) & ~(1u << STATUS_RECEIVED);
    return take_status(f, symbol, STATUS_RATED, allowed,
                       "guided, rated, rerated, billed, rejected, recycled");
}

bool mapping_raw(const struct mapping_settings *s, const struct raw_usage *raw, int64_t kafka_ms,
                 int64_t now_ms, struct arena *a, struct change *out, struct err *err)
{
    struct faults f = {.err = err};
    struct usage *u = arena_alloc(a, sizeof *u);
    *out = (struct change){.kind = CHANGE_RAW, .usage = u, .newest_rating = INSTANT_NONE};
    mapping_usage(&f, s, raw, mapping_window(s, kafka_ms, now_ms), a, u, &out->content);
    u->status = raw_status(&f, raw->status);
    if (f.reason != REASON_NONE)
        return false;
    u->id = id_of_record(raw->source, raw->record_id, raw->usage_date);
    out->id = u->id;
    out->status = u->status;
    out->source = raw->source;
    out->record_id = raw->record_id;
    return true;
}

/* What a rated record says of its usage's identity; what is absent outside is taken from the usage
 * inside. */
struct names {
    bool has_id;
    struct usage_id id;
    struct text source, record_id;
    int64_t usage_date;
};

static void check_id_window(struct faults *f, const struct usage_id *id, struct mapping_window w)
{
    int64_t ms = id_milliseconds(id);
    if (ms >= w.from && ms <= w.to)
        return;
    char text[ID_CHARS], from[INSTANT_CHARS], to[INSTANT_CHARS];
    id_print(id, text);
    instant_print(w.from, from);
    instant_print(w.to, to);
    faults_add(f, REASON_VALUE, "usageId", "\"%s\" is of a time that is not between %s and %s",
               text, from, to);
}

static void take_usage_id(struct faults *f, struct text t, struct mapping_window w, struct names *n)
{
    if (t.n == 0)
        return;
    n->has_id = id_parse(t, &n->id);
    if (!n->has_id) {
        char quoted[TEXT_QUOTED];
        faults_add(f, REASON_VALUE, "usageId", "\"%s\" is not a UUID", text_quote(t, quoted));
        return;
    }
    int version = id_version(&n->id);
    if (version != 7 && version != 8)
        faults_add(f, REASON_VALUE, "usageId", "\"%.36s\" is a UUID of version %d, not 7 or 8", t.p,
                   version);
    check_id_window(f, &n->id, w);
}

static void compare_names(struct faults *f, const char *attribute, struct text outer,
                          struct text inner)
{
    char quoted[TEXT_QUOTED];
    if (outer.n > 0 && inner.n > 0 && !text_eq(outer, inner))
        faults_add(f, REASON_VALUE, attribute, "\"%s\" contradicts usage.%s",
                   text_quote(outer, quoted), attribute);
}

/* The names outside against the usage inside. */
static void join_usage(struct faults *f, const struct raw_usage *u, struct names *n)
{
    compare_names(f, "source", n->source, u->source);
    compare_names(f, "recordId", n->record_id, u->record_id);
    if (n->usage_date != INSTANT_NONE && u->usage_date != INSTANT_NONE &&
        n->usage_date != u->usage_date) {
        char outer[INSTANT_CHARS], inner[INSTANT_CHARS];
        instant_print(n->usage_date, outer);
        instant_print(u->usage_date, inner);
        faults_add(f, REASON_VALUE, "usageDate", "%s contradicts usage.usageDate, which is %s",
                   outer, inner);
    }
    n->source = u->source;
    n->record_id = u->record_id;
    n->usage_date = u->usage_date;
}

/* usageId against all the others that are there. */
static void check_agreement(struct faults *f, const struct names *n)
{
    char id[ID_CHARS];
    id_print(&n->id, id);
    if (n->usage_date != INSTANT_NONE && n->usage_date != id_milliseconds(&n->id)) {
        char date[INSTANT_CHARS];
        instant_print(n->usage_date, date);
        faults_add(f, REASON_VALUE, "usageId", "%s contradicts the usageDate %s", id, date);
        return;
    }
    if (n->source.n == 0 || n->record_id.n == 0)
        return;
    struct usage_id named = id_of_record(n->source, n->record_id, id_milliseconds(&n->id));
    if (id_compare(&named, &n->id) != 0) {
        char other[ID_CHARS];
        id_print(&named, other);
        faults_add(f, REASON_VALUE, "usageId", "%s contradicts source and recordId, which name %s",
                   id, other);
    }
}

static void check_named(struct faults *f, const struct names *n)
{
    int count = (n->source.n > 0) + (n->record_id.n > 0) + (n->usage_date != INSTANT_NONE);
    if (count == 0)
        faults_add(f, REASON_MISSING, "usageId",
                   "is absent, and so are source, recordId and usageDate: nothing names the usage");
    else if (n->source.n == 0)
        faults_add(f, REASON_MISSING, "source",
                   "is absent: without usageId it must be there with recordId and usageDate");
    else if (n->record_id.n == 0)
        faults_add(f, REASON_MISSING, "recordId",
                   "is absent: without usageId it must be there with source and usageDate");
    else if (n->usage_date == INSTANT_NONE)
        faults_add(f, REASON_MISSING, "usageDate",
                   "is absent: without usageId it must be there with source and recordId");
}

static void take_names(struct faults *f, const struct rated_usage *r, struct mapping_window w,
                       struct names *n)
{
    *n =
        (struct names){.source = r->source, .record_id = r->record_id, .usage_date = r->usage_date};
    faults_optional(f, "source", &n->source, MAPPING_SOURCE_BYTES);
    faults_optional(f, "recordId", &n->record_id, MAPPING_NAME_BYTES);
    if (n->usage_date != INSTANT_NONE)
        mapping_check_date(f, w, n->usage_date);
    take_usage_id(f, r->usage_id, w, n);
    if (r->usage)
        join_usage(f, r->usage, n);
    else if (r->usage_id.n == 0)
        check_named(f, n);
    if (n->has_id)
        check_agreement(f, n);
    else if (f->reason == REASON_NONE)
        n->id = id_of_record(n->source, n->record_id, n->usage_date);
}

/* A usage that comes with its rating begins its life rated. */
static void finish_usage(struct change *c)
{
    struct usage *u = c->usage;
    u->id = c->id;
    u->status = c->status;
    u->ratings = c->ratings;
    if (c->description.p)
        u->description = c->description;
}

bool mapping_rated(const struct mapping_settings *s, const struct rated_usage *rated,
                   int64_t kafka_ms, int64_t now_ms, struct arena *a, struct change *out,
                   struct err *err)
{
    struct faults f = {.err = err};
    struct mapping_window w = mapping_window(s, kafka_ms, now_ms);
    struct names names;
    *out = (struct change){
        .kind = CHANGE_RATED, .description = rated->description, .ratings = rated->ratings};
    mapping_drop_empty(&out->description);
    if (rated->usage) {
        f.inside = "usage.";
        out->usage = arena_alloc(a, sizeof *out->usage);
        mapping_usage(&f, s, rated->usage, w, a, out->usage, &out->content);
        f.inside = NULL;
    }
    take_names(&f, rated, w, &names);
    out->status = rated_status(&f, rated->status);
    mapping_ratings(&f, &out->ratings, true);
    if (f.reason != REASON_NONE)
        return false;
    /* A bill without ratings keeps those of its usage: judged when it meets it. */
    bool keeps = out->status == STATUS_BILLED && out->ratings.count == 0;
    if (!keeps && !usage_complete_ratings(out->status, &out->ratings, err))
        return false;
    out->id = names.id;
    if (names.source.n > 0 && names.record_id.n > 0) {
        out->source = names.source;
        out->record_id = names.record_id;
    }
    out->newest_rating = usage_newest_rating(&out->ratings);
    out->rated = digest_rated(out->status, &out->ratings, out->description);
    if (out->usage)
        finish_usage(out);
    return true;
}
