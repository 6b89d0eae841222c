#include "io/registry_answer.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"

static bool is_json(const char *type)
{
    size_t n = strlen(type);
    return strcmp(type, "application/json") == 0 || (n > 5 && strcmp(type + n - 5, "+json") == 0);
}

/* The object in an answer, NULL if it has none; the caller drops it. jansson limits its depth. */
static json_t *object_of(const struct fetch_answer *answer)
{
    json_t *root =
        is_json(answer->type) && !answer->too_long
            ? json_loadb(answer->body.data ? answer->body.data : "", answer->body.len, 0, NULL)
            : NULL;
    if (json_is_object(root))
        return root;
    json_decref(root);
    return NULL;
}

/* "HTTP 409, error_code 40901: Schema being registered is incompatible": the registry's words, cut
 * and escaped. */
static void describe(const struct fetch_answer *answer, const json_t *object, char *out,
                     size_t size)
{
    char quoted[TEXT_QUOTED];
    const json_t *code = json_object_get(object, "error_code"),
                 *message = json_object_get(object, "message");
    int n = snprintf(out, size, "HTTP %ld", answer->status);
    if (json_is_number(code))
        n += snprintf(out + n, size - (size_t)n, ", error_code %.0f", json_number_value(code));
    if (json_is_string(message))
        n += snprintf(
            out + n, size - (size_t)n, ": %s",
            text_quote((struct text){json_string_value(message), json_string_length(message)},
                       quoted));
    if (!object && answer->status < 500)
        snprintf(out + n, size - (size_t)n, ", but %s",
                 !is_json(answer->type) ? "it is not the registry's: another content type"
                 : answer->too_long     ? "its body is too long"
                                        : "its body is no JSON object");
}

static struct registry_parsed away(const struct fetch_answer *answer, const json_t *object,
                                   const char *more)
{
    char text[900];
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_AWAY};
    describe(answer, object, text, sizeof text);
    err_set(&p.why, ERR_RETRY, "%s%s", text, more);
    p.why.code = (int)answer->status;
    return p;
}

static struct registry_parsed schema_of(const struct fetch_answer *answer, const json_t *object)
{
    const json_t *schema = json_object_get(object, "schema"),
                 *type = json_object_get(object, "schemaType"),
                 *references = json_object_get(object, "references");
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_UNSUPPORTED};
    char quoted[TEXT_QUOTED];
    if (!json_is_string(schema))
        return away(answer, object, ", but no schema is in it");
    if (json_is_string(type) && strcmp(json_string_value(type), "AVRO") != 0) {
        err_set(&p.why, ERR_DATA, "the schema is of type %s, not AVRO",
                text_quote(text_of(json_string_value(type)), quoted));
    } else if (json_array_size(references) > 0) {
        err_set(
            &p.why, ERR_DATA,
            "the schema has references to other schemas, which are not read: register it with all "
            "its types inside");
    } else {
        p.kind = REGISTRY_ANSWER_SCHEMA;
        p.text = strdup(json_string_value(schema));
        if (!p.text)
            abort();
    }
    return p;
}

/* 404, and it is the registry that says so: not a proxy in front of it, nor a server on the wrong
 * path. */
static bool is_unknown(const struct fetch_answer *answer, const json_t *object)
{
    return answer->status == 404 && json_is_number(json_object_get(object, "error_code"));
}

static struct registry_parsed unknown(const struct fetch_answer *answer, const json_t *object)
{
    struct registry_parsed p = away(answer, object, "");
    p.kind = REGISTRY_ANSWER_UNKNOWN;
    return p;
}

/* Asking again would not make it shorter, and its partitions would wait for ever. */
static struct registry_parsed too_long(void)
{
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_UNSUPPORTED};
    err_set(&p.why, ERR_DATA, "the registry's answer has more than %d bytes", FETCH_BODY_MAX);
    return p;
}

struct registry_parsed registry_answer_schema(const struct fetch_answer *answer)
{
    if (answer->too_long && answer->status == 200 && is_json(answer->type))
        return too_long();
    json_t *object = object_of(answer);
    struct registry_parsed p = answer->status == 200 && object ? schema_of(answer, object)
                               : is_unknown(answer, object)    ? unknown(answer, object)
                                                               : away(answer, object, "");
    json_decref(object);
    return p;
}

/* What another try may mend: a login that is being changed, too many requests, trouble. */
static bool passes(long status)
{
    return status < 400 || status >= 500 || status == 401 || status == 403 || status == 408 ||
           status == 429;
}

struct registry_parsed registry_answer_subject(const struct fetch_answer *answer)
{
    json_t *object = object_of(answer);
    const json_t *id = json_object_get(object, "id");
    struct registry_parsed p = {.kind = REGISTRY_ANSWER_ID};
    if (answer->status == 200 && json_is_integer(id) && json_integer_value(id) >= INT32_MIN &&
        json_integer_value(id) <= UINT32_MAX)
        p.id = (int32_t)(uint32_t)json_integer_value(id);
    else if (answer->status == 200)
        p = away(answer, object, object ? ", but no id is in it" : "");
    else if (is_unknown(answer, object))
        p = unknown(answer, object);
    else
        p = away(answer, object, "");
    if (p.kind == REGISTRY_ANSWER_AWAY && object && !passes(answer->status)) {
        p.kind = REGISTRY_ANSWER_REFUSED;
        p.why.kind = ERR_FATAL;
    }
    json_decref(object);
    return p;
}
