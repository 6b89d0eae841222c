#include "base/csv.h"

enum state {
    CELL,   /* before the first byte of a cell */
    PLAIN,  /* in one without quotes */
    QUOTED, /* in one with quotes */
    QUOTE,  /* behind a quote that closes the cell, if no other follows */
    RETURN  /* behind a CR behind such a quote */
};

void csv_add(struct csv *c, const char *bytes, size_t n)
{
    buf_drop(&c->held, c->at);
    c->seen -= c->at;
    c->at = 0;
    buf_add(&c->held, bytes, n);
}

void csv_end(struct csv *c)
{
    c->whole = true;
}

void csv_fini(struct csv *c)
{
    buf_fini(&c->held);
    buf_fini(&c->text);
}

/* True: the record ends with this byte. */
static bool step(struct csv *c, char byte)
{
    static const char stray[] = "a quote stands in a cell that does not begin with one",
                      behind[] = "something stands behind the quote that closes a cell";
    switch (c->state) {
    case QUOTED:
        c->state = byte == '"' ? QUOTE : QUOTED;
        return false;
    case QUOTE:
        if (byte == '"' || byte == '\r') {
            c->state = byte == '"' ? QUOTED : RETURN;
            return false;
        }
        break;
    case CELL:
        if (byte == '"') {
            c->state = QUOTED;
            return false;
        }
        break;
    case PLAIN:
        if (byte == '"' && !c->fault)
            c->fault = stray;
        break;
    default:
        break;
    }
    bool closed = c->state == QUOTE || c->state == RETURN;
    if ((closed && byte != '\n' && !(byte == ',' && c->state == QUOTE)) && !c->fault)
        c->fault = behind;
    c->state = byte == ',' ? CELL : PLAIN;
    return byte == '\n';
}

/* One cell from p on; returns where it ends. Its text is added to c->text. */
static const char *take_cell(struct csv *c, const char *p, const char *end)
{
    size_t from = c->text.len;
    bool quoted = p < end && *p == '"';
    if (!quoted) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        buf_add(&c->text, p, (size_t)(stop - p));
        p = stop;
    }
    for (p += quoted; quoted; p++) {
        const char *q = memchr(p, '"', (size_t)(end - p));
        buf_add(&c->text, p, (size_t)(q - p));
        p = q + 1;
        if (p == end || *p != '"')
            break;
        buf_byte(&c->text, '"');
    }
    c->cells[c->count++] = (struct text){NULL, c->text.len - from};
    return p;
}

/* The record's bytes without its end: sound, so each quote is closed. */
static bool take_cells(struct csv *c, const char *p, size_t n)
{
    const char *end = p + n;
    c->count = 0;
    buf_reset(&c->text);
    buf_room(&c->text, n + 1);
    for (;; p++) {
        if (c->count == CSV_CELLS_MAX)
            return false;
        p = take_cell(c, p, end);
        if (p == end)
            break;
    }
    size_t at = 0; /* the buffer stands still now */
    for (size_t i = 0; i < c->count; i++) {
        c->cells[i].p = c->text.data + at;
        at += c->cells[i].n;
    }
    return true;
}

static enum csv_found bad(struct csv *c, const char *why)
{
    c->bad = why;
    c->too_long = false;
    c->count = 0;
    return CSV_BAD;
}

static enum csv_found too_long(struct csv *c)
{
    bad(c, "the record is too long");
    c->too_long = true;
    return CSV_BAD;
}

/* A whole record of n bytes with its end. NONE: an empty line. */
static enum csv_found take(struct csv *c, size_t n, bool ended, uint64_t lines)
{
    const char *p = c->held.data + c->at, *fault = c->fault;
    bool skipped = c->skipping, open = c->state == QUOTED;
    size_t text = n - ended;
    if (text > 0 && p[text - 1] == '\r' && (ended || c->state == RETURN))
        text--;
    c->line = c->lines + 1;
    c->lines += lines;
    c->at += n;
    c->seen = c->at;
    c->state = CELL;
    c->fault = NULL;
    c->skipping = false;
    if (skipped || text == 0)
        return CSV_NONE;
    if (text > c->max) /* the first to be looked at: unended() knows no more than that */
        return too_long(c);
    if (open)
        return bad(c, "a quote is not closed before the end");
    if (fault)
        return bad(c, fault);
    return take_cells(c, p, text) ? CSV_RECORD : bad(c, "the record has more than 64 cells");
}

static void pass_mark(struct csv *c)
{
    if (c->begun || (c->held.len - c->at < 3 && !c->whole))
        return;
    c->begun = true;
    if (c->held.len - c->at >= 3 && memcmp(c->held.data + c->at, "\xef\xbb\xbf", 3) == 0)
        c->seen = c->at += 3;
}

/* The end of the record is not there: more than may be is not kept. */
static enum csv_found unended(struct csv *c, uint64_t lines)
{
    size_t n = c->held.len - c->at;
    if (c->whole && n > 0)
        return take(c, n, false, lines);
    if (n <= c->max + 2)
        return CSV_NONE;
    bool first = !c->skipping;
    c->line = c->lines + 1;
    c->lines += lines;
    c->seen = c->at = c->held.len;
    c->skipping = true;
    return first ? too_long(c) : CSV_NONE;
}

enum csv_found csv_next(struct csv *c)
{
    pass_mark(c);
    if (!c->begun)
        return CSV_NONE;
    for (bool more = true; more;) {
        uint64_t lines = 0;
        bool ended = false;
        /* Lines are counted from the record's begin, of which a part was seen before. */
        for (size_t i = c->at; i < c->seen; i++)
            lines += c->held.data[i] == '\n';
        while (!ended && c->seen < c->held.len) {
            char byte = c->held.data[c->seen++];
            lines += byte == '\n';
            ended = step(c, byte);
        }
        enum csv_found found = ended ? take(c, c->seen - c->at, true, lines) : unended(c, lines);
        if (found != CSV_NONE)
            return found;
        more = ended;
    }
    return CSV_NONE;
}
