#include <stdarg.h>
#include <stdio.h>

#include "base/instant.h"
#include "usage/mapping_parts.h"

static void print_path(const struct faults *f, const char *attribute, char *out, size_t size)
{
    char index[32] = "";
    if (f->list)
        snprintf(index, sizeof index, "[%zu]%s", f->index, attribute ? "." : "");
    snprintf(out, size, "%s%s%s%s%s%s", f->inside ? f->inside : "", f->list ? f->list : "", index,
             f->part ? f->part : "", f->part ? "." : "", attribute ? attribute : "");
}

void faults_add(struct faults *f, enum reason r, const char *attribute, const char *format, ...)
{
    if (f->in_body && r == REASON_MISSING)
        r = REASON_VALUE;
    if (f->reason != REASON_NONE && f->reason <= r)
        return;
    char path[200], what[sizeof f->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    print_path(f, attribute, path, sizeof path);
    f->reason = r;
    err_set(f->err, ERR_DATA, "%s %s", path, what);
    f->err->code = (int)r;
}

static void check_length(struct faults *f, const char *attribute, struct text t, size_t bytes_max)
{
    if (t.n > bytes_max) {
        char quoted[TEXT_QUOTED];
        faults_add(f, REASON_VALUE, attribute, "has %zu bytes, at most %zu are allowed: \"%s\"",
                   t.n, bytes_max, text_quote(t, quoted));
    }
}

void faults_needed(struct faults *f, const char *attribute, struct text t, size_t bytes_max)
{
    if (t.n == 0)
        faults_add(f, REASON_MISSING, attribute, "is %s", t.p ? "empty" : "absent");
    else
        check_length(f, attribute, t, bytes_max);
}

void faults_optional(struct faults *f, const char *attribute, struct text *t, size_t bytes_max)
{
    mapping_drop_empty(t);
    check_length(f, attribute, *t, bytes_max);
}

struct mapping_window mapping_window(const struct mapping_settings *s, int64_t kafka_ms,
                                     int64_t now_ms)
{
    const int64_t last_year_end =
        253402300799999; /* 9999-12-31T23:59:59.999Z: later ones have no text */
    int64_t latest = kafka_ms >= 0 && kafka_ms < now_ms ? kafka_ms : now_ms;
    struct mapping_window w = {now_ms - s->usage_oldest_ms, latest + s->usage_newest_ms};
    if (w.from < 0)
        w.from = 0;
    if (w.to > last_year_end)
        w.to = last_year_end;
    return w;
}

void mapping_check_date(struct faults *f, struct mapping_window w, int64_t usage_date)
{
    if (usage_date >= w.from && usage_date <= w.to)
        return;
    char is[INSTANT_CHARS], from[INSTANT_CHARS], to[INSTANT_CHARS];
    instant_print(usage_date, is);
    instant_print(w.from, from);
    instant_print(w.to, to);
    faults_add(f, REASON_DATE, "usageDate", "%s (%lld ms) is not between %s and %s", is,
               (long long)usage_date, from, to);
}
