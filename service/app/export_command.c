#include "app/export_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/export.h"
#include "app/export_output.h"
#include "app/migrate.h"
#include "base/arena.h"
#include "base/instant.h"
#include "base/progress.h"
#include "base/stop.h"
#include "usage/query.h"

enum {
    SLICE_MS = 10 * 60 * 1000, /* of one slice: an order without an index reads all rows for each */
    AGAIN_MS = 500,
    PATIENCE_MS = 60 * 1000, /* PostgreSQL may be away for so long */
    SHOW_MS = 500
};

struct command {
    const struct settings *settings;
    struct arena *arena;
    struct db *db;
    struct query_limits limits;
    struct query query;
    struct export export;
    struct export_output output;
    struct read_total total; /* on a terminal */
    int64_t began, shown;    /* ticks */
    bool has_bar;
};

/* --- options -------------------------------------------------------------------------------- */

static bool refuse(const char *option, const char *value, const char *what)
{
    char quoted[TEXT_QUOTED];
    fprintf(stderr, "usaged: option --%s: \"%s\" %s\n", option, text_quote(text_of(value), quoted),
            what);
    return false;
}

static bool take_format(const char *given, enum export_format *out)
{
    for (int i = EXPORT_CSV; given && i < EXPORT_FORMATS; i++)
        if (strcmp(given, export_names[i]) == 0) {
            *out = (enum export_format)i;
            return true;
        }
    if (given)
        return refuse("format", given, "is neither csv nor ndjson");
    fprintf(stderr, "usaged: export wants --format csv or --format ndjson\n");
    return false;
}

static bool take_time(const char *option, const char *given, int64_t *ms)
{
    return !given || instant_parse_date(text_of(given), ms) ||
           refuse(option, given,
                  "is no time such as 2026-11-23T08:15:30Z, nor a date such as 2026-11-23");
}

/* --- the query ------------------------------------------------------------------------------ */

/* Whatever a value holds. */
static void add_parameter(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(b, "&%s=", name);
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        buf_printf(b, "%%%02X", *p);
}

/* The window holds for each of the groups that a ';' joins. */
static void add_windowed(struct buf *b, const char *filter, const char *window)
{
    for (const char *p = filter ? filter : "";; p++) {
        size_t n = strcspn(p, ";");
        buf_add(b, p, n);
        buf_str(b, window);
        p += n;
        if (!*p)
            return;
        buf_byte(b, ';');
    }
}

static void window_of(int64_t from, int64_t to, struct buf *b)
{
    char text[INSTANT_CHARS];
    if (from != INT64_MIN) {
        instant_print(from, text);
        buf_printf(b, "&usageDate.gte=%s", text);
    }
    if (to != INT64_MAX) {
        instant_print(to, text);
        buf_printf(b, "&usageDate.lt=%s", text);
    }
    buf_text(b);
}

static bool parse(struct command *c, const struct buf *raw)
{
    struct err err;
    struct text text = {arena_copy(c->arena, raw->data, raw->len), raw->len};
    if (export_query(text, &c->limits, c->arena, &c->query, &err))
        return true;
    fprintf(stderr, "usaged: export: %s\n", err.text);
    return false;
}

/* --filter is read by itself first: a window must not hide what is wrong with it. */
static bool make_query(struct command *c, const struct export_options *o)
{
    int64_t from = INT64_MIN, to = INT64_MAX;
    struct buf alone = {0}, whole = {0}, window = {0};
    if (!take_time("from", o->from, &from) || !take_time("to", o->to, &to))
        return false;
    if (o->from && o->to && from >= to)
        return refuse("to", o->to, "is not later than --from");
    buf_str(&alone, o->filter ? o->filter : "");
    window_of(from, to, &window);
    add_windowed(&whole, o->filter, window.data);
    add_parameter(&whole, "sort", o->sort);
    add_parameter(&whole, "fields", o->fields);
    bool good = parse(c, &alone) && parse(c, &whole);
    buf_fini(&alone);
    buf_fini(&whole);
    buf_fini(&window);
    return good;
}

/* --- what it says --------------------------------------------------------------------------- */

static void wipe_bar(struct command *c)
{
    if (c->has_bar)
        fputs("\r\033[K", stderr);
    c->has_bar = false;
}

static double rate(const struct command *c, double *seconds)
{
    *seconds = (double)(instant_ticks() - c->began) / 1e3;
    return (double)c->export.rows / (*seconds > 0.001 ? *seconds : 0.001);
}

static void show(struct command *c)
{
    int64_t now = instant_ticks(), rows = c->export.rows, of = c->total.count;
    double seconds;
    char bar[PROGRESS_CHARS];
    if (!isatty(STDERR_FILENO) || now - c->shown < SHOW_MS)
        return;
    if (of < rows)
        of = rows; /* it was a guess, or usages have come */
    c->shown = now;
    c->has_bar = true;
    fprintf(stderr, "\r\033[Kusaged: export: %s, %" PRId64 " of %s%" PRId64 ", %.0f/s",
            progress_bar(rows, of, bar), rows, c->total.estimated ? "about " : "", of,
            rate(c, &seconds));
    fflush(stderr);
}

static bool fail(struct command *c, const char *text)
{
    wipe_bar(c);
    fprintf(stderr, "usaged: export: %s; %" PRId64 " usages were written, which are not all\n",
            text, c->export.rows);
    return false;
}

static void summarize(struct command *c)
{
    double seconds, per_second = rate(c, &seconds);
    wipe_bar(c);
    fprintf(stderr,
            "usaged: export: %" PRId64 " usage%s, %" PRId64 " bytes in %.1f s, %.0f usages/s%s%s\n",
            c->export.rows, c->export.rows == 1 ? "" : "s", c->output.bytes, seconds, per_second,
            c->output.file ? ": " : "", c->output.file ? c->output.file : "");
}

/* --- the work ------------------------------------------------------------------------------- */

static bool is_away(const struct db *db, const struct err *err)
{
    return !db_is_open(db) || strncmp(err->state, "57P", 3) == 0 ||
           strncmp(err->state, "08", 2) == 0 || strncmp(err->state, "53", 2) == 0;
}

/* A piece, for which PostgreSQL may be waited a while once there was one. */
static bool fetch(struct command *c, struct buf *b, struct err *err)
{
    int64_t since = 0;
    for (;;) {
        if (db_open(c->db, err) && export_piece(&c->export, c->db, b, err))
            return true;
        int64_t now = instant_ticks();
        if (!is_away(c->db, err) || !c->export.slices.begun || stop_asked())
            return false;
        if (since == 0) {
            wipe_bar(c);
            fprintf(stderr, "usaged: export: waiting: %s\n", err->text);
            since = now;
        }
        db_close(c->db);
        if (now - since > PATIENCE_MS || stop_wait(AGAIN_MS))
            return false;
    }
}

/* How many there are, for the bar alone; without it the bar does without. */
static void ask_total(struct command *c)
{
    struct err ignored;
    struct query q = c->query;
    if (!isatty(STDERR_FILENO) || !db_open(c->db, &ignored))
        return;
    if (!read_count(c->db, &q, c->settings->http_count_timeout_ms, 0, &c->total, &ignored))
        return;
    c->total.count = c->total.count > q.offset ? c->total.count - q.offset : 0;
    if (c->total.count > q.limit)
        c->total.count = q.limit;
}

static bool copy(struct command *c)
{
    struct err err = {0};
    struct buf piece = {0};
    bool good = true;
    while (good && !(c->export.slices.begun && export_is_over(&c->export)) && !stop_asked()) {
        buf_reset(&piece);
        good = fetch(c, &piece, &err);
        if (!good)
            migrate_explain(&err);
        good = good && export_output_write(&c->output, piece.data, piece.len, &err);
        show(c);
    }
    buf_fini(&piece);
    if (good && c->export.slices.begun && export_is_over(&c->export))
        return true;
    return fail(c, stop_asked() ? "stopped as asked" : err.text);
}

static bool run(struct command *c, const char *file)
{
    struct err err;
    ask_total(c);
    if (!export_output_open(&c->output, file, &err)) {
        fprintf(stderr, "usaged: export: %s\n", err.text);
        return false;
    }
    bool good = copy(c);
    if (good && !export_output_finish(&c->output, &err))
        good = fail(c, err.text);
    export_output_close(&c->output);
    if (good)
        summarize(c);
    return good;
}

int export_run(const struct settings *s, const struct export_options *options)
{
    char name[160];
    enum export_format format;
    snprintf(name, sizeof name, "usaged/%s", s->instance_id);
    struct command c = {.settings = s, .arena = arena_new(16 * 1024), .began = instant_ticks()};
    c.limits = export_limits(s->http_base_url, s->indexed_characteristics.names,
                             s->indexed_characteristics.count);
    if (!take_format(options->format, &format) || !make_query(&c, options)) {
        arena_free(c.arena);
        return 2;
    }
    c.db = db_new(&(struct db_options){.url = s->database_url,
                                       .application_name = name,
                                       .deadline_ms = SLICE_MS,
                                       .read_only = true});
    export_init(&c.export, format, s->http_base_url, &c.query);
    const char *file = options->output;
    bool good = run(&c, file && strcmp(file, "-") != 0 ? file : NULL);
    export_fini(&c.export);
    db_free(c.db);
    arena_free(c.arena);
    return good ? 0 : 1;
}
