#include <math.h>

#include "base/json_line.h"
#include "base/jsonr.h"
#include "usage/mapping_parts.h"
#include "usage/number.h"

/* Where a value stands in the JSON of its usage: in the usage, its array and the characteristic.
 * What is taken must be readable there. */
enum { VALUE_DEPTH = 3 };

static bool check_json(struct faults *f, struct text json, struct text *trimmed)
{
    struct jsonr r = jsonr_start(json);
    r.depth = VALUE_DEPTH;
    if (jsonr_skip(&r, trimmed) && jsonr_done(&r))
        return true;
    char quoted[TEXT_QUOTED];
    faults_add(f, r.bad_text ? REASON_TEXT : REASON_VALUE, "value",
               "is no JSON, at byte %td %s: \"%s\"", r.p - r.start, r.fault,
               text_quote(json, quoted));
    return false;
}

static const char *take_json(struct faults *f, struct arena *a, struct value *v)
{
    struct text json;
    if (!check_json(f, v->text, &json))
        return NULL;
    struct jsonr r = jsonr_start(json);
    switch (jsonr_peek(&r)) {
    case JSONR_TEXT:
        v->kind = VALUE_TEXT;
        return jsonr_text(&r, a, &v->text) ? "string" : NULL;
    case JSONR_NUMBER:
        *v = number_value(json);
        return v->kind == VALUE_INTEGER ? "integer" : "number";
    case JSONR_NULL:
        v->kind = VALUE_NULL;
        return NULL;
    case JSONR_OBJECT:
        v->text = json_one_line(json, a);
        return "object";
    case JSONR_ARRAY:
        v->text = json_one_line(json, a);
        return "array";
    default:
        v->kind = VALUE_TRUTH;
        return jsonr_truth(&r, &v->truth) ? "boolean" : NULL;
    }
}

const char *mapping_value(struct faults *f, struct arena *a, struct value *v)
{
    switch (v->kind) {
    case VALUE_TEXT:
        return "string";
    case VALUE_INTEGER:
        return "integer";
    case VALUE_TRUTH:
        return "boolean";
    case VALUE_DECIMAL:
        return "number";
    case VALUE_REAL:
        if (!isfinite(v->real))
            faults_add(f, REASON_VALUE, "value", "%f is not finite", v->real);
        return "number";
    case VALUE_NULL: /* only of a body */
        return NULL;
    case VALUE_JSON:
        return take_json(f, a, v);
    case VALUE_WIDE:
        faults_add(f, REASON_VALUE, "value", "has more than %d digits", (int)v->integer);
        return NULL;
    default:
        faults_add(f, REASON_MISSING, "value", "is absent");
        return NULL;
    }
}
