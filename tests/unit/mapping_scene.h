/* What mapping makes of one record: `change`, or `err`. Include behind all others. */
#pragma once

#include "usage_samples.h"

static struct arena *a;
static struct mapping_settings settings;
static struct change change;
static struct err err;

static inline int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    settings = sample_settings();
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

/* `mapped`: what mapping_raw() or mapping_rated() has returned, with `err`. */
static inline void refused(bool mapped, enum reason reason, const char *text)
{
    if (mapped)
        fail_msg("not refused: %s %s", reason_name(reason), text);
    if (err.code != (int)reason || !strstr(err.text, text))
        fail_msg("%s: \"%s\", expected %s: \"%s\"", reason_name((enum reason)err.code), err.text,
                 reason_name(reason), text);
    assert_int_equal(err.kind, ERR_DATA);
}
