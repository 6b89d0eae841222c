#include "app/import_command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/import_outcome.h"
#include "app/import_rejects.h"
#include "app/importer.h"
#include "base/csv.h"
#include "base/instant.h"
#include "base/lines.h"
#include "base/progress.h"
#include "base/stop.h"
#include "usage/import_csv.h"
#include "usage/reason.h"
#include "usage/record.h"

enum {
    BATCH = 2000, /* lines on their way at once */
    PIECE = 256 * 1024,
    ARENA = 256 * 1024,
    SEND_MS = 20000,
    PATIENCE_MS = 60000, /* Kafka may be away for so long */
    AGAIN_MS = 500,
    SHOW_MS = 500
};

enum format { FORMAT_CSV, FORMAT_NDJSON, FORMATS };
static const char *const format_names[FORMATS] = {"csv", "ndjson"};

struct command {
    const struct settings *settings;
    const struct import_options *options;
    enum format format;
    int fd;
    char run[ID_CHARS];
    char rejected[4096];
    struct registry *registry;
    struct importer *importer;
    struct import_outcome *outcome;
    struct import_rejects rejects;
    struct lines lines;
    struct csv csv;
    struct import_csv names;
    bool has_names;
    struct importer_line batch[BATCH];
    size_t count;
    struct arena *arena; /* of the batch */
    uint64_t seen, queued, refused;
    int64_t bytes, size; /* read; of the file, 0: not known */
    int64_t began, shown;
    bool has_bar, has_waited;
};

/* --- options ---------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool take_format(struct command *c)
{
    const struct import_options *o = c->options;
    for (int i = 0; o->format && i < FORMATS; i++)
        if (strcmp(o->format, format_names[i]) == 0) {
            c->format = (enum format)i;
            return true;
        }
    if (o->format) {
        char quoted[TEXT_QUOTED];
        fprintf(stderr, "usaged: option --format: \"%s\" is neither csv nor ndjson\n",
                text_quote(text_of(o->format), quoted));
        return false;
    }
    c->format = ends_with(o->file, ".csv") ? FORMAT_CSV : FORMAT_NDJSON;
    if (c->format == FORMAT_CSV || ends_with(o->file, ".ndjson") || ends_with(o->file, ".jsonl"))
        return true;
    fprintf(stderr,
            "usaged: import: %s does not end in .csv, .ndjson or .jsonl: say --format csv "
            "or --format ndjson\n",
            o->file);
    return false;
}

/* --- what it says ----------------------------------------------------------------------------- */

static void wipe_bar(struct command *c)
{
    if (c->has_bar)
        fputs("\r\033[K", stderr);
    c->has_bar = false;
}

static bool fail(struct command *c, const char *text)
{
    wipe_bar(c);
    fprintf(stderr, "usaged: import: %s\n", text);
    return false;
}

static bool is_time_to_show(struct command *c)
{
    int64_t now = instant_ticks();
    if (!isatty(STDERR_FILENO) || now - c->shown < SHOW_MS)
        return false;
    c->shown = now;
    c->has_bar = true;
    return true;
}

static void show_bar(const char *what, int64_t part, int64_t of, uint64_t lines)
{
    char bar[PROGRESS_CHARS];
    fprintf(stderr, "\r\033[Kusaged: import: %s %s, %" PRIu64 " lines", what,
            progress_bar(part, of, bar), lines);
    fflush(stderr);
}

static double rate(const struct command *c, double *seconds)
{
    *seconds = (double)(instant_ticks() - c->began) / 1e3;
    return (double)c->seen / (*seconds > 0.001 ? *seconds : 0.001);
}

static void show_reading(struct command *c)
{
    double seconds;
    if (!is_time_to_show(c))
        return;
    if (c->size > 0)
        show_bar(c->options->dry_run ? "checking" : "sending", c->bytes, c->size, c->seen);
    else
        fprintf(stderr, "\r\033[Kusaged: import: %" PRIu64 " lines, %.0f/s", c->seen,
                rate(c, &seconds));
    fflush(stderr);
}

static void print_row(const char *name, uint64_t count)
{
    printf("%-12s %12" PRIu64 "\n", name, count);
}

/* `all`: what became of each line is known. */
static void summarize(struct command *c, const struct import_outcomes *o, bool all)
{
    double seconds, per_second = rate(c, &seconds);
    wipe_bar(c);
    fprintf(stderr, "usaged: import: %" PRIu64 " lines in %.1f s, %.0f lines/s%s%s\n", c->seen,
            seconds, per_second, c->rejects.count ? "; what is no usage, and why: " : "",
            c->rejects.count ? c->rejected : "");
    if (c->options->dry_run)
        print_row("good", c->queued);
    else if (!all)
        print_row("queued", c->queued);
    else if (o->split) {
        print_row("created", (uint64_t)o->created);
        print_row("duplicate", (uint64_t)o->duplicate);
    } else {
        print_row("stored", c->queued - (uint64_t)o->dead);
    }
    if (all && !c->options->dry_run)
        print_row("dead", (uint64_t)o->dead);
    print_row("refused", c->refused);
    if (all && !o->split && !c->options->dry_run)
        printf("stored: created or duplicate; others have imported meanwhile, or PostgreSQL does "
               "not tell\n");
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool reject(struct command *c, uint64_t line, const char *reason, const char *why,
                   struct err *err)
{
    c->refused++;
    return import_rejects_add(&c->rejects, line, reason, text_of(why), err);
}

static void wait_for_kafka(struct command *c, const char *why)
{
    wipe_bar(c);
    if (!c->has_waited)
        fprintf(stderr, "usaged: import: waiting: %s\n", why);
    c->has_waited = true;
}

/* Lines that were not acknowledged are sent again, since that makes no second usage; but a line
 * that was there all the same is counted as a duplicate. */
static bool send_again(struct command *c, struct err *err)
{
    int64_t end = instant_ticks() + PATIENCE_MS;
    for (;;) {
        size_t failed = 0;
        const char *why = NULL;
        bool away = false;
        for (size_t i = 0; i < c->count; i++)
            if (c->batch[i].status == IMPORTER_FAILED) {
                struct importer_line line = c->batch[i];
                why = line.why;
                c->batch[i] = c->batch[failed];
                c->batch[failed++] = line;
            }
        if (failed == 0)
            return true;
        wait_for_kafka(c, why);
        if (instant_ticks() >= end || stop_wait(AGAIN_MS))
            return err_set(err, ERR_RETRY, "%s", why);
        importer_send(c->importer, c->batch, failed, false, &away, c->arena);
    }
}

static bool flush(struct command *c, struct err *err)
{
    bool away = false, good = true;
    if (c->count == 0)
        return true;
    importer_send(c->importer, c->batch, c->count, c->options->dry_run, &away, c->arena);
    good = send_again(c, err);
    for (size_t i = 0; i < c->count; i++) {
        const struct importer_line *l = &c->batch[i];
        if (l->status == IMPORTER_REFUSED) {
            good = reject(c, l->number, reason_name((enum reason)l->reason), l->why, err) && good;
        } else if (l->status == IMPORTER_QUEUED) {
            c->queued++;
            if (c->outcome)
                import_outcome_add(c->outcome, l->partition, l->offset);
        }
    }
    c->count = 0;
    arena_reset(c->arena);
    return good;
}

static bool add(struct command *c, uint64_t number, struct text text, struct err *err)
{
    c->seen++;
    c->batch[c->count++] = (struct importer_line){.number = number, .text = text};
    return c->count < BATCH || flush(c, err);
}

static bool take_lines(struct command *c, struct err *err)
{
    struct text line;
    for (enum lines_found found; (found = lines_next(&c->lines, &line)) != LINES_NONE;) {
        if (found == LINES_LINE && lines_is_blank(line))
            continue;
        if (!add(c, c->lines.number, found == LINES_LINE ? line : (struct text){0}, err))
            return false;
    }
    return flush(c, err); /* the texts are those of this piece */
}

static bool take_record(struct command *c, enum csv_found found, struct err *err)
{
    struct buf b = {0};
    struct err fault = {0};
    if (!c->has_names) {
        c->has_names = true;
        if (found == CSV_BAD)
            return err_set(err, ERR_FATAL, "line 1: %s", c->csv.bad);
        return import_csv_names(&c->names, c->csv.cells, c->csv.count, err) ||
               err_wrap(err, "line %" PRIu64, c->csv.line);
    }
    bool sound = found == CSV_BAD
                     ? err_set(&fault, ERR_DATA, "%s", c->csv.bad)
                     : import_csv_line(&c->names, c->csv.cells, c->csv.count, &b, &fault);
    bool good;
    if (sound) {
        struct text made = {arena_copy(c->arena, b.data, b.len), b.len};
        good = add(c, c->csv.line, made, err);
    } else {
        c->seen++;
        good = reject(c, c->csv.line, reason_name(REASON_VALUE), fault.text, err);
    }
    buf_fini(&b);
    return good;
}

static bool take_records(struct command *c, struct err *err)
{
    for (enum csv_found found; (found = csv_next(&c->csv)) != CSV_NONE;)
        if (!take_record(c, found, err))
            return false;
    return true;
}

static bool take(struct command *c, const char *bytes, size_t n, struct err *err)
{
    if (c->format == FORMAT_CSV) {
        if (n > 0)
            csv_add(&c->csv, bytes, n);
        else
            csv_end(&c->csv);
        return take_records(c, err) && (n > 0 || flush(c, err));
    }
    if (n > 0)
        lines_add(&c->lines, bytes, n);
    else
        lines_end(&c->lines);
    return take_lines(c, err);
}

static bool copy(struct command *c, struct err *err)
{
    char *piece = malloc(PIECE);
    if (!piece)
        abort();
    bool good = true;
    for (ssize_t n = 1; good && n > 0;) {
        n = read(c->fd, piece, PIECE);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n < 0)
            good = err_set(err, ERR_FATAL, "%s cannot be read: %s", c->options->file,
                           strerror(errno)); /* NOLINT(concurrency-mt-unsafe): one thread */
        else
            good = take(c, piece, (size_t)n, err);
        c->bytes += n > 0 ? n : 0;
        show_reading(c);
        if (good && stop_asked())
            good = err_set(err, ERR_RETRY, "stopped as asked");
    }
    free(piece);
    return good;
}

/* --- what became of them ---------------------------------------------------------------------- */

static bool dead(void *arg, uint64_t line, const char *reason, struct text message, struct err *err)
{
    struct command *c = arg;
    return import_rejects_add(&c->rejects, line, reason, message, err);
}

static bool wait_until_done(struct command *c, struct err *err)
{
    int64_t done = 0, of = 0, told = instant_ticks();
    while (!import_outcome_look(c->outcome, &done, &of, err)) {
        if (err->kind == ERR_FATAL)
            return false;
        if (is_time_to_show(c))
            show_bar("storing", done, of, c->queued);
        if (instant_ticks() - told > PATIENCE_MS) {
            wipe_bar(c);
            fprintf(stderr,
                    "usaged: import: %" PRId64 " of %" PRId64
                    " lines are stored: does a usaged run? (Ctrl-C does not take back what was "
                    "sent)\n",
                    done, of);
            told = instant_ticks();
        }
        if (stop_wait(AGAIN_MS))
            return err_set(err, ERR_RETRY,
                           "stopped while waiting: what was sent will be stored, and importing it "
                           "again does not harm");
    }
    return true;
}

static bool conclude(struct command *c, struct import_outcomes *o, struct err *err)
{
    return wait_until_done(c, err) && import_outcome_read(c->outcome, o, dead, c, err);
}

/* --- the command ------------------------------------------------------------------------------ */

static bool open_file(struct command *c, struct err *err)
{
    struct stat st;
    const char *file = c->options->file;
    bool standard = strcmp(file, "-") == 0;
    const char *named = c->options->rejected;
    int n =
        named ? snprintf(c->rejected, sizeof c->rejected, "%s", named)
              : snprintf(c->rejected, sizeof c->rejected, "%s.rejected", standard ? "stdin" : file);
    if (n >= (int)sizeof c->rejected)
        return err_set(err, ERR_FATAL, "the name of the file is too long");
    c->fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0)
        return err_set(err, ERR_FATAL, "%s cannot be read: %s", file,
                       strerror(errno)); /* NOLINT(concurrency-mt-unsafe): one thread */
    if (fstat(c->fd, &st) == 0 && S_ISREG(st.st_mode))
        c->size = st.st_size;
    return import_rejects_open(&c->rejects, c->rejected, err);
}

static bool open_kafka(struct command *c, struct err *err)
{
    const struct settings *s = c->settings;
    c->registry = NULL;
    if (c->options->dry_run) {
        c->importer = importer_new(s, NULL, SEND_MS);
        return true;
    }
    struct registry_options options = settings_registry(s, record_shapes);
    c->registry = registry_new(&options, err);
    if (!c->registry)
        return false;
    c->importer = importer_new(s, c->registry, SEND_MS);
    importer_mark(c->importer, c->run);
    if (!importer_ready(c->importer, err))
        return false;
    if (!c->options->no_wait)
        c->outcome = import_outcome_new(s, c->run);
    return !c->outcome || import_outcome_begin(c->outcome, err);
}

static int run(struct command *c)
{
    struct err err = {0};
    struct import_outcomes o = {0};
    if (!open_file(c, &err) || !open_kafka(c, &err)) {
        fail(c, err.text);
        return 1;
    }
    c->began = instant_ticks();
    bool sent = copy(c, &err);
    if (!sent)
        fail(c, err.text);
    bool known = sent && c->outcome && conclude(c, &o, &err);
    if (sent && c->outcome && !known)
        fail(c, err.text);
    bool closed = import_rejects_close(&c->rejects, &err) || fail(c, err.text);
    summarize(c, &o, known);
    bool asked = !c->outcome || known; /* all that was to be done is done */
    return sent && asked && closed && c->rejects.count == 0 ? 0 : 1;
}

int import_run(const struct settings *s, const struct import_options *options)
{
    struct command *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->settings = s;
    c->options = options;
    c->fd = -1;
    c->arena = arena_new(ARENA);
    c->lines.max = importer_line_max(s);
    c->csv.max = 2 * importer_line_max(s); /* a quote is written twice */
    struct usage_id run_id = id_random(instant_now());
    id_print(&run_id, c->run);
    int code = take_format(c) ? run(c) : 2;
    import_outcome_free(c->outcome);
    importer_free(c->importer);
    registry_free(c->registry);
    lines_fini(&c->lines);
    csv_fini(&c->csv);
    arena_free(c->arena);
    if (c->fd > STDIN_FILENO)
        close(c->fd);
    free(c);
    return code;
}
