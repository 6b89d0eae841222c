/* A writer's schema: read, made into a plan, and a few values read by it. Input: the JSON. */
#include <stdlib.h>

#include "fuzz.h"
#include "io/reader.h"
#include "usage/record.h"

static void read_some(const struct plan *plan)
{
    static const unsigned char fills[] = {0, 1, 2, 4, 0x7f, 0x80, 0xff};
    enum { BYTES = 300 };
    struct arena *a = arena_new(4096);
    for (size_t i = 0; i < sizeof fills; i++) {
        struct err err = {0};
        unsigned char *bytes = malloc(BYTES);
        assert(bytes);
        memset(bytes, fills[i], BYTES);
        void *record = arena_alloc(a, plan_shape(plan)->bytes);
        if (!reader_read(plan, bytes, BYTES, a, record, &err))
            assert(err.kind == ERR_DATA && err.code != 0 && err.text[0]);
        free(bytes);
        arena_reset(a);
    }
    arena_free(a);
}

FUZZ(schema)
{
    struct err err = {0};
    struct plan *plan = plan_new((const char *)data, size, record_shapes, &err);
    if (plan) {
        assert(strlen(plan_skipped(plan)) <= 500);
        read_some(plan);
    } else {
        assert(err.kind == ERR_DATA && err.text[0]);
    }
    plan_free(plan);
    return 0;
}
