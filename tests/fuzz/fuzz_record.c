/* A record's way: framing, the writer's schema, plan, reader, mapping, document, event.
 *
 * Input: one byte that chooses topic and schema, the schema's JSON up to a 0 (where the byte says
 * so), the value as it stands in Kafka. */
#include <stdlib.h>

#include "base/embed.h"
#include "io/framing.h"
#include "io/reader.h"
#include "usage_checks.h"

enum { RATED = 1, OWN_SCHEMA = 2, SKIPPING = 4, DOCUMENT = 8 }; /* of the first byte */

/* Every kind of type that may have to be skipped, between fields that are wanted. */
static const char skipping[] =
    "{\"type\":\"record\",\"name\":\"RawUsage\",\"namespace\":\"a.b\",\"fields\":["
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\"]}},"
    "{\"name\":\"source\",\"type\":[\"null\",\"bytes\",\"E\"]},"
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":"
    "[\"null\",\"float\",{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}]}}},"
    "{\"name\":\"recordId\",\"type\":\"string\"},"
    "{\"name\":\"usageDate\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}},"
    "{\"name\":\"n\",\"type\":{\"type\":\"array\",\"items\":\"null\"}},"
    "{\"name\":\"usageType\",\"type\":\"E\"},"
    "{\"name\":\"r\",\"type\":{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"b\",\"type\":\"boolean\"},{\"name\":\"d\",\"type\":\"double\"},"
    "{\"name\":\"z\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"Z\","
    "\"fields\":[]}}}]}},"
    "{\"name\":\"status\",\"type\":\"string\"},"
    "{\"name\":\"usageCharacteristic\",\"type\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"value\",\"type\":[\"int\",\"null\","
    "\"float\",\"boolean\",{\"type\":\"record\",\"name\":\"TheJson\",\"fields\":[{\"name\":\"x\","
    "\"type\":\"R\"},{\"name\":\"json\",\"type\":\"bytes\"}]},{\"type\":\"fixed\",\"name\":\"D\","
    "\"size\":17,\"logicalType\":\"decimal\",\"precision\":38,\"scale\":30}]},{\"name\":\"name\","
    "\"type\":\"string\"}]}}}]}";

static struct plan *plan_of(const char *json, size_t n)
{
    struct err err = {0};
    struct plan *plan = plan_new(json, n, record_shapes, &err);
    assert(plan || (err.kind == ERR_DATA && err.text[0]));
    return plan;
}

/* The plans of schemas that are always the same are made once. */
static struct plan *known_plan(unsigned choice)
{
    static const char *const names[] = {"RawUsage.avsc", "RatedUsage.avsc", NULL,
                                        "UsageDocument.avsc"};
    static struct plan *plans[4];
    unsigned i = choice & RATED ? 1 : choice & SKIPPING ? 2 : choice & DOCUMENT ? 3 : 0;
    if (!plans[i]) {
        const char *json = names[i] ? embed_text(embed_schemas, names[i]) : skipping;
        plans[i] = plan_of(json, strlen(json));
    }
    assert(plans[i]);
    return plans[i];
}

/* A usage for ratings that came without theirs. */
static struct usage *some_usage(struct arena *a)
{
    struct usage *u = arena_zero(a, sizeof *u);
    u->revision = 1;
    u->usage_date = now_ms;
    u->usage_type = TEXT("VOICE");
    u->specification.id = TEXT("voice-1");
    u->type = TEXT("Usage");
    return u;
}

static void check_change(struct change *c, struct arena *a)
{
    struct usage *u = c->usage;
    if (u)
        check_values(u);
    if (c->kind == CHANGE_RATED) {
        u = u ? u : some_usage(a);
        u->status = c->status;
        u->ratings = c->ratings;
        check_event(u, EVENT_STATE_CHANGE);
    }
    check_document(u, a);
    check_event(u, EVENT_CREATE);
}

static bool map(const struct shape *shape, const void *record, struct arena *a, struct change *out,
                struct err *err)
{
    if (shape == &record_rated_usage)
        return mapping_rated(&settings, record, -1, now_ms, a, out, err);
    if (shape == &record_usage_document)
        return mapping_document(&settings, record, -1, now_ms, a, out, err);
    return mapping_raw(&settings, record, -1, now_ms, a, out, err);
}

static void take(const struct plan *plan, struct text value, struct arena *a)
{
    struct err err = {0};
    struct change change;
    const struct shape *shape = plan_shape(plan);
    void *record = arena_zero(a, shape->bytes);
    if (!reader_read(plan, value.p + FRAMING_BYTES, value.n - FRAMING_BYTES, a, record, &err)) {
        assert(err.kind == ERR_DATA && err.text[0]);
        assert(err.code == READER_MALFORMED || err.code == READER_TEXT);
        return;
    }
    bool taken = map(shape, record, a, &change, &err);
    if (taken)
        check_change(&change, a);
    else
        assert(err.kind == ERR_DATA && err.text[0] && err.code > REASON_MALFORMED &&
               err.code < REASON_TRANSITION);
}

FUZZ(record)
{
    struct err err = {0};
    int32_t id;
    if (size == 0)
        return 0;
    unsigned choice = *data++;
    size--;
    struct text json = {0};
    if (choice & OWN_SCHEMA)
        json = fuzz_part(&data, &size);
    struct text value = {(const char *)data, size};
    if (!framing_read(value, &id, &err)) {
        assert(err.kind == ERR_DATA && err.text[0]);
        return 0;
    }
    struct plan *plan = choice & OWN_SCHEMA ? plan_of(json.p, json.n) : known_plan(choice);
    if (!plan)
        return 0;
    struct arena *a = arena_new(4096);
    char *exact = malloc(size); /* a look at a byte behind the value is seen */
    assert(exact);
    memcpy(exact, value.p, size);
    take(plan, (struct text){exact, size}, a);
    free(exact);
    arena_free(a);
    if (choice & OWN_SCHEMA)
        plan_free(plan);
    return 0;
}
