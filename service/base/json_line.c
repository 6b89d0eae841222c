#include "base/json_line.h"

/* Inside strings JSON has no line ends. */
struct text json_one_line(struct text json, struct arena *a)
{
    if (json.n == 0 || (!memchr(json.p, '\n', json.n) && !memchr(json.p, '\r', json.n)))
        return json;
    char *out = arena_alloc(a, json.n), *o = out;
    bool inside = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (!inside && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
            continue;
        *o++ = c;
        if (inside && c == '\\')
            *o++ = json.p[++i];
        else if (c == '"')
            inside = !inside;
    }
    return (struct text){out, (size_t)(o - out)};
}
