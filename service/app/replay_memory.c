#include "app/replay_memory.h"

#include <string.h>

#include "base/arena.h"
#include "base/units.h"

static const char version[] = "1";

/* Cuts off what stands before the mark, or all. */
static struct text cut(struct text *rest, char mark)
{
    const char *end = rest->n ? memchr(rest->p, mark, rest->n) : NULL;
    struct text piece = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    size_t used = piece.n + (end ? 1 : 0);
    *rest = (struct text){rest->p + used, rest->n - used};
    return piece;
}

static bool take_number(struct text *rest, int64_t max, int64_t *out)
{
    char text[24];
    struct text piece = cut(rest, ';');
    if (piece.n == 0 || piece.n >= sizeof text)
        return false;
    memcpy(text, piece.p, piece.n);
    text[piece.n] = 0;
    return units_integer(text, out) && *out >= 0 && *out <= max;
}

static bool take_run(struct text piece, struct arena *a, struct replay_run *run)
{
    int64_t max;
    struct text reasons = cut(&piece, ';'), topics = cut(&piece, ';');
    if (reasons.n == 0 || topics.n == 0 || !take_number(&piece, INT32_MAX, &max) ||
        !take_number(&piece, INT64_MAX, &run->begin) || !take_number(&piece, INT64_MAX, &run->end))
        return false;
    run->what = (struct replay_selection){arena_copy(a, reasons.p, reasons.n),
                                          arena_copy(a, topics.p, topics.n), (int)max};
    return piece.n == 0 && run->begin < run->end;
}

bool replay_memory_read(struct replay_memory *m, struct text bytes, struct arena *a,
                        struct err *err)
{
    /* One more than can be read: for replay_memory_add(). */
    *m = (struct replay_memory){.runs = arena_alloc(a, (REPLAY_RUNS_MAX + 1) * sizeof *m->runs)};
    if (bytes.n == 0)
        return true;
    struct text rest = bytes;
    bool good = text_is(cut(&rest, '|'), version);
    while (good && rest.n > 0) {
        good = m->count < REPLAY_RUNS_MAX && take_run(cut(&rest, '|'), a, &m->runs[m->count]);
        m->count += good;
    }
    char quoted[TEXT_QUOTED];
    return good || err_set(err, ERR_FATAL, "the memory of earlier runs is not to be understood: %s",
                           text_quote(bytes, quoted));
}

bool replay_memory_write(const struct replay_memory *m, struct buf *b, struct err *err)
{
    size_t start = b->len;
    buf_str(b, version);
    for (size_t i = 0; i < m->count; i++) {
        const struct replay_run *r = &m->runs[i];
        buf_printf(b, "|%s;%s;%d;%lld;%lld", r->what.reasons, r->what.topics, r->what.max,
                   (long long)r->begin, (long long)r->end);
    }
    if (b->len - start <= REPLAY_MEMORY_BYTES)
        return true;
    return err_set(
        err, ERR_FATAL,
        "too many different selections, %zu, were sent back to be remembered: run it once "
        "without --reason, --topic and --from, which is remembered in their place",
        m->count);
}

bool replay_memory_has(const struct replay_memory *m, int64_t offset, struct text reason,
                       struct text topic, int replays)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct replay_run *r = &m->runs[i];
        if (offset >= r->begin && offset < r->end &&
            replay_selects(&r->what, reason, topic, replays))
            return true;
    }
    return false;
}

int64_t replay_memory_begin(const struct replay_memory *m, const struct replay_selection *what,
                            int64_t from)
{
    for (size_t i = 0; i < m->count;) {
        const struct replay_run *r = &m->runs[i];
        bool covers = from >= r->begin && from < r->end && replay_is_within(what, &r->what);
        if (covers)
            from = r->end;
        i = covers ? 0 : i + 1; /* another may go on from there */
    }
    return from;
}

static void drop(struct replay_memory *m, size_t i)
{
    m->runs[i] = m->runs[--m->count];
}

void replay_memory_add(struct replay_memory *m, const struct replay_selection *what, int64_t begin,
                       int64_t end, struct arena *a)
{
    if (begin >= end)
        return;
    if (!m->runs)
        m->runs = arena_alloc(a, (REPLAY_RUNS_MAX + 1) * sizeof *m->runs);
    for (size_t i = 0; i < m->count;) {
        const struct replay_run *r = &m->runs[i];
        bool meets = r->begin <= end && begin <= r->end && replay_is_same(&r->what, what);
        bool lies_within = r->begin >= begin && r->end <= end && replay_is_within(&r->what, what);
        if (!meets && !lies_within) {
            i++;
            continue;
        }
        begin = r->begin < begin ? r->begin : begin;
        end = r->end > end ? r->end : end;
        drop(m, i);
        i = 0; /* it may meet now what it did not before */
    }
    /* More would not fit into the text either: writing it says so. */
    if (m->count <= REPLAY_RUNS_MAX)
        m->runs[m->count++] = (struct replay_run){*what, begin, end};
}

void replay_memory_forget(struct replay_memory *m, int64_t low)
{
    for (size_t i = 0; i < m->count;)
        if (m->runs[i].end <= low)
            drop(m, i);
        else
            i++;
}
