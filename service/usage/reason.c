#include "usage/reason.h"

#include <assert.h>

const char *reason_name(enum reason r)
{
    static const char *const names[] = {"",
#define REASON_NAME(symbol, name, help) name,
                                        REASONS(REASON_NAME)
#undef REASON_NAME
    };
    assert(r >= 0 && r < REASON_COUNT);
    return names[r];
}

const char *reason_help(enum reason r)
{
    static const char *const helps[] = {"",
#define REASON_HELP(symbol, name, help) help,
                                        REASONS(REASON_HELP)
#undef REASON_HELP
    };
    assert(r >= 0 && r < REASON_COUNT);
    return helps[r];
}
