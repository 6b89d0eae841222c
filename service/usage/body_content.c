/* The content digest of a usage that is JSON.
 *
 * A usage that came as RawUsage, went out as JSON and comes in again must have the digest of the
 * record (wire contract sections 1.3 and 4), so the record is made again of the JSON:
 *
 * - sourceSystem and sourceRecordId are taken off the end if section 1.5 would have put them there:
 *   the key's own text, valueType string, nothing else, no other of that name before.
 * - A specification that is only the id of the setting default.specification.id was absent.
 * - A valueType that would have been filled in was absent. "number" may have been filled in for any
 *   number: a decimal 5 of scale 0 and a long 5 are one text.
 * - @referredType Customer and none are one thing in digest_raw() already; numbers count by value.
 *
 * So the digests are equal but for a record that itself said what would have been filled in: a
 * default valueType, the default specification, or characteristics of its own that look like the
 * two of the key at the end. JSON does not show that it did, and digest_raw() may not pass over it:
 * the valueType counts as it came. Such a record and its export are a `conflict`, in either order,
 * unless the caller also compares the export with body_content() of what is stored, which has no
 * such exceptions. A description that a rated record has replaced is other content too, and so is a
 * usage imported while default.specification.id is another than when it came.
 */
#include "usage/body_parts.h"
#include "usage/digest.h"
#include "usage/mapping_parts.h"
#include "usage/record.h"

struct text body_key_part(const struct usage *u, struct text name, size_t bytes_max)
{
    const struct characteristic *c = u->characteristics.items;
    for (size_t i = 0; i < u->characteristics.count; i++) {
        bool fits = c[i].value.kind == VALUE_TEXT && c[i].value.text.n >= 1 &&
                    c[i].value.text.n <= bytes_max;
        if (fits && text_eq(c[i].name, name))
            return c[i].value.text;
    }
    return (struct text){0};
}

bool body_has(const struct characteristic *c, size_t count, struct text name)
{
    size_t i = 0;
    while (i < count && !text_eq(c[i].name, name))
        i++;
    return i < count;
}

/* Would the mapping have given a value without valueType this one? */
static bool filled_in(const struct value *v, struct text type)
{
    switch (v->kind) {
    case VALUE_TEXT:
        return text_is(type, "string");
    case VALUE_INTEGER:
        return text_is(type, "integer") || text_is(type, "number");
    case VALUE_DECIMAL:
    case VALUE_REAL:
        return text_is(type, "number");
    case VALUE_TRUTH:
        return text_is(type, "boolean");
    case VALUE_JSON: /* it is trimmed; a number that is no struct decimal begins with a digit or -
                      */
        return text_is(type, v->text.p[0] == '{'   ? "object"
                             : v->text.p[0] == '[' ? "array"
                                                   : "number");
    default:
        return false;
    }
}

/* Takes the last one off if the mapping has put it there. */
static void take_off(struct list *list, struct text name, struct text key)
{
    const struct characteristic *c = list->items;
    if (list->count == 0)
        return;
    const struct characteristic *last = &c[list->count - 1];
    if (text_eq(last->name, name) && last->value.kind == VALUE_TEXT &&
        text_eq(last->value.text, key) && text_is(last->value_type, "string") && last->id.n == 0 &&
        last->relationships.n == 0 && last->more.n == 0 && !body_has(c, list->count - 1, name))
        list->count--;
}

static struct list raw_characteristics(const struct usage *u, struct text source,
                                       struct text record_id, struct arena *a)
{
    struct list list = u->characteristics;
    if (source.n > 0 && record_id.n > 0) {
        take_off(&list, MAPPING_RECORD_ID_NAME, record_id);
        take_off(&list, MAPPING_SOURCE_NAME, source);
    }
    if (list.count == 0)
        return (struct list){0};
    size_t bytes = list.count * sizeof(struct characteristic);
    struct characteristic *c = memcpy(arena_alloc(a, bytes), list.items, bytes);
    for (size_t i = 0; i < list.count; i++)
        if (filled_in(&c[i].value, c[i].value_type))
            c[i].value_type = (struct text){0};
    return (struct list){c, list.count};
}

uint64_t body_content(const struct usage *u, struct text source, struct text record_id,
                      const char *default_specification_id, struct arena *a)
{
    struct specification_ref specification = u->specification;
    bool absent = text_is(specification.id, default_specification_id) &&
                  specification.name.n == 0 && specification.href.n == 0;
    struct arena_mark before = arena_mark(a);
    struct raw_usage raw = {.source = source,
                            .record_id = record_id,
                            .usage_date = u->usage_date,
                            .usage_type = u->usage_type,
                            .description = u->description,
                            .specification = absent ? NULL : &specification,
                            .parties = u->parties,
                            .characteristics = raw_characteristics(u, source, record_id, a)};
    uint64_t content = digest_document(&raw, u, a);
    arena_rewind(a, before);
    return content;
}
