/* The attributes that can be filtered by are those of the API's description, with their types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "base/embed.h"
#include "query_scene.h"

static json_t *description;

static int open_description(void **state)
{
    description = json_loads(embed_text(embed_schemas, "openapi.json"), 0, NULL);
    return description ? start(state) : -1;
}

static int close_description(void **state)
{
    json_decref(description);
    return end(state);
}

static json_t *schemas(void)
{
    return json_object_get(json_object_get(description, "components"), "schemas");
}

static json_t *resolved(json_t *schema)
{
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    return reference ? json_object_get(schemas(), strrchr(reference, '/') + 1) : schema;
}

static enum attribute_type type_of(json_t *schema)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    const char *format = json_string_value(json_object_get(schema, "format"));
    if (json_object_get(schema, "enum") && json_array_size(json_object_get(schema, "enum")) == 7)
        return ATTRIBUTE_STATUS;
    if (!type)
        return ATTRIBUTE_ANY;
    return strcmp(type, "object") == 0                          ? ATTRIBUTE_OBJECT
           : strcmp(type, "array") == 0                         ? ATTRIBUTE_ARRAY
           : strcmp(type, "boolean") == 0                       ? ATTRIBUTE_TRUTH
           : strcmp(type, "number") == 0                        ? ATTRIBUTE_NUMBER
           : strcmp(type, "integer") == 0                       ? ATTRIBUTE_NUMBER
           : format != NULL && strcmp(format, "date-time") == 0 ? ATTRIBUTE_DATE
                                                                : ATTRIBUTE_TEXT;
}

/* All attributes below, by their dotted names; returns how many scalars there are. */
static int walk(const struct query_resource *resource, const char *prefix, json_t *schema)
{
    const char *name;
    json_t *property;
    int count = 0;
    json_object_foreach(json_object_get(schema, "properties"), name, property)
    {
        struct attribute_path path;
        json_t *inner = resolved(property);
        const char *dotted = arena_printf(a, "%s%s", prefix, name);
        if (!attribute_find(resource, text_of(dotted), &path))
            fail_msg("%s cannot be filtered by", dotted);
        if (attribute_last(&path)->type != type_of(inner))
            fail_msg("%s is of type %d, not %d", dotted, attribute_last(&path)->type,
                     type_of(inner));
        if (attribute_is_scalar(attribute_last(&path)))
            count++;
        if (type_of(inner) == ATTRIBUTE_ARRAY)
            inner = resolved(json_object_get(inner, "items"));
        count += walk(resource, arena_printf(a, "%s.", dotted), inner);
    }
    return count;
}

static int scalars(const struct attribute *table)
{
    int count = 0;
    for (const struct attribute *x = table; x && x->name; x++)
        count += attribute_is_scalar(x) ? 1 : scalars(x->parts);
    return count;
}

static void every_scalar_of_the_description_can_be_filtered_by_and_no_other(void **state)
{
    (void)state;
    json_t *usage = json_object_get(schemas(), "Usage"),
           *specification = json_object_get(schemas(), "UsageSpecification");

    assert_int_equal(walk(&query_usages, "", usage), scalars(query_usages.attributes));
    assert_int_equal(walk(&query_specifications, "", specification),
                     scalars(query_specifications.attributes));
}

static void every_scalar_takes_each_operator(void **state)
{
    (void)state;
    static const char *const operators[] = {"eq", "ne", "gt", "gte", "lt", "lte"};
    static const char *const values[] = {
        [ATTRIBUTE_TEXT] = "x",     [ATTRIBUTE_STATUS] = "rated",
        [ATTRIBUTE_NUMBER] = "1",   [ATTRIBUTE_DATE] = "2026-11-01T00:00:00Z",
        [ATTRIBUTE_TRUTH] = "true", [ATTRIBUTE_ANY] = "5",
    };
    for (const struct attribute *x = query_usages.attributes; x->name; x++) {
        for (const struct attribute *y = x->parts; y && y->name; y++)
            for (size_t i = 0; attribute_is_scalar(y) && i < 6; i++)
                where_of(&query_usages, arena_printf(a, "%s.%s.%s=%s", x->name, y->name,
                                                     operators[i], values[y->type]));
        for (size_t i = 0; attribute_is_scalar(x) && i < 6; i++)
            where_of(&query_usages,
                     arena_printf(a, "%s.%s=%s", x->name, operators[i], values[x->type]));
        if (attribute_is_scalar(x))
            where_of(&query_usages, arena_printf(a, "%s.regex=x", x->name));
    }
}

static void sortable_are_the_scalars_of_the_first_level_and_of_usage_specification(void **state)
{
    (void)state;
    const struct query_resource *const both[] = {&query_usages, &query_specifications};
    for (size_t r = 0; r < 2; r++)
        for (const struct attribute *x = both[r]->attributes; x->name; x++) {
            struct attribute_path path = {1, {x}};
            assert_int_equal(attribute_sorts(&path), attribute_is_scalar(x));
            for (const struct attribute *y = x->parts; y && y->name; y++) {
                path = (struct attribute_path){2, {x, y}};
                assert_int_equal(attribute_sorts(&path),
                                 strcmp(x->name, "usageSpecification") == 0);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_of_the_description_can_be_filtered_by_and_no_other),
        cmocka_unit_test(every_scalar_takes_each_operator),
        cmocka_unit_test(sortable_are_the_scalars_of_the_first_level_and_of_usage_specification),
    };
    return cmocka_run_group_tests(tests, open_description, close_description);
}
