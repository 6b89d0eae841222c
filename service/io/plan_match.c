#include "io/plan_match.h"

#include <assert.h>

#include "io/plan_ops.h"

const struct shape *plan_find_shape(const struct schema_type *t, const struct shape *const *shapes)
{
    for (size_t i = 0; shapes[i]; i++)
        if (strcmp(shapes[i]->name, schema_last_part(t->name)) == 0)
            return shapes[i];
    for (size_t i = 0; shapes[i]; i++)
        for (const char *const *alias = t->aliases; *alias; alias++)
            if (strcmp(shapes[i]->name, schema_last_part(*alias)) == 0)
                return shapes[i];
    return NULL;
}

static bool listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static bool has_name(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->count; i++)
        if (strcmp(shape->fields[i].name, name) == 0)
            return true;
    return false;
}

int plan_find_field(const struct schema_type *t, const struct shape *shape,
                    const struct shape_field *f, const bool *used)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->fields[i].name, f->name) == 0)
            return (int)i;
    for (size_t i = 0; i < t->count; i++)
        if (!used[i] && listed(f->aliases, t->fields[i].name) &&
            !has_name(shape, t->fields[i].name))
            return (int)i;
    for (size_t i = 0; i < t->count; i++)
        if (!used[i] && listed(t->fields[i].aliases, f->name) &&
            !has_name(shape, t->fields[i].name))
            return (int)i;
    return -1;
}

int plan_symbol_index(const struct shape_field *f, struct text name)
{
    for (int i = 0; f->symbols && f->symbols[i]; i++)
        if (text_is(name, f->symbols[i]))
            return i;
    return -1;
}

void plan_set_default(const struct shape_field *f, unsigned char *record)
{
    void *place = record + f->offset;
    switch (f->kind) {
    case SHAPE_TEXT:
        *(struct text *)place = text_of(f->fallback);
        break;
    case SHAPE_TIME:
        *(int64_t *)place = INSTANT_NONE;
        break;
    case SHAPE_TRUTH:
        *(int8_t *)place = -1;
        break;
    case SHAPE_ENUM: {
        struct text name = text_of(f->fallback);
        *(struct symbol *)place = (struct symbol){name.p ? plan_symbol_index(f, name) : -1, name};
        assert(!name.p || plan_symbol_index(f, name) >= 0);
        break;
    }
    case SHAPE_DECIMAL:
    case SHAPE_NUMBER:
    case SHAPE_VALUE:
    case SHAPE_JSON:
    case SHAPE_RECORD:
    case SHAPE_ARRAY:
        break; /* all zero: absent, NULL, empty */
    }
}

static uint8_t text_code(const struct schema_type *t, uint8_t code)
{
    return t->kind == SCHEMA_STRING || (t->kind == SCHEMA_BYTES && t->logical == SCHEMA_PLAIN)
               ? code
               : OP_DONE;
}

/* How a number goes into a struct value. */
static uint8_t number_code(const struct schema_type *t, bool reals)
{
    if (t->kind == SCHEMA_INT || t->kind == SCHEMA_LONG)
        return OP_VALUE_INTEGER;
    if (t->logical == SCHEMA_DECIMAL)
        return t->kind == SCHEMA_BYTES ? OP_VALUE_DECIMAL : OP_VALUE_FIXED;
    if (reals && t->kind == SCHEMA_FLOAT)
        return OP_VALUE_FLOAT;
    return reals && t->kind == SCHEMA_DOUBLE ? OP_VALUE_DOUBLE : OP_DONE;
}

uint8_t plan_take_code(const struct schema_type *t, enum shape_kind kind)
{
    uint8_t number;
    switch (kind) {
    case SHAPE_TEXT:
        return t->kind == SCHEMA_ENUM ? OP_TEXT_SYMBOL : text_code(t, OP_TEXT);
    case SHAPE_TIME:
        if ((t->kind != SCHEMA_LONG && t->kind != SCHEMA_INT) || t->logical == SCHEMA_OTHER_TIME)
            return OP_DONE; /* another unit read as ms would be wrong by a factor of 1,000 or more
                             */
        return t->logical == SCHEMA_MICROS ? OP_TIME_MICROS : OP_TIME;
    case SHAPE_TRUTH:
        return t->kind == SCHEMA_BOOLEAN ? OP_TRUTH : OP_DONE;
    case SHAPE_ENUM:
        return t->kind == SCHEMA_ENUM ? OP_SYMBOL : text_code(t, OP_SYMBOL_NAME);
    case SHAPE_DECIMAL:
        return number_code(t, false);
    case SHAPE_NUMBER:
        return number_code(t, true);
    case SHAPE_VALUE:
        if (t->kind == SCHEMA_BOOLEAN)
            return OP_VALUE_TRUTH;
        number = number_code(t, true);
        return number != OP_DONE ? number : text_code(t, OP_VALUE_TEXT);
    case SHAPE_JSON:
        return text_code(t, OP_VALUE_JSON);
    case SHAPE_RECORD:
    case SHAPE_ARRAY:
        break;
    }
    return OP_DONE;
}

uint8_t plan_skip_code(const struct schema_type *t)
{
    static const uint8_t codes[] = {
        [SCHEMA_BOOLEAN] = OP_SKIP_TRUTH, [SCHEMA_INT] = OP_SKIP_NUMBER,
        [SCHEMA_LONG] = OP_SKIP_NUMBER,   [SCHEMA_FLOAT] = OP_SKIP_FIXED,
        [SCHEMA_DOUBLE] = OP_SKIP_FIXED,  [SCHEMA_BYTES] = OP_SKIP_BYTES,
        [SCHEMA_STRING] = OP_SKIP_TEXT,   [SCHEMA_FIXED] = OP_SKIP_FIXED,
        [SCHEMA_ENUM] = OP_SKIP_ENUM};
    return codes[t->kind];
}
