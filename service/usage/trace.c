#include "usage/trace.h"

enum { VERSION = 2, TRACE_ID = 32, PARENT_ID = 16, FLAGS = 2, WHOLE = 55 };

static bool is_hex(const char *p, int n)
{
    for (int i = 0; i < n; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
    return true;
}

static bool is_zero(const char *p, int n)
{
    for (int i = 0; i < n; i++)
        if (p[i] != '0')
            return false;
    return true;
}

static bool is_printable(struct text t, char first)
{
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] < first || t.p[i] > '~')
            return false;
    return true;
}

bool trace_is_parent(struct text t)
{
    if (t.n < WHOLE || t.n > TRACE_PARENT_MAX)
        return false;
    const char *trace = t.p + VERSION + 1, *parent = trace + TRACE_ID + 1,
               *flags = parent + PARENT_ID + 1;
    bool formed = is_hex(t.p, VERSION) && trace[-1] == '-' && is_hex(trace, TRACE_ID) &&
                  parent[-1] == '-' && is_hex(parent, PARENT_ID) && flags[-1] == '-' &&
                  is_hex(flags, FLAGS);
    if (!formed || is_zero(trace, TRACE_ID) || is_zero(parent, PARENT_ID) ||
        memcmp(t.p, "ff", VERSION) == 0)
        return false;
    return t.n == WHOLE || (!is_zero(t.p, VERSION) && t.p[WHOLE] == '-' && is_printable(t, '!'));
}

bool trace_is_state(struct text t)
{
    return t.n > 0 && t.n <= TRACE_STATE_MAX && is_printable(t, ' ') && memchr(t.p, '=', t.n);
}
