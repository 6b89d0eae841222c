#include "io/reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "io/reader_walk.h"

void reader_report(struct walk *w, const struct op *op, const char *format, ...)
{
    char name[PLAN_PATH_CHARS], what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *path = plan_path(w->plan, op->path, name);
    err_set(w->err, ERR_DATA, "%s%s%s", path, path[0] ? ": " : "", what);
    w->err->code = READER_MALFORMED;
}

bool reader_varint(struct walk *w, const struct op *op, uint64_t *v)
{
    *v = 0;
    for (int i = 0; i < 10; i++) {
        if (w->p == w->end)
            return cut_short(w, op);
        unsigned char c = *w->p++;
        if (i == 9 && c > 1)
            break;
        *v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80)
            return true;
    }
    return malformed(w, op, "a number of more than 64 bits");
}

/* ---- steps: one for each op; each returns where to go on, NULL when that is nowhere ---- */

static const struct op *after(const struct op *op, bool sound)
{
    return sound ? op + 1 : NULL;
}

static const struct op *skip_number(struct walk *w, const struct op *op)
{
    int64_t v;
    return after(op, take_integer(w, op, &v));
}

static const struct op *skip_text(struct walk *w, const struct op *op)
{
    struct text t;
    return after(op, take_text(w, op, &t));
}

static const struct op *skip_bytes(struct walk *w, const struct op *op)
{
    struct text t;
    return after(op, take_bytes(w, op, &t));
}

static const struct op *skip_fixed(struct walk *w, const struct op *op)
{
    struct text t;
    return after(op, take_fixed(w, op, op->count, &t));
}

static const struct op *skip_truth(struct walk *w, const struct op *op)
{
    bool v;
    return after(op, take_truth(w, op, &v));
}

static const struct op *skip_enum(struct walk *w, const struct op *op)
{
    uint32_t index;
    return after(op, take_index(w, op, "symbol", &index));
}

static void *place(const struct walk *w, const struct op *op)
{
    return w->record + op->offset;
}

static const struct op *text(struct walk *w, const struct op *op)
{
    return after(op, take_text(w, op, place(w, op)));
}

static const struct op *text_symbol(struct walk *w, const struct op *op)
{
    uint32_t index;
    if (!take_index(w, op, "symbol", &index))
        return NULL;
    *(struct text *)place(w, op) = op->symbols[index].text;
    return op + 1;
}

static const struct op *time_ms(struct walk *w, const struct op *op)
{
    int64_t v;
    if (!take_integer(w, op, &v))
        return NULL;
    if (v == INSTANT_NONE)
        v++; /* a date out of range, but not an absent one */
    *(int64_t *)place(w, op) = v;
    return op + 1;
}

static const struct op *time_micros(struct walk *w, const struct op *op)
{
    int64_t v;
    if (!take_integer(w, op, &v))
        return NULL;
    *(int64_t *)place(w, op) = v / 1000 - (v % 1000 < 0);
    return op + 1;
}

static const struct op *truth(struct walk *w, const struct op *op)
{
    bool v;
    if (!take_truth(w, op, &v))
        return NULL;
    *(int8_t *)place(w, op) = v;
    return op + 1;
}

static const struct op *symbol(struct walk *w, const struct op *op)
{
    uint32_t index;
    if (!take_index(w, op, "symbol", &index))
        return NULL;
    *(struct symbol *)place(w, op) = op->symbols[index];
    return op + 1;
}

static const struct op *symbol_name(struct walk *w, const struct op *op)
{
    struct symbol *s = place(w, op);
    if (!take_text(w, op, &s->text))
        return NULL;
    s->index = -1;
    for (int i = 0; op->field->symbols[i]; i++)
        if (text_is(s->text, op->field->symbols[i]))
            s->index = i;
    return op + 1;
}

/* ---- steps that make a struct value ---- */

static struct value *value(const struct walk *w, const struct op *op, enum value_kind kind)
{
    struct value *v = place(w, op);
    v->kind = kind;
    return v;
}

static const struct op *value_text(struct walk *w, const struct op *op)
{
    return after(op, take_text(w, op, &value(w, op, VALUE_TEXT)->text));
}

static const struct op *value_json(struct walk *w, const struct op *op)
{
    return after(op, take_text(w, op, &value(w, op, VALUE_JSON)->text));
}

static const struct op *value_integer(struct walk *w, const struct op *op)
{
    return after(op, take_integer(w, op, &value(w, op, VALUE_INTEGER)->integer));
}

static const struct op *value_truth(struct walk *w, const struct op *op)
{
    return after(op, take_truth(w, op, &value(w, op, VALUE_TRUTH)->truth));
}

static const struct op *value_float(struct walk *w, const struct op *op)
{
    struct text bytes;
    float narrow;
    if (!take_fixed(w, op, sizeof narrow, &bytes))
        return NULL;
    memcpy(&narrow, bytes.p, sizeof narrow); /* little-endian, as we are (see buf.h) */
    value(w, op, VALUE_REAL)->real = (double)narrow;
    return op + 1;
}

static const struct op *value_double(struct walk *w, const struct op *op)
{
    struct text bytes;
    if (!take_fixed(w, op, sizeof(double), &bytes))
        return NULL;
    memcpy(&value(w, op, VALUE_REAL)->real, bytes.p, sizeof(double));
    return op + 1;
}

static const struct op *set_decimal(struct walk *w, const struct op *op, struct text bytes)
{
    struct value *v = value(w, op, VALUE_DECIMAL);
    bool limited = op->precision > 0 && op->precision < DECIMAL_DIGITS;
    if (!decimal_from_be(bytes.p, bytes.n, op->scale, &v->decimal) ||
        (limited &&
         decimal_whole_digits((struct decimal){v->decimal.unscaled, 0}) > op->precision)) {
        v->kind = VALUE_WIDE;
        v->integer = limited ? op->precision : DECIMAL_DIGITS;
    }
    return op + 1;
}

static const struct op *value_decimal(struct walk *w, const struct op *op)
{
    struct text bytes;
    return take_bytes(w, op, &bytes) ? set_decimal(w, op, bytes) : NULL;
}

static const struct op *value_fixed(struct walk *w, const struct op *op)
{
    struct text bytes;
    return take_fixed(w, op, op->count, &bytes) ? set_decimal(w, op, bytes) : NULL;
}

/* ---- steps that go elsewhere ---- */

static struct frame *push(struct walk *w, const struct op *op)
{
    struct frame *f = w->top++; /* plan_new() lets nothing be deeper than PLAN_DEPTH_MAX */
    f->op = op;
    f->outer = w->record;
    return f;
}

static void pop(struct walk *w)
{
    w->record = (--w->top)->outer;
}

/* Room for `more` items; what was read stays in place or is copied, at most twice as much in all.
 */
static void grow_list(struct walk *w, struct frame *f, size_t more)
{
    size_t bytes = f->op->image->bytes, count = f->list->count;
    if (f->room - count >= more)
        return;
    f->room = count + more > 2 * f->room ? count + more : 2 * f->room;
    void *items = arena_alloc(w->arena, f->room * bytes);
    if (count > 0)
        memcpy(items, f->list->items, count * bytes);
    f->list->items = items;
}

/* The head of a block: how many items, and for a negative count how many bytes. */
static bool take_block(struct walk *w, const struct op *op, struct frame *f)
{
    int64_t count, bytes;
    f->block_end = NULL;
    if (!take_long(w, op, &count))
        return false;
    f->left = count < 0 ? -(uint64_t)count : (uint64_t)count;
    if (count < 0) {
        if (!take_long(w, op, &bytes))
            return false;
        if (bytes < 0 || (uint64_t)bytes > left(w))
            return malformed(w, op, "a block of %lld bytes, but %zu are left", (long long)bytes,
                             left(w));
        f->block_end = w->p + bytes;
    }
    if (f->left > w->items_left)
        return malformed(w, op, "more than %d items", PLAN_ITEMS_MAX);
    if (op->count > 0 && f->left > left(w) / op->count)
        return malformed(w, op, "%llu items, but %zu bytes are left", (unsigned long long)f->left,
                         left(w));
    w->items_left -= f->left;
    if (f->list && f->left > 0)
        grow_list(w, f, f->left);
    return true;
}

static bool is_block_over(struct walk *w, const struct op *op, const struct frame *f)
{
    return !f->block_end || f->block_end == w->p ||
           malformed(w, op, "a block that is not as long as it says");
}

/* Begins the next item, a block before it where one is due, or ends the array. NULL: malformed. */
static const struct op *next_item(struct walk *w, const struct op *op)
{
    struct frame *f = w->top - 1;
    if (f->left == 0) {
        if (!is_block_over(w, op, f) || !take_block(w, op, f))
            return NULL;
        if (f->left == 0) {
            pop(w);
            return w->plan->ops + op->next;
        }
    }
    f->left--;
    if (f->list) {
        size_t bytes = op->image->bytes;
        w->record = (unsigned char *)f->list->items + f->list->count++ * bytes;
        memcpy(w->record, op->image->data, bytes);
    }
    return op + 1;
}

static const struct op *items(struct walk *w, const struct op *op)
{
    struct frame *f = push(w, op);
    f->block_end = NULL;
    f->left = 0;
    f->list = NULL;
    return next_item(w, op);
}

static const struct op *list(struct walk *w, const struct op *op)
{
    struct frame *f = push(w, op);
    f->block_end = NULL;
    f->left = 0;
    f->room = 0;
    f->list = place(w, op);
    *f->list = (struct list){NULL, 0};
    return next_item(w, op);
}

static const struct op *next(struct walk *w, const struct op *op)
{
    return next_item(w, w->plan->ops + op->next);
}

static const struct op *new_record(struct walk *w, const struct op *op)
{
    void **at = place(w, op);
    push(w, op);
    *at = arena_alloc(w->arena, op->image->bytes);
    memcpy(*at, op->image->data, op->image->bytes);
    w->record = *at;
    return op + 1;
}

static const struct op *record_end(struct walk *w, const struct op *op)
{
    pop(w);
    return op + 1;
}

static const struct op *branch(struct walk *w, const struct op *op)
{
    uint32_t index;
    return take_index(w, op, "union branch", &index) ? w->plan->ops + op->branches[index] : NULL;
}

static const struct op *jump(struct walk *w, const struct op *op)
{
    return w->plan->ops + op->next;
}

static const struct op *done(struct walk *w, const struct op *op)
{
    w->sound =
        w->p == w->end || malformed(w, op, "%zu bytes are left over behind the record", left(w));
    return NULL;
}

static const struct op *(*const steps[])(struct walk *w,
                                         const struct op *op) = {[OP_DONE] = done,
                                                                 [OP_JUMP] = jump,
                                                                 [OP_UNION] = branch,
                                                                 [OP_RECORD] = new_record,
                                                                 [OP_RECORD_END] = record_end,
                                                                 [OP_LIST] = list,
                                                                 [OP_ITEMS] = items,
                                                                 [OP_NEXT] = next,
                                                                 [OP_SKIP_NUMBER] = skip_number,
                                                                 [OP_SKIP_TEXT] = skip_text,
                                                                 [OP_SKIP_BYTES] = skip_bytes,
                                                                 [OP_SKIP_FIXED] = skip_fixed,
                                                                 [OP_SKIP_TRUTH] = skip_truth,
                                                                 [OP_SKIP_ENUM] = skip_enum,
                                                                 [OP_TEXT] = text,
                                                                 [OP_TEXT_SYMBOL] = text_symbol,
                                                                 [OP_TIME] = time_ms,
                                                                 [OP_TIME_MICROS] = time_micros,
                                                                 [OP_TRUTH] = truth,
                                                                 [OP_SYMBOL] = symbol,
                                                                 [OP_SYMBOL_NAME] = symbol_name,
                                                                 [OP_VALUE_TEXT] = value_text,
                                                                 [OP_VALUE_JSON] = value_json,
                                                                 [OP_VALUE_INTEGER] = value_integer,
                                                                 [OP_VALUE_FLOAT] = value_float,
                                                                 [OP_VALUE_DOUBLE] = value_double,
                                                                 [OP_VALUE_TRUTH] = value_truth,
                                                                 [OP_VALUE_DECIMAL] = value_decimal,
                                                                 [OP_VALUE_FIXED] = value_fixed};

bool reader_read(const struct plan *plan, const void *bytes, size_t n, struct arena *a,
                 void *record, struct err *err)
{
    struct walk w; /* the frames are set when they are pushed */
    w.p = bytes;
    w.end = w.p + n;
    w.record = record;
    w.top = w.frames;
    w.plan = plan;
    w.arena = a;
    w.err = err;
    w.items_left = PLAN_ITEMS_MAX;
    w.text_op = NULL;
    memcpy(record, plan->image->data, plan->image->bytes);
    w.sound = false;
    for (const struct op *op = plan->ops; op;)
        op = steps[op->code](&w, op);
    if (!w.sound)
        return false;
    if (!w.text_op)
        return true;
    char name[PLAN_PATH_CHARS], quoted[TEXT_QUOTED];
    err_set(err, ERR_DATA, "%s: text that is not UTF-8 or holds NUL: \"%s\"",
            plan_path(plan, w.text_op->path, name), text_quote(w.bad_text, quoted));
    err->code = READER_TEXT;
    return false;
}
