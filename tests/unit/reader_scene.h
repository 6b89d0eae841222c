/* A schema, a record under it, and what the reader makes of it. Include after cmocka. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "io/reader.h"
#include "io/writer.h"
#include "raw_shape.h"

#define NEEDED                                                                                     \
    "{'name':'source','type':'string'},{'name':'recordId','type':'string'},{'name':'usageDate','"  \
    "type':'long'},"                                                                               \
    "{'name':'usageType','type':'string'}"
#define FIELD(name, type) ",{'name':'" name "','type':" type "}"
#define TRAIT(type)                                                                                \
    FIELD("usageCharacteristic",                                                                   \
          "{'type':'array','items':{'type':'record','name':'T','fields':[{'name':'name',"          \
          "'type':'string'},{'name':'value','type':" type "}]}}")

/* A schema, a record under it, and what was read. */
struct scene {
    struct plan *plan;
    struct arena *arena;
    struct buf bytes;
    char *exact; /* the bytes in memory of their very size: a read past the end is seen */
    struct raw raw;
    struct err err;
};

/* A RawUsage with the needed fields and `more`; the needed ones are written. */
static inline struct scene scene_of(const char *more)
{
    struct scene s = {.arena = arena_new(1024)};
    struct buf quoted = {0};
    buf_printf(&quoted, "{'type':'record','name':'RawUsage','fields':[" NEEDED "%s]}", more);
    char *json = malloc(quoted.len + 1);
    schema_text(buf_text(&quoted), json, quoted.len + 1);
    s.plan = plan_new(json, quoted.len, raw_shapes, &s.err);
    if (!s.plan)
        fail_msg("%s", s.err.text);
    free(json);
    buf_fini(&quoted);
    writer_text(&s.bytes, TEXT("med-gz-02"));
    writer_text(&s.bytes, TEXT("r-1"));
    writer_long(&s.bytes, 1795421730250);
    writer_text(&s.bytes, TEXT("VOICE"));
    return s;
}

static inline bool read_it(struct scene *s)
{
    free(s->exact);
    s->exact = malloc(s->bytes.len > 0 ? s->bytes.len : 1);
    memcpy(s->exact, s->bytes.data, s->bytes.len);
    memset(&s->raw, 0xa5, sizeof s->raw);
    err_clear(&s->err);
    return reader_read(s->plan, s->exact, s->bytes.len, s->arena, &s->raw, &s->err);
}

static inline void assert_reads(struct scene *s)
{
    if (!read_it(s))
        fail_msg("%s", s->err.text);
}

static inline void assert_fails(struct scene *s, int code, const char *part_of_text)
{
    if (read_it(s))
        fail_msg("taken, where \"%s\" is wrong", part_of_text);
    assert_int_equal(s->err.kind, ERR_DATA);
    if (s->err.code != code || !strstr(s->err.text, part_of_text))
        fail_msg("\"%s\" (%d) is not \"%s\" (%d)", s->err.text, s->err.code, part_of_text, code);
}

static inline void scene_end(struct scene *s)
{
    plan_free(s->plan);
    arena_free(s->arena);
    buf_fini(&s->bytes);
    free(s->exact);
}

#define assert_text(t, s) assert_true(text_eq((t), TEXT(s)))
