#include "io/schema.h"

#include <avro.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/plan.h"

/* One reading. The first error sticks: `root` is then not used. */
struct reading {
    struct arena *arena;
    struct err *err;
    json_t *names;              /* full name: place in `types` */
    struct schema_type **types; /* named types */
    size_t named, seen, fields;
    const char *field; /* the innermost one around what is read, NULL: none */
};

static const char *const kind_names[] = {"null",   "boolean", "int",    "long",  "float",
                                         "double", "bytes",   "string", "fixed", "enum",
                                         "array",  "map",     "record"};

static struct schema_type *read_type(struct reading *r, json_t *json, const char *space);

static void *refuse(struct reading *r, const char *what, const char *name)
{
    char quoted[TEXT_QUOTED], field[TEXT_QUOTED];
    err_set(r->err, ERR_DATA, "schema: %s \"%s\"%s%s", what, text_quote(text_of(name), quoted),
            r->field ? ", in field " : "", r->field ? text_quote(text_of(r->field), field) : "");
    return NULL;
}

const char *schema_last_part(const char *name)
{
    const char *point = strrchr(name, '.');
    return point ? point + 1 : name;
}

static const char *copy(struct reading *r, const char *s)
{
    return arena_copy(r->arena, s, strlen(s));
}

static const char *text_at(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* False if it is there already. */
static bool add_once(json_t *set, const char *key, json_int_t value)
{
    return !json_object_get(set, key) && json_object_set_new(set, key, json_integer(value)) == 0;
}

static struct schema_type *new_type(struct reading *r, enum schema_kind kind)
{
    if (++r->seen > SCHEMA_TYPES_MAX)
        return refuse(r, "too many types", "");
    struct schema_type *t = arena_zero(r->arena, sizeof *t);
    t->kind = kind;
    t->name = t->label = kind == SCHEMA_UNION ? "union" : kind_names[kind];
    return t;
}

/* Strings of a JSON array, NULL-terminated; what is no string is left out. */
static const char *const *read_strings(struct reading *r, json_t *array)
{
    const char **out = arena_zero(r->arena, (json_array_size(array) + 1) * sizeof *out);
    size_t i, n = 0;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        if (json_is_string(item))
            out[n++] = copy(r, json_string_value(item));
    }
    return out;
}

/* [A-Za-z_][A-Za-z0-9_]*, with points between such parts if `points`; not too long. */
static bool is_name(const char *s, bool points)
{
    bool first = true;
    if (strlen(s) > SCHEMA_NAME_MAX)
        return false;
    for (; *s; s++) {
        bool letter = (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') || *s == '_';
        bool digit = *s >= '0' && *s <= '9';
        if (*s == '.' && points && !first)
            first = true;
        else if (letter || (digit && !first))
            first = false;
        else
            return false;
    }
    return !first;
}

static const char *full_name(struct reading *r, const char *name, const char *space)
{
    if (strchr(name, '.') || !space[0])
        return name;
    return arena_printf(r->arena, "%s.%s", space, name);
}

/* What comes before the last point, "" if there is none. */
static const char *space_of(struct reading *r, const char *name)
{
    const char *point = strrchr(name, '.');
    return point ? arena_copy(r->arena, name, (size_t)(point - name)) : "";
}

static struct schema_type *find_named(struct reading *r, const char *name, const char *space)
{
    json_t *at = json_object_get(r->names, full_name(r, name, space));
    if (!at)
        return refuse(r, "no such type", name);
    struct schema_type *t = r->types[json_integer_value(at)];
    if (t->open)
        return refuse(r, "recursive type", t->name);
    if (++r->seen > SCHEMA_TYPES_MAX)
        return refuse(r, "too many types", "");
    return t;
}

static struct schema_type *read_name(struct reading *r, const char *name, const char *space)
{
    for (int kind = SCHEMA_NULL; kind <= SCHEMA_STRING; kind++)
        if (strcmp(name, kind_names[kind]) == 0)
            return new_type(r, (enum schema_kind)kind);
    return find_named(r, name, space);
}

static struct schema_type *read_union(struct reading *r, json_t *json, const char *space)
{
    struct schema_type *t = new_type(r, SCHEMA_UNION);
    if (!t)
        return NULL;
    t->count = json_array_size(json);
    const struct schema_type **branches = arena_zero(r->arena, (t->count + 1) * sizeof *branches);
    json_t *seen = json_object();
    size_t i;
    json_t *item;
    bool sound = true;
    json_array_foreach(json, i, item)
    {
        branches[i] = read_type(r, item, space);
        sound = branches[i] != NULL;
        if (sound && (branches[i]->kind == SCHEMA_UNION || !add_once(seen, branches[i]->name, 0)))
            sound = refuse(r, "union with two branches of the same type, or a union in it:",
                           branches[i]->name);
        if (!sound)
            break;
    }
    json_decref(seen);
    t->branches = branches;
    return sound ? t : NULL;
}

static struct schema_type *read_items(struct reading *r, json_t *json, enum schema_kind kind,
                                      const char *space)
{
    const char *key = kind == SCHEMA_ARRAY ? "items" : "values";
    struct schema_type *t = new_type(r, kind);
    json_t *items = json_object_get(json, key);
    if (t && !items)
        return refuse(r, "array or map without", key);
    if (t)
        t->items = read_type(r, items, space);
    return t && t->items ? t : NULL;
}

/* A type with a name of its own, entered under that name. */
static struct schema_type *new_named(struct reading *r, json_t *json, enum schema_kind kind,
                                     const char *space)
{
    const char *name = text_at(json, "name");
    const char *own_space = text_at(json, "namespace");
    if (!name)
        return refuse(r, "no name for a", kind_names[kind]);
    if (!is_name(name, true) || (own_space && own_space[0] && !is_name(own_space, true)))
        return refuse(r, "bad name or namespace of", name);
    struct schema_type *t = new_type(r, kind);
    if (!t)
        return NULL;
    t->name = t->label = copy(r, full_name(r, name, own_space ? own_space : space));
    t->aliases = read_strings(r, json_object_get(json, "aliases"));
    if (!add_once(r->names, t->name, (json_int_t)r->named))
        return refuse(r, "defined twice:", t->name);
    if ((r->named & (r->named + 1)) == 0) { /* room for twice as many */
        struct schema_type **more = arena_zero(r->arena, 2 * (r->named + 1) * sizeof(void *));
        if (r->named > 0)
            memcpy(more, r->types, r->named * sizeof *more);
        r->types = more;
    }
    r->types[r->named++] = t;
    return t;
}

static struct schema_type *read_fixed(struct reading *r, json_t *json, const char *space)
{
    struct schema_type *t = new_named(r, json, SCHEMA_FIXED, space);
    json_t *size = json_object_get(json, "size");
    json_int_t bytes = json_integer_value(size);
    if (t && (!json_is_integer(size) || bytes < 0 || bytes > SCHEMA_FIXED_MAX))
        return refuse(r, "size is not in 0 to 16777216 of fixed", t->name);
    if (t)
        t->count = (size_t)bytes;
    return t;
}

static struct schema_type *read_enum(struct reading *r, json_t *json, const char *space)
{
    struct schema_type *t = new_named(r, json, SCHEMA_ENUM, space);
    json_t *symbols = json_object_get(json, "symbols");
    if (!t)
        return NULL;
    t->symbols = read_strings(r, symbols);
    while (t->symbols[t->count])
        t->count++;
    if (!json_is_array(symbols) || t->count != json_array_size(symbols))
        return refuse(r, "symbols are no list of strings in enum", t->name);
    json_t *seen = json_object();
    bool sound = true;
    for (size_t i = 0; i < t->count && sound; i++)
        sound = add_once(seen, t->symbols[i], 0);
    json_decref(seen);
    return sound ? t : refuse(r, "a symbol twice in enum", t->name);
}

static bool read_field(struct reading *r, json_t *json, const char *space, struct schema_field *f)
{
    const char *name = text_at(json, "name");
    json_t *type = json_object_get(json, "type");
    if (!name || !is_name(name, false) || !type)
        return refuse(r, "a field without a proper name and type:", name ? name : "");
    if (++r->fields > PLAN_FIELDS_MAX)
        return refuse(r, "more than 1000 fields: at", name);
    f->name = copy(r, name);
    f->aliases = read_strings(r, json_object_get(json, "aliases"));
    const char *around = r->field;
    r->field = f->name;
    f->type = read_type(r, type, space);
    r->field = around;
    return f->type != NULL;
}

static struct schema_type *read_record(struct reading *r, json_t *json, const char *space)
{
    struct schema_type *t = new_named(r, json, SCHEMA_RECORD, space);
    json_t *members = json_object_get(json, "fields");
    if (!t)
        return NULL;
    if (!json_is_array(members))
        return refuse(r, "no fields in record", t->name);
    t->open = true;
    t->count = json_array_size(members);
    if (t->count > PLAN_FIELDS_MAX)
        return refuse(r, "more than 1000 fields: in", t->name);
    struct schema_field *fields = arena_zero(r->arena, (t->count + 1) * sizeof *fields);
    const char *own_space = space_of(r, t->name);
    for (size_t i = 0; i < t->count; i++) {
        if (!read_field(r, json_array_get(members, i), own_space, &fields[i]))
            return NULL;
        for (size_t k = 0; k < i; k++)
            if (strcmp(fields[k].name, fields[i].name) == 0)
                return refuse(r, "a record has twice the field", fields[i].name);
    }
    t->fields = fields;
    t->open = false;
    return t;
}

static bool read_decimal(struct reading *r, json_t *json, struct schema_type *t)
{
    json_t *scale = json_object_get(json, "scale"), *precision = json_object_get(json, "precision");
    json_int_t s = json_integer_value(scale), p = json_integer_value(precision);
    bool sound = (!scale || json_is_integer(scale)) && (!precision || json_is_integer(precision));
    sound = sound && s >= 0 && s <= INT16_MAX && (!precision || (p > 0 && p >= s));
    if (!sound) /* Avro would have it ignored; the digits would then be taken for text */
        return refuse(r, "bad scale or precision of decimal", t->name);
    t->logical = SCHEMA_DECIMAL;
    t->scale = (int)s;
    t->precision = p > INT16_MAX ? 0 : (int)p;
    return true;
}

static bool read_logical(struct reading *r, json_t *json, struct schema_type *t)
{
    static const char *const times[] = {"date",
                                        "time-millis",
                                        "time-micros",
                                        "timestamp-nanos",
                                        "local-timestamp-millis",
                                        "local-timestamp-micros",
                                        "local-timestamp-nanos"};
    const char *logical = text_at(json, "logicalType");
    if (!logical)
        return true;
    char quoted[TEXT_QUOTED];
    t->label = arena_printf(r->arena, "%s (%s)", t->name, text_quote(text_of(logical), quoted));
    bool bytes = t->kind == SCHEMA_BYTES || t->kind == SCHEMA_FIXED;
    if (bytes && strcmp(logical, "decimal") == 0)
        return read_decimal(r, json, t);
    if (t->kind == SCHEMA_LONG && strcmp(logical, "timestamp-millis") == 0)
        t->logical = SCHEMA_MILLIS;
    if (t->kind == SCHEMA_LONG && strcmp(logical, "timestamp-micros") == 0)
        t->logical = SCHEMA_MICROS;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if ((t->kind == SCHEMA_LONG || t->kind == SCHEMA_INT) && strcmp(logical, times[i]) == 0)
            t->logical = SCHEMA_OTHER_TIME;
    return true;
}

static struct schema_type *read_object(struct reading *r, json_t *json, const char *space)
{
    json_t *type = json_object_get(json, "type");
    const char *name = json_string_value(type);
    struct schema_type *t;
    if (!name)
        return read_type(r, type, space); /* {"type": {...}} is the inner one */
    if (strcmp(name, "record") == 0)
        return read_record(r, json, space);
    if (strcmp(name, "enum") == 0)
        return read_enum(r, json, space);
    if (strcmp(name, "array") == 0 || strcmp(name, "map") == 0)
        return read_items(r, json, name[0] == 'a' ? SCHEMA_ARRAY : SCHEMA_MAP, space);
    if (strcmp(name, "fixed") == 0)
        t = read_fixed(r, json, space);
    else
        t = read_name(r, name, space);
    bool own = t && (t->kind <= SCHEMA_STRING || strcmp(name, "fixed") == 0);
    if (own && !read_logical(r, json, t))
        return NULL;
    return t;
}

static struct schema_type *read_type(struct reading *r, json_t *json, const char *space)
{
    if (json_is_string(json))
        return read_name(r, json_string_value(json), space);
    if (json_is_array(json))
        return read_union(r, json, space);
    if (json_is_object(json))
        return read_object(r, json, space);
    return refuse(r, "a type that is no string, list or object", "");
}

static bool holds_nul(const json_t *json)
{
    return json_is_string(json) && strlen(json_string_value(json)) != json_string_length(json);
}

/* A default of `bytes` may well hold one, and nothing that we read may: with those texts taken out
 * what is left means the same, or is refused for what it lacks. True: some were. */
static bool drop_nul(json_t *json)
{
    const char *key;
    json_t *value;
    void *next;
    size_t i;
    bool dropped = false;
    json_object_foreach_safe(json, next, key, value)
    {
        dropped |= holds_nul(value) ? json_object_del(json, key) == 0 : drop_nul(value);
    }
    json_array_foreach(json, i, value)
    {
        /* The others keep their places: symbols count by them. */
        dropped |=
            holds_nul(value) ? json_array_set_new(json, i, json_null()) == 0 : drop_nul(value);
    }
    return dropped;
}

/* Before a tree is made of it: an empty object is two bytes of text and 240 of tree. Those inside
 * texts are counted too; there is room for them. */
static bool fits(const char *json, size_t n, struct err *err)
{
    size_t nodes = 0;
    if (n > SCHEMA_TEXT_MAX)
        return err_set(err, ERR_DATA, "schema: has %zu bytes, the limit is %d", n, SCHEMA_TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        nodes += json[i] == '{' || json[i] == '[';
    return nodes <= SCHEMA_NODES_MAX ||
           err_set(err, ERR_DATA, "schema: has %zu objects and lists, the limit is %d", nodes,
                   SCHEMA_NODES_MAX);
}

/* avro-c has one buffer for its errors, shared by all threads. */
static bool avro_agrees(const char *json, size_t n, struct err *err)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    avro_schema_t schema = NULL;
    pthread_mutex_lock(&one_at_a_time);
    bool sound = avro_schema_from_json_length(json, n, &schema) == 0;
    if (sound)
        avro_schema_decref(schema); /* after a failure it points at freed memory */
    else
        err_set(err, ERR_DATA, "schema: does not parse: %s", avro_strerror());
    pthread_mutex_unlock(&one_at_a_time);
    return sound;
}

const struct schema_type *schema_read(struct arena *a, const char *json, size_t n, struct err *err)
{
    json_error_t where;
    if (!fits(json, n, err))
        return NULL;
    json_t *root = json_loadb(json, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (!root) {
        err_set(err, ERR_DATA, "schema: is no JSON: %s, line %d", where.text, where.line);
        return NULL;
    }
    char *without_nul = drop_nul(root) ? json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct reading r = {.arena = a, .err = err, .names = json_object()};
    /* Ours comes first: its texts are better, and avro-c is spared what it does not survive well.
     */
    const struct schema_type *t = read_type(&r, root, "");
    json_decref(r.names);
    json_decref(root);
    /* avro-c does not read a text with NUL in it. */
    bool sound = t && (without_nul ? avro_agrees(without_nul, strlen(without_nul), err)
                                   : avro_agrees(json, n, err));
    free(without_nul);
    return sound ? t : NULL;
}
