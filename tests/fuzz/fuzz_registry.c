/* What the registry, or whoever stands in its place, answers. Input: one byte for the status,
 * its highest bit for a body that was cut, the content type up to a 0, the body. */
#include <stdlib.h>

#include "fuzz.h"
#include "io/registry_answer.h"

static void check(const struct registry_parsed *p, const struct fetch_answer *answer)
{
    switch (p->kind) {
    case REGISTRY_ANSWER_SCHEMA:
        assert(answer->status == 200 && p->text && p->why.kind == ERR_NONE);
        break;
    case REGISTRY_ANSWER_ID:
        assert(answer->status == 200 && p->why.kind == ERR_NONE);
        break;
    case REGISTRY_ANSWER_UNKNOWN: /* the one that makes dead letters: never by mistake */
        assert(answer->status == 404 && p->why.text[0]);
        break;
    case REGISTRY_ANSWER_UNSUPPORTED:
        assert(p->why.kind == ERR_DATA && p->why.text[0]);
        break;
    case REGISTRY_ANSWER_REFUSED:
        assert(p->why.kind == ERR_FATAL && p->why.text[0]);
        break;
    case REGISTRY_ANSWER_AWAY:
        assert(p->why.kind == ERR_RETRY && p->why.text[0]);
    }
    for (const char *c = p->why.text; *c; c++)
        assert((unsigned char)*c >= 0x20);
}

FUZZ(registry)
{
    static const long statuses[] = {200, 404, 409, 422, 401, 503, 204, 0};
    struct fetch_answer answer = {0};
    if (size == 0)
        return 0;
    answer.too_long = *data >= 0x80;
    answer.status = statuses[*data++ % (sizeof statuses / sizeof *statuses)];
    size--;
    struct text type = fuzz_part(&data, &size);
    size_t n = type.n < sizeof answer.type - 1 ? type.n : sizeof answer.type - 1;
    memcpy(answer.type, type.p, n);
    buf_add(&answer.body, data, size);

    struct registry_parsed schema = registry_answer_schema(&answer);
    assert(schema.kind != REGISTRY_ANSWER_ID && schema.kind != REGISTRY_ANSWER_REFUSED);
    check(&schema, &answer);
    free(schema.text);
    struct registry_parsed subject = registry_answer_subject(&answer);
    assert(subject.kind != REGISTRY_ANSWER_SCHEMA && subject.kind != REGISTRY_ANSWER_UNSUPPORTED);
    check(&subject, &answer);
    fetch_answer_fini(&answer);
    return 0;
}
