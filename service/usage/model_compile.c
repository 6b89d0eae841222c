/* Out of the description's JSON into tables. */
#include <jansson.h>

#include "usage/model_parts.h"

enum { SCHEMAS_MAX = 100 };

struct compiler {
    json_t *schemas; /* components/schemas */
    struct arena *a;
    struct err *err;
    struct {
        const char *name;
        struct model *model;
    } done[SCHEMAS_MAX]; /* those with a name: each is compiled once */
    size_t count;
};

static bool broken(struct compiler *c, const char *where, const char *what, const char *word)
{
    return err_set(c->err, ERR_FATAL, "the description's schema %s: %s %s", where, what, word);
}

static struct text copied(struct compiler *c, const char *s)
{
    return (struct text){arena_copy(c->a, s, strlen(s)), strlen(s)};
}

/* All keywords that a schema here may have. Those without a line of their own below say nothing
 * that a body is checked by, or go along with one that does: maxLength with x-maxBytes, the bounds
 * of a number with x-wholeDigits; anyOf is usage_complete_ratings(). */
static bool known_only(struct compiler *c, json_t *schema, const char *where)
{
    static const char *const known[] = {
        "type",          "nullable",  "properties",       "required",
        "not",           "items",     "format",           "enum",
        "minLength",     "maxLength", "x-maxBytes",       "minimum",
        "maximum",       "anyOf",     "default",          "description",
        "x-wholeDigits", "x-places",  "exclusiveMinimum", "exclusiveMaximum"};
    const char *keyword;
    json_t *value;
    json_object_foreach(schema, keyword, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known && !found; i++)
            found = strcmp(known[i], keyword) == 0;
        if (!found)
            return broken(c, where, "it is not known what this means:", keyword);
    }
    bool pairs =
        json_equal(json_object_get(schema, "maxLength"), json_object_get(schema, "x-maxBytes")) ||
        (!json_object_get(schema, "maxLength") && !json_object_get(schema, "x-maxBytes"));
    if (!pairs)
        return broken(c, where, "maxLength is not", "x-maxBytes");
    bool bounded = json_object_get(schema, "minimum") || json_object_get(schema, "maximum");
    if (bounded != (json_object_get(schema, "x-wholeDigits") != NULL))
        return broken(c, where, "a number has bounds without", "x-wholeDigits, or it without them");
    return true;
}

static bool take_kind(struct compiler *c, struct model *m, json_t *schema, const char *where)
{
    static const char *const names[] = {
        [MODEL_OBJECT] = "object", [MODEL_ARRAY] = "array",     [MODEL_TEXT] = "string",
        [MODEL_NUMBER] = "number", [MODEL_INTEGER] = "integer", [MODEL_TRUTH] = "boolean"};
    const char *type = json_string_value(json_object_get(schema, "type"));
    m->kind = MODEL_ANY;
    m->nullable = json_is_true(json_object_get(schema, "nullable"));
    if (!type)
        return json_object_get(schema, "type") ? broken(c, where, "wrong", "type") : true;
    for (int k = MODEL_OBJECT; k <= MODEL_TRUTH; k++)
        if (strcmp(names[k], type) == 0)
            m->kind = (enum model_kind)k;
    return m->kind != MODEL_ANY || broken(c, where, "there is no type", type);
}

static bool take_text(struct compiler *c, struct model *m, json_t *schema, const char *where)
{
    const char *format = json_string_value(json_object_get(schema, "format"));
    m->bytes_min = (size_t)json_integer_value(json_object_get(schema, "minLength"));
    m->bytes_max = (size_t)json_integer_value(json_object_get(schema, "x-maxBytes"));
    if (format && strcmp(format, "date-time") == 0)
        m->format = MODEL_DATE_TIME;
    else if (format && strcmp(format, "uri") == 0)
        m->format = MODEL_URI;
    else if (format && strcmp(format, "base64") != 0) /* as TMF635 has it: any text */
        return broken(c, where, "there is no format", format);
    json_t *names = json_object_get(schema, "enum"), *name;
    size_t at;
    if (!names)
        return true;
    m->name_count = json_array_size(names);
    struct text *copies = arena_zero(c->a, (m->name_count + 1) * sizeof *copies);
    json_array_foreach(names, at, name)
    {
        if (!json_is_string(name))
            return broken(c, where, "only strings are known in", "enum");
        copies[at] = copied(c, json_string_value(name));
    }
    m->names = copies;
    return true;
}

static void take_number(struct model *m, json_t *schema)
{
    m->exact = json_object_get(schema, "x-wholeDigits") != NULL;
    m->whole_digits = (int)json_integer_value(json_object_get(schema, "x-wholeDigits"));
    m->places = (int)json_integer_value(json_object_get(schema, "x-places"));
}

static const struct model *compile(struct compiler *c, json_t *schema, const char *where);

/* `"not": {"anyOf": [{"required": ["id"]}, ...]}` is the one form that is known: none of these may
 * be there. */
static bool take_refused(struct compiler *c, struct model_member *members, size_t *count,
                         json_t *schema, const char *where)
{
    json_t *not = json_object_get(schema, "not"), *any = json_object_get(not, "anyOf"), *one;
    size_t at;
    if (not&&(json_object_size(not) != 1 || json_array_size(any) == 0))
        return broken(c, where, "unknown form of", "not");
    json_array_foreach(any, at, one)
    {
        json_t *required = json_object_get(one, "required");
        const char *name = json_string_value(json_array_get(required, 0));
        if (json_object_size(one) != 1 || json_array_size(required) != 1 || !name)
            return broken(c, where, "unknown form of", "not");
        members[(*count)++] = (struct model_member){.name = copied(c, name), .refused = true};
    }
    return true;
}

static bool take_required(struct compiler *c, struct model *m, json_t *schema, const char *where)
{
    json_t *required = json_object_get(schema, "required"), *one;
    size_t at;
    json_array_foreach(required, at, one)
    {
        size_t i = 0;
        const char *name = json_string_value(one) ? json_string_value(one) : "";
        while (i < m->count && !(text_is(m->members[i].name, name) && !m->members[i].refused))
            i++;
        if (i == m->count)
            return broken(c, where, "required is what is no property:", name);
        m->required |= UINT64_C(1) << i;
    }
    return true;
}

static bool take_members(struct compiler *c, struct model *m, json_t *schema, const char *where)
{
    json_t *properties = json_object_get(schema, "properties"), *value;
    size_t most = json_object_size(properties) +
                  json_array_size(json_object_get(json_object_get(schema, "not"), "anyOf"));
    if (most > MODEL_MEMBERS_MAX)
        return broken(c, where, "too many", "properties");
    struct model_member *members = arena_zero(c->a, (most + 1) * sizeof *members);
    const char *name;
    json_object_foreach(properties, name, value)
    {
        const struct model *model = compile(c, value, arena_printf(c->a, "%s.%s", where, name));
        if (!model)
            return false;
        members[m->count++] = (struct model_member){.name = copied(c, name), .model = model};
    }
    m->members = members;
    return take_refused(c, members, &m->count, schema, where) && take_required(c, m, schema, where);
}

static bool fill(struct compiler *c, struct model *m, json_t *schema, const char *where)
{
    if (!json_is_object(schema))
        return broken(c, where, "there is no", "schema");
    if (!known_only(c, schema, where) || !take_kind(c, m, schema, where))
        return false;
    switch (m->kind) {
    case MODEL_OBJECT:
        return take_members(c, m, schema, where);
    case MODEL_ARRAY:
        m->items = compile(c, json_object_get(schema, "items"), where);
        return m->items != NULL;
    case MODEL_TEXT:
        return take_text(c, m, schema, where);
    case MODEL_NUMBER:
        take_number(m, schema);
        return true;
    default:
        return true;
    }
}

/* It is known by its name before it is filled, so one that leads back to itself ends too. */
static const struct model *compile_named(struct compiler *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->done[i].name, name) == 0)
            return c->done[i].model;
    if (c->count == SCHEMAS_MAX) {
        broken(c, name, "too many", "schemas");
        return NULL;
    }
    struct model *m = arena_zero(c->a, sizeof *m);
    c->done[c->count].name = name;
    c->done[c->count++].model = m;
    return fill(c, m, json_object_get(c->schemas, name), name) ? m : NULL;
}

static const struct model *compile(struct compiler *c, json_t *schema, const char *where)
{
    static const char prefix[] = "#/components/schemas/";
    json_t *ref = json_object_get(schema, "$ref");
    const char *name = json_string_value(ref);
    if (!ref) {
        struct model *m = arena_zero(c->a, sizeof *m);
        return fill(c, m, schema, where) ? m : NULL;
    }
    if (name && json_object_size(schema) == 1 && strncmp(name, prefix, sizeof prefix - 1) == 0)
        return compile_named(c, name + sizeof prefix - 1);
    broken(c, where, "unknown form of", "$ref");
    return NULL;
}

bool model_compile(struct text description, struct arena *a, const struct model *out[MODEL_TYPES],
                   struct err *err)
{
    static const char *const names[MODEL_TYPES] = {
        [MODEL_USAGE_CREATE] = "Usage_Create",
        [MODEL_USAGE_UPDATE] = "Usage_Update",
        [MODEL_SPECIFICATION_CREATE] = "UsageSpecification_Create",
        [MODEL_SPECIFICATION_UPDATE] = "UsageSpecification_Update",
        [MODEL_USAGE_MERGED] = "Usage_Create",
        [MODEL_SUBSCRIPTION] = "EventSubscriptionInput",
        [MODEL_USAGE_IMPORT] = "Usage_Create"};
    json_error_t error;
    json_t *root = json_loadb(description.p, description.n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return err_set(err, ERR_FATAL, "the description is no JSON: line %d: %s", error.line,
                       error.text);
    struct compiler c = {.schemas = json_object_get(json_object_get(root, "components"), "schemas"),
                         .a = a,
                         .err = err};
    bool good = true;
    for (int type = 0; type < MODEL_TYPES && good; type++) {
        out[type] = compile_named(&c, names[type]);
        good = out[type] != NULL;
    }
    json_decref(root);
    return good;
}
