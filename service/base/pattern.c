#include "base/pattern_program.h"

/* Each character of the text moves all the places one step, so the time is text times program. What
 * that comes to is counted, since both may be long. */

struct place {
    bool begin, end; /* of the text */
};

/* Adds `state` and what is reached from it without a character. True: that is the MATCH. */
static bool enter(struct pattern *p, int state, struct place place, int *list, int *count)
{
    int depth = 0;
    p->stack[depth++] = state;
    while (depth > 0) {
        int i = p->stack[--depth];
        const struct state *s = &p->states[i];
        if (p->seen[i] == p->round)
            continue;
        p->seen[i] = p->round;
        p->steps++;
        switch (s->code) {
        case MATCH:
            return true;
        case SPLIT:
            p->stack[depth++] = s->other;
            p->stack[depth++] = s->next;
            break;
        case JUMP:
            p->stack[depth++] = s->next;
            break;
        case BEGIN:
        case END:
            if (s->code == BEGIN ? place.begin : place.end)
                p->stack[depth++] = s->next;
            break;
        default:
            list[(*count)++] = i;
        }
    }
    return false;
}

static bool takes(struct pattern *p, const struct state *s, uint32_t character)
{
    p->steps += 1 + s->range_count;
    if (s->code == ANY)
        return true;
    if (s->code == ONE)
        return s->character == character;
    bool in = false;
    for (int i = 0; i < s->range_count && !in; i++)
        in = character >= s->ranges[i].from && character <= s->ranges[i].to;
    return in == (s->code == SET);
}

static bool run(struct pattern *p, struct text t, int64_t steps_max)
{
    const char *at = t.p, *end = t.p + t.n;
    int count = 0;
    p->steps = 0;
    p->round++;
    if (enter(p, 0, (struct place){true, t.n == 0}, p->now, &count))
        return true;
    while (at < end && p->steps < steps_max) {
        int next_count = 0;
        uint32_t character = pattern_character(&at, end);
        struct place place = {false, at == end};
        p->round++;
        for (int i = 0; i < count; i++) {
            const struct state *s = &p->states[p->now[i]];
            if (takes(p, s, character) && enter(p, s->next, place, p->then, &next_count))
                return true;
        }
        if (enter(p, 0, place, p->then, &next_count)) /* it may begin anywhere */
            return true;
        int *swap = p->now;
        p->now = p->then;
        p->then = swap;
        count = next_count;
    }
    return at < end;
}

bool pattern_matches(struct pattern *p, struct text t, int64_t *steps)
{
    bool matches = run(p, t, *steps);
    *steps -= p->steps;
    return matches;
}
