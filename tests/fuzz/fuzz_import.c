/* The stream of an import: cut into lines or records of CSV, each of which is judged, framed, read
 * again and mapped as a worker does it, exported, and imported once more.
 *
 * Input: a byte that chooses format and longest line, one that chooses the pieces in which the
 * stream comes, the stream. However it comes, the same is found in it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/csv.h"
#include "base/embed.h"
#include "base/lines.h"
#include "io/framing.h"
#include "io/reader.h"
#include "usage/import_csv.h"
#include "usage/import_line.h"
#include "usage_checks.h"

enum { CSV = 1 }; /* of the first byte; the next two bits choose the longest line */

static const size_t longest[] = {65536, 200, 16, 0};

/* --- a line ----------------------------------------------------------------------------------- */

/* In memory of its own, so that a look behind its end is seen. */
static struct text exact(struct text t)
{
    char *p = malloc(t.n > 0 ? t.n : 1);
    assert(p);
    if (t.n > 0)
        memcpy(p, t.p, t.n);
    return (struct text){p, t.n};
}

static void check_refusal(const struct err *err)
{
    assert(err->kind == ERR_DATA && err->text[0] && text_is_utf8(err->text, strlen(err->text)));
}

static const struct plan *document_plan(void)
{
    static struct plan *plan;
    struct err err = {0};
    const char *json = embed_text(embed_schemas, "UsageDocument.avsc");
    if (!plan)
        plan = plan_new(json, strlen(json), record_shapes, &err);
    assert(plan);
    return plan;
}

/* What the import has taken is no dead letter by itself, and the usage that it was said to be. */
static struct usage *take_as_worker(const struct import_line *made, struct arena *a)
{
    struct buf b = {0};
    struct err err = {0};
    struct change change;
    int32_t schema;
    import_line_write(&b, 7, made);
    struct text value = {arena_copy(a, b.data, b.len), b.len};
    buf_fini(&b);
    bool framed = framing_read(value, &schema, &err);
    assert(framed && schema == 7);
    void *record = arena_zero(a, plan_shape(document_plan())->bytes);
    bool read = reader_read(document_plan(), value.p + FRAMING_BYTES, value.n - FRAMING_BYTES, a,
                            record, &err);
    assert(read);
    bool taken = mapping_document(&settings, record, now_ms, now_ms, a, &change, &err);
    assert(taken && memcmp(&change.id, &made->id, sizeof made->id) == 0);
    check_values(change.usage);
    return change.usage;
}

/* True: its key is in it, so it is the same usage wherever it is imported. */
static bool is_keyed(const struct import_line *made)
{
    return !text_is(made->document.source, "import") || made->document.record_id.p != made->digest;
}

static void import_again(struct text line, const struct import_line *first, struct arena *a)
{
    struct import_line again;
    struct err err = {0};
    bool taken = import_line(line, &settings, now_ms, a, &again, &err);
    assert(taken);
    if (is_keyed(first))
        assert(memcmp(&again.id, &first->id, sizeof first->id) == 0);
}

static void import_csv_again(struct text names, struct text row, const struct import_line *first,
                             struct arena *a)
{
    struct csv csv = {.max = SIZE_MAX / 8};
    struct import_csv columns;
    struct buf b = {0};
    struct err err = {0};
    csv_add(&csv, names.p, names.n);
    csv_add(&csv, row.p, row.n);
    csv_end(&csv);
    bool named =
        csv_next(&csv) == CSV_RECORD && import_csv_names(&columns, csv.cells, csv.count, &err);
    assert(named);
    bool whole =
        csv_next(&csv) == CSV_RECORD && import_csv_line(&columns, csv.cells, csv.count, &b, &err);
    assert(whole);
    import_again((struct text){arena_copy(a, b.data, b.len), b.len}, first, a);
    assert(csv_next(&csv) == CSV_NONE);
    buf_fini(&b);
    csv_fini(&csv);
}

/* What this service exports of it another one imports. */
static void export_and_import(const struct usage *u, const struct import_line *first,
                              struct arena *a)
{
    struct buf document = {0}, ratings = {0}, shown = {0}, names = {0}, row = {0};
    struct render_row stored = row_of(u, &document, &ratings);
    const struct render_fields all = {.all = true};
    render_usage(&shown, &stored, "http://x", &all);
    import_again((struct text){shown.data, shown.len}, first, a);
    render_csv_names(&names, &all);
    render_csv(&row, &stored, "http://x", &all);
    import_csv_again((struct text){names.data, names.len}, (struct text){row.data, row.len}, first,
                     a);
    buf_fini(&document);
    buf_fini(&ratings);
    buf_fini(&shown);
    buf_fini(&names);
    buf_fini(&row);
}

static void check_line(struct text found)
{
    struct arena *a = arena_new(4096);
    struct text line = exact(found);
    struct import_line made;
    struct err err = {0};
    if (import_line(line, &settings, now_ms, a, &made, &err)) {
        struct usage *u = take_as_worker(&made, a);
        check_document(u, a);
        check_event(u, EVENT_CREATE);
        export_and_import(u, &made, a);
    } else {
        check_refusal(&err);
        assert(err.code > REASON_MALFORMED && err.code < REASON_TRANSITION);
    }
    free((char *)line.p);
    arena_free(a);
}

/* --- the stream ------------------------------------------------------------------------------- */

/* A stream that comes in pieces, and what was found in it, as text. */
struct stream {
    struct text left;
    uint32_t state; /* 0: all at once */
    bool judges;    /* lines are looked at, too */
    struct buf found;
};

static struct text next_piece(struct stream *s)
{
    size_t n = s->left.n;
    if (s->state != 0) {
        s->state ^= s->state << 13;
        s->state ^= s->state >> 17;
        s->state ^= s->state << 5;
        size_t few = s->state % 8 ? 1 + s->state / 8 % 5 : s->state / 8 % 300;
        n = few < n ? few : n;
    }
    struct text piece = {s->left.p, n};
    s->left = (struct text){s->left.p + n, s->left.n - n};
    return piece;
}

static void note(struct stream *s, char what, uint64_t number, struct text t)
{
    buf_printf(&s->found, "%c%llu:%zu:", what, (unsigned long long)number, t.n);
    buf_add(&s->found, t.p, t.n);
}

static void cut_lines(struct stream *s, size_t max)
{
    struct lines l = {.max = max};
    struct text line;
    for (bool whole = false; !whole;) {
        struct text piece = next_piece(s);
        whole = s->left.n == 0;
        lines_add(&l, piece.p, piece.n);
        if (whole)
            lines_end(&l);
        for (enum lines_found found; (found = lines_next(&l, &line)) != LINES_NONE;) {
            bool fits = found == LINES_LINE;
            assert(!fits || line.n <= max);
            note(s, fits ? 'l' : 'x', l.number, fits ? line : (struct text){0});
            if (fits && s->judges && !lines_is_blank(line))
                check_line(line);
        }
        assert(l.held.len - l.at <= max + 1); /* what is kept for the next piece */
    }
    lines_fini(&l);
}

/* What must be found, by another way: the stream is there as a whole. */
static void expect_lines(struct text all, size_t max, struct stream *s)
{
    uint64_t number = 0;
    while (all.n > 0) {
        const char *end = memchr(all.p, '\n', all.n);
        size_t n = end ? (size_t)(end - all.p) : all.n, step = n + (end != NULL);
        n -= end && n > 0 && all.p[n - 1] == '\r';
        number++;
        note(s, n > max ? 'x' : 'l', number, n > max ? (struct text){0} : (struct text){all.p, n});
        all = (struct text){all.p + step, all.n - step};
    }
}

/* The first record has the names; what is wrong with them ends an import, and here they are taken
 * to be all there are. */
static void judge_record(const struct csv *c, struct import_csv *names)
{
    struct err err = {0};
    struct buf b = {0};
    if (names->count == 0) {
        if (import_csv_names(names, c->cells, c->count, &err))
            return;
        check_refusal(&err);
        names->count = RENDER_CSV_COLUMNS;
        for (int i = 0; i < RENDER_CSV_COLUMNS; i++)
            names->columns[i] = i;
    }
    if (import_csv_line(names, c->cells, c->count, &b, &err)) {
        struct text line = {b.data, b.len};
        check_json(&b);
        check_line(line);
    } else {
        check_refusal(&err);
    }
    buf_fini(&b);
}

/* Written as an export writes them, they are the same cells. */
static void write_again(const struct csv *c)
{
    struct csv again = {.max = SIZE_MAX / 8};
    struct buf b = {0};
    for (size_t i = 0; i < c->count; i++) {
        if (i > 0)
            buf_byte(&b, ',');
        render_csv_cell(&b, c->cells[i]);
    }
    buf_byte(&b, '\n');
    bool empty = b.len == 1, marked = b.len >= 3 && memcmp(b.data, "\xef\xbb\xbf", 3) == 0,
         returns = b.len == 2 && b.data[0] == '\r';
    csv_add(&again, b.data, b.len);
    csv_end(&again);
    if (!empty && !marked && !returns) {
        bool same = csv_next(&again) == CSV_RECORD && again.count == c->count;
        for (size_t i = 0; same && i < c->count; i++)
            same = text_eq(again.cells[i], c->cells[i]);
        assert(same);
    }
    buf_fini(&b);
    csv_fini(&again);
}

static void cut_records(struct stream *s, size_t max)
{
    struct csv c = {.max = max};
    struct import_csv names = {0};
    uint64_t ends = 0, last = 0;
    for (bool whole = false; !whole;) {
        struct text piece = next_piece(s);
        whole = s->left.n == 0;
        for (size_t i = 0; i < piece.n; i++)
            ends += piece.p[i] == '\n';
        csv_add(&c, piece.p, piece.n);
        if (whole)
            csv_end(&c);
        for (enum csv_found found; (found = csv_next(&c)) != CSV_NONE;) {
            bool sound = found == CSV_RECORD;
            assert(c.line > last && c.line <= ends + 1);
            last = c.line;
            note(s, sound ? 'r' : 'x', c.line, sound ? (struct text){0} : text_of(c.bad));
            for (size_t i = 0; sound && i < c.count; i++)
                note(s, 'c', i, c.cells[i]);
            if (sound && s->judges) {
                write_again(&c);
                judge_record(&c, &names);
            }
        }
        assert(c.held.len - c.at <= max + 2 || !c.begun);
    }
    assert(c.lines == ends); /* none is lost, none is counted twice */
    csv_fini(&c);
}

FUZZ(import)
{
    if (size < 2)
        return 0;
    struct text all = exact((struct text){(const char *)data + 2, size - 2});
    size_t max = longest[data[0] >> 1 & 3];
    struct stream whole = {.left = all, .judges = true},
                  pieces = {.left = all, .state = data[1] + 1U}, expected = {0};
    (data[0] & CSV ? cut_records : cut_lines)(&whole, max);
    (data[0] & CSV ? cut_records : cut_lines)(&pieces, max);
    assert(text_eq((struct text){whole.found.data, whole.found.len},
                   (struct text){pieces.found.data, pieces.found.len}));
    if (!(data[0] & CSV)) {
        expect_lines(all, max, &expected);
        assert(text_eq((struct text){whole.found.data, whole.found.len},
                       (struct text){expected.found.data, expected.found.len}));
    }
    buf_fini(&whole.found);
    buf_fini(&pieces.found);
    buf_fini(&expected.found);
    free((char *)all.p);
    return 0;
}
