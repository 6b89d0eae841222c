/* Cutting a query string, decoding, and the operators. */
#include "usage/query_parts.h"

bool query_bad(struct err *err, int status, struct text name, const char *what)
{
    char quoted[TEXT_QUOTED];
    err_set(err, ERR_DATA, "%s: %s", text_quote(name, quoted), what);
    err->code = status;
    return false;
}

bool query_bad_value(struct err *err, struct text name, struct text value, const char *what)
{
    char quoted_name[TEXT_QUOTED], quoted[TEXT_QUOTED];
    err_set(err, ERR_DATA, "%s: \"%s\" %s", text_quote(name, quoted_name),
            text_quote(value, quoted), what);
    err->code = 400;
    return false;
}

/* The next character, decoded; -1 at the end, -2 for a broken escape. */
static int next_char(struct text *rest)
{
    if (rest->n == 0)
        return -1;
    char c = *rest->p;
    size_t used = 1;
    int value = (unsigned char)c;
    if (c == '%') {
        if (rest->n < 3 || text_hex_digit(rest->p[1]) < 0 || text_hex_digit(rest->p[2]) < 0)
            return -2;
        value = text_hex_digit(rest->p[1]) * 16 + text_hex_digit(rest->p[2]);
        used = 3;
    }
    rest->p += used;
    rest->n -= used;
    return value;
}

bool query_decode(struct text raw, bool plus_is_blank, struct arena *a, struct text *out)
{
    char *p = arena_alloc(a, raw.n + 1);
    *out = (struct text){p, 0};
    while (raw.n > 0) {
        bool blank = plus_is_blank && *raw.p == '+';
        int c = next_char(&raw);
        if (c < 0)
            return false;
        p[out->n++] = blank ? ' ' : (char)c;
    }
    p[out->n] = 0;
    return true;
}

struct text query_cut(struct text *rest, char separator)
{
    const char *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
    struct text piece = *rest;
    if (at) {
        piece.n = (size_t)(at - rest->p);
        rest->p = at + 1;
        rest->n -= piece.n + 1;
    } else {
        *rest = (struct text){0};
    }
    return piece;
}

static bool decode_value(struct text name, struct text raw, struct arena *a, struct text *out,
                         struct err *err)
{
    if (!query_decode(raw, true, a, out))
        return query_bad_value(err, name, raw, "has a broken percent escape");
    if (!text_is_utf8(out->p, out->n))
        return query_bad_value(err, name, *out, "is not UTF-8, or holds NUL");
    return true;
}

bool query_piece_value(const struct query_piece *piece, struct arena *a, struct text *out,
                       struct err *err)
{
    return decode_value(piece->name, piece->raw, a, out, err);
}

bool query_next_value(struct text name, struct text *rest, struct arena *a, struct text *out,
                      struct err *err)
{
    return decode_value(name, query_cut(rest, ','), a, out, err);
}

/* The operator that is written with signs; they may be encoded, each by itself. A raw '=' is
 * followed by a second sign only if that is raw too: "usageType=%3Dx" asks for "=x". False: these
 * are no operator. */
static bool literal_operator(struct text *rest, struct query_piece *out)
{
    bool raw = rest->n > 0 && *rest->p == '=';
    int c = next_char(rest);
    struct text after = *rest;
    bool raw_second = after.n > 0 && (*after.p == '=' || *after.p == '~');
    int second = next_char(&after);
    out->simple = raw ? *rest : (struct text){0};
    out->op = QUERY_EQ;
    if (raw && !raw_second)
        return true;
    bool equals = second == '=', tilde = c == '=' && second == '~';
    if (equals || tilde)
        *rest = after;
    if (c == '>')
        out->op = equals ? QUERY_GTE : QUERY_GT;
    else if (c == '<')
        out->op = equals ? QUERY_LTE : QUERY_LT;
    else if (tilde || (c == '*' && equals))
        out->op = QUERY_REGEX;
    else
        return c == '=' && equals;
    return true;
}

static bool is_name_char(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-' || c == '@';
}

/* *c: what stands behind the name, as next_char() has it; *rest begins with it. */
static struct text take_name(struct text *rest, struct arena *a, int *c)
{
    char *name = arena_alloc(a, rest->n + 1);
    size_t n = 0;
    for (;;) {
        struct text before = *rest;
        *c = next_char(rest);
        if (*c < 0 || !is_name_char(*c)) {
            *rest = before;
            return (struct text){name, n};
        }
        name[n++] = (char)*c;
    }
}

bool query_piece_read(struct text piece, struct arena *a, struct query_piece *out, struct err *err)
{
    struct text rest = piece;
    int c;
    out->name = take_name(&rest, a, &c);
    if (c == -2)
        return query_bad_value(err, TEXT("query"), piece, "has a broken percent escape");
    if (out->name.n == 0)
        return query_bad_value(err, TEXT("query"), piece, "begins with no attribute");
    if (c == -1)
        return query_bad_value(err, TEXT("query"), piece, "has no value");
    if (c == 0 || !strchr("=<>*!~", c))
        return query_bad_value(err, TEXT("query"), piece,
                               "names no attribute that can be filtered by");
    if (!literal_operator(&rest, out))
        return query_bad(err, 400, out->name, "what stands behind the name is no operator");
    out->raw = rest;
    return true;
}

bool query_piece_suffix(struct query_piece *piece)
{
    static const struct {
        struct text suffix;
        enum query_op op;
    } known[] = {{TEXT(".gt"), QUERY_GT},      {TEXT(".gte"), QUERY_GTE}, {TEXT(".lt"), QUERY_LT},
                 {TEXT(".lte"), QUERY_LTE},    {TEXT(".eq"), QUERY_EQ},   {TEXT(".ne"), QUERY_NE},
                 {TEXT(".regex"), QUERY_REGEX}};
    for (size_t i = 0; piece->simple.p && i < sizeof known / sizeof *known; i++) {
        struct text s = known[i].suffix;
        if (piece->name.n <= s.n || memcmp(piece->name.p + piece->name.n - s.n, s.p, s.n) != 0)
            continue;
        piece->name.n -= s.n;
        piece->op = known[i].op;
        piece->raw = piece->simple;
        piece->simple = (struct text){0};
        return true;
    }
    return false;
}

static bool is_page(struct text piece, struct arena *a)
{
    struct text name;
    return query_decode(query_cut(&piece, '='), true, a, &name) &&
           (text_is(name, "offset") || text_is(name, "after") || text_is(name, "before"));
}

void query_without_page(struct text raw, struct arena *a, struct buf *out)
{
    size_t start = out->len;
    while (raw.p) {
        struct text group = query_cut(&raw, ';');
        for (char separator = ';'; group.p;) {
            struct text piece = query_cut(&group, '&');
            if (piece.n == 0 || is_page(piece, a))
                continue;
            if (out->len > start)
                buf_byte(out, (unsigned char)separator);
            buf_add(out, piece.p, piece.n);
            separator = '&';
        }
    }
    if (out->len > start)
        buf_byte(out, '&');
}
