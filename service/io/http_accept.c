#include "io/http_accept.h"

#include <strings.h>

enum { QUALITY_MAX = 1000, EXACT = 2, FAMILY = 1 };

static struct text trim(struct text t)
{
    while (t.n > 0 && (*t.p == ' ' || *t.p == '\t')) {
        t.p++;
        t.n--;
    }
    while (t.n > 0 && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
        t.n--;
    return t;
}

/* Up to the separator; behind the last piece rest->p is NULL. Quoted commas stand in parameters
 * that we do not know, and what is behind them is no media type. */
static struct text cut(struct text *rest, char separator)
{
    const char *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
    struct text piece = {rest->p, at ? (size_t)(at - rest->p) : rest->n};
    *rest = at ? (struct text){at + 1, rest->n - piece.n - 1} : (struct text){0};
    return trim(piece);
}

static bool is_same(struct text t, const char *name, size_t n)
{
    return t.n == n && strncasecmp(t.p, name, n) == 0;
}

/* "0.25" as 250; what is no quality is as good as none. */
static int quality_of(struct text t)
{
    int value = 0, digit = QUALITY_MAX;
    for (size_t i = 0; i < t.n && i < 5; i++) {
        if (i == 1 && t.p[i] == '.')
            continue;
        if (t.p[i] < '0' || t.p[i] > '9' || (i == 0 && t.p[i] > '1'))
            return QUALITY_MAX;
        value += (t.p[i] - '0') * digit;
        digit /= 10;
    }
    return t.n == 0 || value > QUALITY_MAX ? QUALITY_MAX : value;
}

/* How exactly a range names the type; 0: not at all, 1 a family or all. */
static int match(struct text range, const char *type)
{
    size_t n = strlen(type), family = (size_t)(strchr(type, '/') - type);
    if (is_same(range, type, n))
        return 1 + EXACT;
    if (range.n == family + 2 && strncasecmp(range.p, type, family + 1) == 0 &&
        range.p[range.n - 1] == '*')
        return 1 + FAMILY;
    return is_same(range, "*/*", 3) ? 1 : 0;
}

/* What one line says of a type: the most exact range counts. */
static void look(struct text line, const char *type, int *exact, int *quality)
{
    while (line.p) {
        struct text rest = cut(&line, ',');
        int m = match(cut(&rest, ';'), type), q = QUALITY_MAX;
        while (rest.p) {
            struct text parameter = cut(&rest, ';');
            if (is_same(cut(&parameter, '='), "q", 1))
                q = quality_of(trim(parameter));
        }
        if (m > *exact || (m > 0 && m == *exact && q > *quality)) {
            *exact = m;
            *quality = q;
        }
    }
}

int http_accept(const struct http_request *request, const char *const *types, int count)
{
    int best = 0, best_exact = 0, best_quality = 0;
    for (int i = 0; i < count; i++) {
        int exact = 0, quality = 0;
        for (int k = 0; k < request->field_count; k++)
            if (is_same(request->fields[k].name, "Accept", 6))
                look(request->fields[k].value, types[i], &exact, &quality);
        if (quality > best_quality || (quality == best_quality && exact > best_exact)) {
            best = quality > 0 ? i : best;
            best_exact = exact;
            best_quality = quality;
        }
    }
    return best;
}
