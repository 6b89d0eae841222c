#include "base/pattern_program.h"

enum { RANGES_MAX = 128, DEPTH_MAX = 50, REPEAT_MAX = 255 };

struct compiler {
    struct pattern *p;
    struct arena *a;
    const char *at, *end;
    int depth;
    const char *fault;
};

/* --- characters ----------------------------------------------------------------------------- */

static bool give_up(struct compiler *c, const char *what)
{
    if (!c->fault)
        c->fault = what;
    return false;
}

/* --- sets ----------------------------------------------------------------------------------- */

struct set {
    struct range ranges[RANGES_MAX];
    int count;
};

static bool add(struct compiler *c, struct set *s, uint32_t from, uint32_t to)
{
    if (from > to)
        return give_up(c, "has a range in brackets that ends before it begins");
    if (s->count == RANGES_MAX)
        return give_up(c, "has too many characters in brackets");
    s->ranges[s->count++] = (struct range){from, to};
    return true;
}

static const struct {
    const char *name;
    struct range ranges[4];
    int count;
} classes[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
    {"blank", {{' ', ' '}, {'\t', '\t'}}, 2},
    {"cntrl", {{1, 31}, {127, 127}}, 2},
    {"digit", {{'0', '9'}}, 1},
    {"graph", {{33, 126}}, 1},
    {"lower", {{'a', 'z'}}, 1},
    {"print", {{32, 126}}, 1},
    {"punct", {{33, 47}, {58, 64}, {91, 96}, {123, 126}}, 4},
    {"space", {{9, 13}, {' ', ' '}}, 2},
    {"upper", {{'A', 'Z'}}, 1},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}, 4},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
};

static bool add_class(struct compiler *c, struct set *s, struct text name)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (!text_is(name, classes[i].name))
            continue;
        for (int k = 0; k < classes[i].count; k++)
            if (!add(c, s, classes[i].ranges[k].from, classes[i].ranges[k].to))
                return false;
        return true;
    }
    return give_up(c, "has an unknown class of characters in [: :]");
}

static const char *class_of(char letter)
{
    return letter == 'd' ? "digit" : letter == 's' ? "space" : letter == 'w' ? "word" : NULL;
}

/* Hexadecimal digits of an escape, `n` at most, `least` at least. */
static bool take_hex(struct compiler *c, int least, int n, uint32_t *out)
{
    int i = 0;
    for (*out = 0; i < n && c->at < c->end && text_hex_digit(*c->at) >= 0; i++)
        *out = *out * 16 + (uint32_t)text_hex_digit(*c->at++);
    return (i >= least && *out > 0 && *out <= 0x10ffff) ||
           give_up(c, "has an escape that names no character");
}

/* Behind a backslash that begins no class: one character. */
static bool take_escape(struct compiler *c, uint32_t *out)
{
    static const char letters[] = "abefnrtv", values[] = "\a\b\033\f\n\r\t\v";
    if (c->at == c->end)
        return give_up(c, "ends with a backslash");
    char letter = *c->at;
    const char *known = memchr(letters, letter, sizeof letters - 1);
    if (known) {
        c->at++;
        *out = (unsigned char)values[known - letters];
        return true;
    }
    if (letter == 'x' || letter == 'u' || letter == 'U') {
        c->at++;
        int n = letter == 'u' ? 4 : 8;
        return take_hex(c, letter == 'x' ? 1 : n, letter == 'x' ? 6 : n, out);
    }
    if ((letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
        (letter >= 'A' && letter <= 'Z'))
        return give_up(c, "has an escape that is not known here (back references and \\m, \\y and "
                          "the like are not)");
    *out = pattern_character(&c->at, c->end);
    return true;
}

static bool at_text(const struct compiler *c, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(c->end - c->at) >= n && memcmp(c->at, text, n) == 0;
}

static bool take_named_class(struct compiler *c, struct set *s)
{
    const char *name = c->at + 2;
    for (c->at += 2; c->at < c->end && *c->at != ':'; c->at++)
        ;
    struct text t = {name, (size_t)(c->at - name)};
    if (!at_text(c, ":]"))
        return give_up(c, "has [: without :]");
    c->at += 2;
    return add_class(c, s, t);
}

static bool take_set_character(struct compiler *c, uint32_t *out)
{
    if (*c->at != '\\') {
        *out = pattern_character(&c->at, c->end);
        return true;
    }
    c->at++;
    return take_escape(c, out);
}

static bool at_range(const struct compiler *c)
{
    return at_text(c, "-") && !at_text(c, "-]");
}

/* "x", or "x-y". */
static bool take_range(struct compiler *c, struct set *s)
{
    uint32_t from, to;
    if (!take_set_character(c, &from))
        return false;
    if (!at_range(c))
        return add(c, s, from, from);
    c->at++;
    if (c->at == c->end)
        return true; /* no bracket comes: that is said */
    if (at_text(c, "[:") || at_text(c, "[.") || at_text(c, "[="))
        return give_up(c, "has a range in brackets that ends with no character");
    return take_set_character(c, &to) && add(c, s, from, to) &&
           (!at_range(c) || give_up(c, "has a range in brackets that begins where another ends"));
}

/* One thing between the brackets. */
static bool take_set_item(struct compiler *c, struct set *s)
{
    const char *class = *c->at == '\\' && c->at + 1 < c->end ? class_of(c->at[1]) : NULL;
    if (at_text(c, "[.") || at_text(c, "[="))
        return give_up(c, "has a collating element in brackets");
    if (!class && !at_text(c, "[:"))
        return take_range(c, s);
    if (class)
        c->at += 2;
    return (class ? add_class(c, s, text_of(class)) : take_named_class(c, s)) &&
           (!at_range(c) || give_up(c, "has a range in brackets that begins with no character"));
}

/* --- the program ---------------------------------------------------------------------------- */

static int emit(struct compiler *c, struct state s)
{
    if (c->p->count == PATTERN_STATES_MAX) {
        give_up(c, "is too large, with its repetitions");
        return PATTERN_STATES_MAX - 1;
    }
    s.next = c->p->count + 1;
    c->p->states[c->p->count] = s;
    return c->p->count++;
}

static void emit_set(struct compiler *c, const struct set *s, bool negated)
{
    size_t bytes = (size_t)s->count * sizeof *s->ranges;
    emit(c, (struct state){.code = negated ? NOT_SET : SET,
                           .ranges = memcpy(arena_alloc(c->a, bytes), s->ranges, bytes),
                           .range_count = s->count});
}

static void take_brackets(struct compiler *c)
{
    struct set s = {.count = 0};
    bool negated = at_text(c, "^");
    c->at += negated;
    /* The first is a character, be it a bracket. */
    for (bool first = true; !c->fault && c->at < c->end && (first || *c->at != ']'); first = false)
        take_set_item(c, &s);
    if (c->at == c->end)
        give_up(c, "has a [ without a ]");
    c->at++;
    if (!c->fault)
        emit_set(c, &s, negated);
}

static void take_backslash(struct compiler *c)
{
    uint32_t one;
    char letter = c->at < c->end ? *c->at : 0;
    bool negated = letter == 'D' || letter == 'S' || letter == 'W';
    const char *class = class_of(negated ? (char)(letter + 32) : letter);
    struct set s = {.count = 0};
    if (class) {
        c->at++;
        add_class(c, &s, text_of(class));
        emit_set(c, &s, negated);
    } else if (take_escape(c, &one)) {
        emit(c, (struct state){.code = ONE, .character = one});
    }
}

static void take_branches(struct compiler *c);

static void take_group(struct compiler *c)
{
    if (at_text(c, "?:"))
        c->at += 2;
    else if (at_text(c, "?"))
        give_up(c, "looks ahead or behind, or has options, which is not known here");
    if (++c->depth > DEPTH_MAX)
        give_up(c, "has groups that are too deep");
    if (!c->fault)
        take_branches(c);
    c->depth--;
    if (!c->fault && !at_text(c, ")"))
        give_up(c, "has a ( without a )");
    c->at++;
}

/* *quantified: may it be? */
static void take_atom(struct compiler *c, bool *quantified)
{
    char letter = *c->at;
    *quantified = letter != '^' && letter != '$';
    if (letter == '*' || letter == '+' || letter == '?' ||
        (letter == '{' && c->at + 1 < c->end && c->at[1] >= '0' && c->at[1] <= '9')) {
        give_up(c, "has a quantifier with nothing in front of it");
        return;
    }
    c->at++;
    if (letter == '(') {
        take_group(c);
    } else if (letter == '[') {
        take_brackets(c);
    } else if (letter == '\\') {
        take_backslash(c);
    } else if (letter == '.' || letter == '^' || letter == '$') {
        emit(c, (struct state){.code = letter == '.' ? ANY : letter == '^' ? BEGIN : END});
    } else {
        c->at--;
        emit(c, (struct state){.code = ONE, .character = pattern_character(&c->at, c->end)});
    }
}

/* The states [from, to) once more, at the end. */
static void repeat(struct compiler *c, int from, int to)
{
    int shift = c->p->count - from;
    for (int i = from; i < to && !c->fault; i++) {
        struct state s = c->p->states[i];
        int at = emit(c, s);
        c->p->states[at].next = s.next + shift;
        c->p->states[at].other = s.other + shift;
    }
}

/* A place for a SPLIT in front of what begins at `from`. */
static void insert(struct compiler *c, int from)
{
    struct state *s = c->p->states;
    int last = emit(c, (struct state){.code = SPLIT});
    if (c->fault)
        return;
    memmove(s + from + 1, s + from, (size_t)(last - from) * sizeof *s);
    for (int i = from + 1; i <= last; i++) {
        s[i].next++;
        s[i].other++;
    }
    s[from] = (struct state){.code = SPLIT, .next = from + 1, .other = c->p->count};
}

/* "x" or nothing. */
static void make_optional(struct compiler *c, int from)
{
    insert(c, from);
    if (!c->fault)
        c->p->states[from].other = c->p->count;
}

static void make_star(struct compiler *c, int from)
{
    insert(c, from);
    int at = emit(c, (struct state){.code = JUMP});
    if (c->fault)
        return;
    c->p->states[at].next = from;
    c->p->states[from].other = c->p->count;
}

static bool take_number(struct compiler *c, int *out)
{
    const char *begin = c->at;
    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        *out = *out > REPEAT_MAX ? *out : *out * 10 + (*c->at - '0');
    return c->at > begin && *out <= REPEAT_MAX;
}

/* {m}, {m,}, {m,n}; max -1: without end. */
static bool take_bounds(struct compiler *c, int *min, int *max)
{
    bool good = take_number(c, min);
    *max = *min;
    if (good && at_text(c, ",")) {
        c->at++;
        *max = -1;
        if (!at_text(c, "}"))
            good = take_number(c, max) && *max >= *min;
    }
    if (!good || !at_text(c, "}"))
        return give_up(c, "has a repetition that is not {m}, {m,} or {m,n} of at most 255");
    c->at++;
    return true;
}

static void repeat_between(struct compiler *c, int from, int min, int max)
{
    int to = c->p->count;
    int copies = max < 0 ? (min > 0 ? min : 1) : max;
    int begin = from;
    if (max == 0) {
        c->p->count = from;
        return;
    }
    for (int i = 0; i < copies && !c->fault; i++) {
        int size = to - from;
        begin = c->p->count;
        if (i > 0) /* the first copy is untouched unless it is made optional below */
            repeat(c, from, from + size);
        else
            begin = from;
        if (i >= min && max >= 0 && i > 0)
            make_optional(c, begin);
    }
    if (c->fault)
        return;
    if (max < 0 && min > 0) { /* x{2,} is x, x and x* */
        begin = c->p->count;
        repeat(c, from, to);
        make_star(c, begin);
    } else if (max < 0) {
        make_star(c, from);
    } else if (min == 0) {
        make_optional(c, from);
    }
}

/* Quantifiers of what begins at `from`. */
static void take_quantifier(struct compiler *c, int from, bool may)
{
    int min = 1, max = 1;
    char letter = c->at < c->end ? *c->at : 0;
    bool bounds = letter == '{' && c->at + 1 < c->end && c->at[1] >= '0' && c->at[1] <= '9';
    if (letter != '*' && letter != '+' && letter != '?' && !bounds)
        return;
    c->at++;
    if (!may)
        give_up(c, "has a quantifier behind ^ or $");
    else if (bounds)
        take_bounds(c, &min, &max);
    else {
        min = letter == '+';
        max = letter == '?' ? 1 : -1;
    }
    if (at_text(c, "?")) /* not greedy */
        c->at++;
    if (!c->fault)
        repeat_between(c, from, min, max);
}

static void take_branch(struct compiler *c)
{
    while (!c->fault && c->at < c->end && *c->at != '|' && *c->at != ')') {
        bool quantified;
        int from = c->p->count;
        take_atom(c, &quantified);
        if (!c->fault)
            take_quantifier(c, from, quantified);
    }
}

/* a|b|c: SPLIT to a, else to the rest; behind each a JUMP to the end. */
static void take_branches(struct compiler *c)
{
    int from = c->p->count;
    take_branch(c);
    if (c->fault || !at_text(c, "|"))
        return;
    c->at++;
    insert(c, from);
    int jump = emit(c, (struct state){.code = JUMP});
    if (c->fault)
        return;
    c->p->states[from].other = c->p->count;
    take_branches(c);
    if (!c->fault)
        c->p->states[jump].next = c->p->count;
}

struct pattern *pattern_new(struct text expression, struct arena *a, struct err *err)
{
    struct pattern *p = arena_zero(a, sizeof *p);
    struct compiler c = {.p = p, .a = a, .at = expression.p, .end = expression.p + expression.n};
    if (at_text(&c, "***"))
        give_up(&c, "begins with ***, which is not known here");
    if (!c.fault)
        take_branches(&c);
    if (!c.fault && c.at < c.end)
        give_up(&c, "has a ) without a (");
    if (!c.fault)
        emit(&c, (struct state){.code = MATCH});
    if (c.fault) {
        err_set(err, ERR_DATA, "%s", c.fault);
        return NULL;
    }
    size_t n = (size_t)p->count;
    p->now = arena_alloc(a, n * sizeof *p->now);
    p->then = arena_alloc(a, n * sizeof *p->then);
    p->stack = arena_alloc(a, 2 * (n + 1) * sizeof *p->stack);
    p->seen = arena_zero(a, n * sizeof *p->seen);
    return p;
}
