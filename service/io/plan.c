#include "io/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/plan_match.h"
#include "io/plan_ops.h"
#include "io/schema.h"

/* Named types are laid out again wherever they are used: this ends it when that gets out of hand.
 */
enum { VISITS_MAX = 50000, SYMBOLS_MAX = 200000 };

/* The end of a union, as long as it is not known. */
#define UNION_END UINT32_MAX

/* What is wanted of a type of the writer's. */
struct want {
    enum { NOTHING, FIELD, ITEM } what;
    const struct shape_field *field; /* FIELD: goes to its place; ITEM: is an item of this list */
    uint32_t path;
};

/* One compilation; the first error sticks, and what is emitted after it does not matter. */
struct build {
    struct plan *plan;
    struct arena *scratch; /* the schema's tree */
    struct err *err;
    bool bad;
    int depth;
    size_t visits, symbols, op_room, path_room, skipped;
};

static size_t compile(struct build *b, const struct schema_type *t, struct want want);

static const char *wanted(const struct want *want)
{
    static const char *const names[] = {[SHAPE_TEXT] = "string",
                                        [SHAPE_TIME] = "long (timestamp-millis)",
                                        [SHAPE_TRUTH] = "boolean",
                                        [SHAPE_ENUM] = "enum or string",
                                        [SHAPE_DECIMAL] = "decimal",
                                        [SHAPE_NUMBER] = "decimal or double",
                                        [SHAPE_VALUE] =
                                            "string, long, double, boolean, decimal or Json",
                                        [SHAPE_JSON] = "string",
                                        [SHAPE_RECORD] = "record",
                                        [SHAPE_ARRAY] = "array of records"};
    return want->what == ITEM ? "record" : names[want->field->kind];
}

static size_t refuse(struct build *b, uint32_t path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static size_t refuse(struct build *b, uint32_t path, const char *format, ...)
{
    char name[PLAN_PATH_CHARS], what[512];
    if (b->bad)
        return 0;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    err_set(b->err, ERR_DATA, "field %s: %s", plan_path(b->plan, path, name), what);
    b->bad = true;
    return 0;
}

static size_t mismatch(struct build *b, const struct schema_type *t, const struct want *want)
{
    return refuse(b, want->path, "the schema has %.300s where %s is needed", t->label,
                  wanted(want));
}

static void *grow(void *items, size_t count, size_t *room, size_t bytes)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 64;
    items = realloc(items, *room * bytes);
    if (!items)
        abort();
    return items;
}

static uint32_t here(const struct build *b)
{
    return (uint32_t)b->plan->op_count;
}

static uint32_t emit(struct build *b, struct op op)
{
    struct plan *p = b->plan;
    p->ops = grow(p->ops, p->op_count, &b->op_room, sizeof *p->ops);
    p->ops[p->op_count] = op;
    return (uint32_t)p->op_count++;
}

static uint32_t add_path(struct build *b, uint32_t parent, const char *name)
{
    struct plan *p = b->plan;
    p->paths = grow(p->paths, p->path_count, &b->path_room, sizeof *p->paths);
    size_t n = strnlen(name, PLAN_PATH_CHARS); /* no message shows more of it */
    p->paths[p->path_count] = (struct path){parent, arena_copy(p->arena, name, n)};
    return (uint32_t)p->path_count++;
}

static void note_skipped(struct build *b, uint32_t path)
{
    char name[PLAN_PATH_CHARS];
    struct plan *p = b->plan;
    const char *comma = b->skipped > 0 ? ", " : "";
    int n = snprintf(p->skipped + b->skipped, 501 - b->skipped, "%s%s", comma,
                     plan_path(p, path, name));
    b->skipped = b->skipped + (size_t)n < 500 ? b->skipped + (size_t)n : 500;
}

static const struct image *new_image(struct build *b, const struct shape *shape)
{
    struct image *image = arena_alloc(b->plan->arena, sizeof *image);
    *image = (struct image){shape->bytes, arena_zero(b->plan->arena, shape->bytes)};
    for (size_t i = 0; i < shape->count; i++)
        plan_set_default(&shape->fields[i], image->data);
    return image;
}

/* matches[i]: our field for the writer's field i, or NULL. */
static const struct shape_field **match_fields(struct build *b, const struct schema_type *t,
                                               const struct shape *shape, uint32_t path)
{
    const struct shape_field **matches = arena_zero(b->scratch, (t->count + 1) * sizeof(void *));
    bool *used = arena_zero(b->scratch, t->count + 1);
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *f = &shape->fields[i];
        int at = plan_find_field(t, shape, f, used);
        struct want want = {FIELD, f, 0};
        if (at < 0 && f->required)
            refuse(b, add_path(b, path, f->name),
                   "the schema does not have it where %s is needed: it has no default",
                   wanted(&want));
        if (at < 0)
            continue;
        matches[at] = f;
        used[at] = true;
    }
    return matches;
}

/* A record's fields; returns the bytes that they take at least. `shape` NULL: all are skipped. */
static size_t compile_fields(struct build *b, const struct schema_type *t,
                             const struct shape *shape, uint32_t path)
{
    const struct shape_field **matches = shape ? match_fields(b, t, shape, path) : NULL;
    size_t least = 0;
    for (size_t i = 0; i < t->count && !b->bad; i++) {
        struct want want = {NOTHING, NULL, add_path(b, path, t->fields[i].name)};
        if (matches && matches[i])
            want = (struct want){FIELD, matches[i], want.path};
        else if (shape)
            note_skipped(b, want.path);
        least += compile(b, t->fields[i].type, want);
    }
    return least;
}

static bool ends_in_json(const char *name)
{
    size_t length = strlen(name);
    return length >= 4 && strcmp(name + length - 4, "Json") == 0;
}

/* Any record whose name, or an alias of it, ends in Json and that has a text `json`: a JSON value.
 */
static size_t compile_json(struct build *b, const struct schema_type *t, struct want want)
{
    bool named = ends_in_json(t->name);
    for (const char *const *alias = t->aliases; !named && *alias; alias++)
        named = ends_in_json(*alias);
    if (!named)
        return mismatch(b, t, &want);
    const struct shape_field json = {
        .name = "json", .kind = SHAPE_JSON, .offset = want.field->offset, .required = true};
    const struct shape shape = {.name = "Json", .fields = &json, .count = 1};
    return compile_fields(b, t, &shape, want.path);
}

static size_t compile_record(struct build *b, const struct schema_type *t, struct want want)
{
    if (want.what == NOTHING)
        return compile_fields(b, t, NULL, want.path);
    if (want.what == ITEM)
        return compile_fields(b, t, want.field->record, want.path);
    if (want.field->kind == SHAPE_VALUE)
        return compile_json(b, t, want);
    if (want.field->kind != SHAPE_RECORD)
        return mismatch(b, t, &want);
    emit(b, (struct op){.code = OP_RECORD,
                        .offset = (uint32_t)want.field->offset,
                        .path = want.path,
                        .image = new_image(b, want.field->record)});
    size_t least = compile_fields(b, t, want.field->record, want.path);
    emit(b, (struct op){.code = OP_RECORD_END, .path = want.path});
    return least;
}

/* Arrays and maps; a map's item begins with its key. */
static size_t compile_items(struct build *b, const struct schema_type *t, struct want want)
{
    struct op op = {.code = OP_ITEMS, .path = want.path};
    struct want item = {NOTHING, NULL, want.path};
    if (want.what == FIELD && want.field->kind == SHAPE_ARRAY && t->kind == SCHEMA_ARRAY) {
        op.code = OP_LIST;
        op.offset = (uint32_t)want.field->offset;
        op.image = new_image(b, want.field->record);
        item = (struct want){ITEM, want.field, want.path};
    } else if (want.what != NOTHING) {
        return mismatch(b, t, &want);
    }
    uint32_t at = emit(b, op);
    size_t least = 0;
    if (t->kind == SCHEMA_MAP) {
        emit(b, (struct op){.code = OP_SKIP_TEXT, .path = want.path});
        least = 1;
    }
    least += compile(b, t->items, item);
    if (op.code == OP_LIST &&
        least == 0) /* a few bytes would make a hundred thousand of our structs */
        return refuse(b, want.path,
                      "the schema has an array of %.200s, an item of which takes no bytes, where "
                      "an array of records is needed",
                      t->items->label);
    emit(b, (struct op){.code = OP_NEXT, .next = at, .path = want.path});
    b->plan->ops[at].next = here(b);
    b->plan->ops[at].count = least < UINT32_MAX ? (uint32_t)least : UINT32_MAX;
    return 1;
}

static size_t compile_union(struct build *b, const struct schema_type *t, struct want want)
{
    uint32_t *branches = arena_alloc(b->plan->arena, (t->count + 1) * sizeof *branches);
    uint32_t at = emit(b, (struct op){.code = OP_UNION,
                                      .count = (uint32_t)t->count,
                                      .path = want.path,
                                      .branches = branches});
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < t->count && !b->bad; i++) {
        branches[i] = here(b);
        size_t bytes = compile(b, t->branches[i], want);
        least = bytes < least ? bytes : least;
        if (i + 1 < t->count)
            emit(b, (struct op){.code = OP_JUMP, .next = UNION_END});
    }
    struct op *ops = b->plan->ops;
    for (uint32_t i = at + 1; i < here(b); i++) /* unions inside have set theirs already */
        if (ops[i].code == OP_JUMP && ops[i].next == UNION_END)
            ops[i].next = here(b);
    for (size_t i = 0; i < t->count && !b->bad; i++) /* a null only jumps: no need to go there */
        if (branches[i] < here(b) && ops[branches[i]].code == OP_JUMP)
            branches[i] = ops[branches[i]].next;
    return 1 + (t->count > 0 ? least : 0);
}

/* NULL: too many. */
static const struct symbol *new_symbols(struct build *b, const struct schema_type *t,
                                        const struct want *want)
{
    const struct shape_field *f = want->field;
    b->symbols += t->count;
    if (b->symbols > SYMBOLS_MAX) {
        refuse(b, want->path, "the schema has more than %d symbols, counted where used",
               SYMBOLS_MAX);
        return NULL;
    }
    struct symbol *symbols = arena_zero(b->plan->arena, (t->count + 1) * sizeof *symbols);
    for (size_t i = 0; i < t->count; i++) {
        struct text name = text_of(t->symbols[i]);
        name.p = arena_copy(b->plan->arena, name.p, name.n);
        symbols[i] = (struct symbol){plan_symbol_index(f, name), name};
    }
    return symbols;
}

static size_t compile_scalar(struct build *b, const struct schema_type *t, struct want want)
{
    static const uint8_t least[] = {[SCHEMA_BOOLEAN] = 1, [SCHEMA_INT] = 1,    [SCHEMA_LONG] = 1,
                                    [SCHEMA_FLOAT] = 4,   [SCHEMA_DOUBLE] = 8, [SCHEMA_BYTES] = 1,
                                    [SCHEMA_STRING] = 1,  [SCHEMA_FIXED] = 0,  [SCHEMA_ENUM] = 1};
    if (t->kind == SCHEMA_NULL)
        return 0; /* takes no bytes and leaves the default in place */
    struct op op = {.code = plan_skip_code(t),
                    .narrow = t->kind == SCHEMA_INT,
                    .scale = (int16_t)t->scale,
                    .precision = (int16_t)t->precision,
                    .count = t->kind == SCHEMA_FLOAT || t->kind == SCHEMA_DOUBLE
                                 ? least[t->kind]
                                 : (uint32_t)t->count,
                    .path = want.path};
    if (want.what == FIELD) {
        op.code = plan_take_code(t, want.field->kind);
        op.offset = (uint32_t)want.field->offset;
        if (op.code == OP_SYMBOL || op.code == OP_TEXT_SYMBOL)
            op.symbols = new_symbols(b, t, &want);
        if (op.code == OP_SYMBOL_NAME)
            op.field = want.field;
    }
    if (want.what == ITEM || op.code == OP_DONE)
        return mismatch(b, t, &want);
    emit(b, op);
    return t->kind == SCHEMA_FIXED ? t->count : least[t->kind];
}

/* Returns the bytes that a value of the type takes at least. */
static size_t compile(struct build *b, const struct schema_type *t, struct want want)
{
    if (b->bad)
        return 0;
    bool nests = t->kind == SCHEMA_RECORD || t->kind == SCHEMA_ARRAY || t->kind == SCHEMA_MAP;
    if (++b->visits > VISITS_MAX)
        return refuse(b, want.path, "the schema has more than %d types, counted where used",
                      VISITS_MAX);
    if (nests && b->depth == PLAN_DEPTH_MAX)
        return refuse(b, want.path, "the schema is deeper than %d", PLAN_DEPTH_MAX);
    b->depth += nests;
    size_t least;
    if (t->kind == SCHEMA_UNION)
        least = compile_union(b, t, want);
    else if (t->kind == SCHEMA_RECORD)
        least = compile_record(b, t, want);
    else if (nests)
        least = compile_items(b, t, want);
    else
        least = compile_scalar(b, t, want);
    b->depth -= nests;
    return least;
}

/* Of a union of several records that are one thing here, since their shapes share their fields;
 * NULL: it is none. */
static const struct shape *shape_of_union(const struct schema_type *t,
                                          const struct shape *const *shapes)
{
    const struct shape *shape = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const struct shape *one =
            t->branches[i]->kind == SCHEMA_RECORD ? plan_find_shape(t->branches[i], shapes) : NULL;
        if (!one || one == shape || (shape && one->fields != shape->fields))
            return NULL;
        shape = shape ? shape : one;
    }
    return t->count > 1 ? shape : NULL;
}

static void compile_root(struct build *b, const struct schema_type *t, uint32_t root)
{
    const struct shape_field any = {.record = b->plan->shape};
    if (t->kind == SCHEMA_UNION)
        compile_union(b, t, (struct want){ITEM, &any, root});
    else
        compile_fields(b, t, b->plan->shape, root);
}

static bool build_plan(struct build *b, const char *json, size_t n,
                       const struct shape *const *shapes)
{
    struct plan *p = b->plan;
    const struct schema_type *t = schema_read(b->scratch, json, n, b->err);
    if (!t)
        return false;
    p->shape = t->kind == SCHEMA_UNION ? shape_of_union(t, shapes) : NULL;
    if (t->kind != SCHEMA_RECORD && !p->shape)
        return err_set(b->err, ERR_DATA, "schema: is %.300s, not a record", t->label);
    if (!p->shape)
        p->shape = plan_find_shape(t, shapes);
    if (!p->shape)
        return err_set(b->err, ERR_DATA, "schema: record %.300s is none that is known here",
                       t->name);
    uint32_t root = add_path(b, 0, "");
    p->image = new_image(b, p->shape);
    b->depth = 1;
    compile_root(b, t, root);
    emit(b, (struct op){.code = OP_DONE});
    return !b->bad;
}

struct plan *plan_new(const char *json, size_t n, const struct shape *const *shapes,
                      struct err *err)
{
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->arena = arena_new(4096);
    struct build b = {.plan = p, .scratch = arena_new(16384), .err = err};
    bool built = build_plan(&b, json, n, shapes);
    arena_free(b.scratch);
    if (built)
        return p;
    plan_free(p);
    return NULL;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    arena_free(p->arena);
    free(p->ops);
    free(p->paths);
    free(p);
}

const struct shape *plan_shape(const struct plan *p)
{
    return p->shape;
}

const char *plan_skipped(const struct plan *p)
{
    return p->skipped;
}

const char *plan_path(const struct plan *p, uint32_t path, char out[PLAN_PATH_CHARS])
{
    uint32_t chain[PLAN_DEPTH_MAX + 1];
    size_t n = 0, length = 0;
    for (; path != 0 && n < PLAN_DEPTH_MAX + 1; path = p->paths[path].parent)
        chain[n++] = path;
    out[0] = 0;
    while (n > 0 && length < PLAN_PATH_CHARS - 1) {
        const char *name = p->paths[chain[--n]].name;
        int more =
            snprintf(out + length, PLAN_PATH_CHARS - length, "%s%s", length > 0 ? "." : "", name);
        length += (size_t)more;
    }
    return out;
}
