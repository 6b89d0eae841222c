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
#include "app/import_say.h"
#include "app/importer.h"
#include "base/csv.h"
#include "base/instant.h"
#include "base/lines.h"
#include "base/stop.h"
#include "usage/import_csv.h"
#include "usage/reason.h"
#include "usage/record.h"

enum {
    BATCH = 2000,              /* lines on their way at once */
    BATCH_BYTES = 1024 * 1024, /* .. or of so many bytes, and the last of them */
    PIECE = 256 * 1024,
    ARENA = 256 * 1024,
    PATIENCE_MS = 60000, /* Kafka may be away for so long */
    AGAIN_MS = 500
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
    size_t count, batch_bytes;
    struct arena *arena; /* of the batch */
    uint64_t seen, queued, refused;
    int64_t bytes, size; /* read; of the file, 0: not known */
    int64_t began;
    struct import_say say;
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

static double rate(const struct command *c, double *seconds)
{
    *seconds = (double)(instant_ticks() - c->began) / 1e3;
    return (double)c->seen / (*seconds > 0.001 ? *seconds : 0.001);
}

static void show_reading(struct command *c)
{
    double seconds;
    if (!import_say_is_due(&c->say))
        return;
    if (c->size > 0)
        import_say_bar(c->options->dry_run ? "checking" : "sending", c->bytes, c->size, c->seen);
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
    import_say_wipe(&c->say);
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

static void say_waiting(void *arg, const char *why)
{
    struct command *c = arg;
    import_say_waiting(&c->say, why, PATIENCE_MS);
}

/* Lines that were not acknowledged are sent again, since that makes no second usage; but a line
 * that was there all the same is counted as a duplicate. */
static bool send_again(struct command *c, int64_t end, struct err *err)
{
    for (;;) {
        size_t failed = 0;
        const char *why = NULL;
        bool away = false, forbidden = false;
        for (size_t i = 0; i < c->count; i++)
            if (c->batch[i].status == IMPORTER_FAILED) {
                struct importer_line line = c->batch[i];
                why = line.why;
                forbidden = forbidden || line.forbidden;
                c->batch[i] = c->batch[failed];
                c->batch[failed++] = line;
            }
        if (failed == 0) {
            import_say_goes(&c->say);
            return true;
        }
        if (forbidden)
            return err_set(err, ERR_FATAL, "%s", why);
        if (instant_ticks() >= end || stop_asked())
            return import_say_over(why, PATIENCE_MS, err);
        say_waiting(c, why);
        stop_wait(AGAIN_MS);
        importer_send(c->importer, c->batch, failed, false, &away, c->arena);
    }
}

static bool flush(struct command *c, struct err *err)
{
    bool away = false, good = true;
    if (c->count == 0)
        return true;
    int64_t end = instant_ticks() + PATIENCE_MS;
    importer_send(c->importer, c->batch, c->count, c->options->dry_run, &away, c->arena);
    good = send_again(c, end, err);
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
    c->count = c->batch_bytes = 0;
    arena_reset(c->arena);
    return good;
}

static bool add(struct command *c, uint64_t number, struct text text, struct err *err)
{
    c->seen++;
    c->batch[c->count++] = (struct importer_line){.number = number, .text = text};
    c->batch_bytes += text.n;
    return (c->count < BATCH && c->batch_bytes < BATCH_BYTES) || flush(c, err);
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

/* The object of a record, or what is wrong with it, whose code is a reason. */
static bool make_line(struct command *c, enum csv_found found, struct buf *b, struct err *fault)
{
    if (found == CSV_RECORD && import_csv_line(&c->names, c->csv.cells, c->csv.count, b, fault))
        return true;
    if (found == CSV_BAD && c->csv.too_long)
        err_set(fault, ERR_DATA,
                "the record has more than %zu bytes, which is twice record.max-bytes", c->csv.max);
    else if (found == CSV_BAD)
        err_set(fault, ERR_DATA, "%s", c->csv.bad);
    fault->code = found == CSV_BAD && c->csv.too_long ? REASON_TOO_LARGE : REASON_VALUE;
    return false;
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
    bool good;
    if (make_line(c, found, &b, &fault)) {
        struct text made = {arena_copy(c->arena, b.data, b.len), b.len};
        good = add(c, c->csv.line, made, err);
    } else {
        c->seen++;
        good = reject(c, c->csv.line, reason_name((enum reason)fault.code), fault.text, err);
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

static void say_slow(void *arg, const char *why)
{
    struct command *c = arg;
    import_say_waiting(&c->say, why, IMPORT_OUTCOME_PATIENCE_MS);
}

static bool dead(void *arg, uint64_t line, const char *reason, struct text message, struct err *err)
{
    struct command *c = arg;
    return import_rejects_add(&c->rejects, line, reason, message, err);
}

static bool wait_until_done(struct command *c, struct err *err)
{
    int64_t done = 0, of = 0;
    for (bool was_away = false; !import_outcome_look(c->outcome, &done, &of, err);) {
        bool away = err->kind != ERR_NONE;
        if (err->kind == ERR_FATAL)
            return false;
        if (away && was_away) /* a look fails after two seconds: one may be chance */
            import_say_sent(&c->say, err->text);
        else if (!away)
            import_say_goes(&c->say);
        was_away = away;
        if (!away && import_say_is_due(&c->say))
            import_say_bar("storing", done, of, c->queued);
        if (!away)
            import_say_stored(&c->say, done, of, c->settings->group);
        if (stop_wait(AGAIN_MS))
            return err_set(err, ERR_RETRY,
                           "stopped while waiting: what was sent will be stored, and importing it "
                           "again does not harm");
    }
    import_say_goes(&c->say);
    return true;
}

static bool conclude(struct command *c, struct import_outcomes *o, struct err *err)
{
    struct import_outcome_calls calls = {.arg = c, .dead = dead, .slow = say_slow};
    return wait_until_done(c, err) && import_outcome_read(c->outcome, o, &calls, err);
}

/* --- the command ------------------------------------------------------------------------------ */

/* Its lines would be gone before one was read. */
static bool is_that_file(const struct stat *st, const char *name)
{
    struct stat other;
    return S_ISREG(st->st_mode) && stat(name, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

static bool open_file(struct command *c, struct err *err)
{
    struct stat st = {0};
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
    if (is_that_file(&st, c->rejected))
        return err_set(err, ERR_FATAL,
                       "%s is the file that is to be imported: name another one by --rejected",
                       c->rejected);
    return import_rejects_open(&c->rejects, c->rejected, err);
}

/* What stood at the last try is asked anew. */
static bool is_ready(struct command *c, struct err *err)
{
    if (!importer_ready(c->importer, err))
        return false;
    if (c->options->no_wait)
        return true;
    import_outcome_free(c->outcome);
    c->outcome = import_outcome_new(c->settings, c->run);
    return import_outcome_begin(c->outcome, err);
}

/* Kafka and the registry may come a moment later than a script that starts all. */
static bool wait_ready(struct command *c, struct err *err)
{
    int64_t end = instant_ticks() + PATIENCE_MS;
    while (!is_ready(c, err)) {
        if (err->kind == ERR_FATAL)
            return false;
        if (instant_ticks() >= end || stop_asked())
            return import_say_over(arena_printf(c->arena, "%s", err->text), PATIENCE_MS, err);
        say_waiting(c, err->text);
        stop_wait(AGAIN_MS);
    }
    import_say_goes(&c->say);
    return true;
}

static bool open_kafka(struct command *c, struct err *err)
{
    const struct settings *s = c->settings;
    c->registry = NULL;
    if (c->options->dry_run) {
        c->importer = importer_new(s, NULL, PATIENCE_MS);
        return true;
    }
    struct registry_options options = settings_registry(s, record_shapes);
    c->registry = registry_new(&options, err);
    if (!c->registry)
        return false;
    c->importer = importer_new(s, c->registry, PATIENCE_MS);
    importer_mark(c->importer, c->run);
    importer_on_wait(c->importer, say_waiting, c);
    return wait_ready(c, err);
}

static int run(struct command *c)
{
    struct err err = {0};
    struct import_outcomes o = {0};
    if (!open_file(c, &err) || !open_kafka(c, &err)) {
        import_say_fail(&c->say, err.text);
        return 1;
    }
    c->began = instant_ticks();
    bool sent = copy(c, &err);
    if (!sent)
        import_say_fail(&c->say, err.text);
    bool known = sent && c->outcome && conclude(c, &o, &err);
    if (sent && c->outcome && !known)
        import_say_fail(&c->say, err.text);
    bool closed = import_rejects_close(&c->rejects, &err) || import_say_fail(&c->say, err.text);
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
