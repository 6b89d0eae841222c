/* usage_samples - a voice call, its rating and settings that fit them, for the tests of
 * service/usage.
 *
 * Each call makes a new one in the arena, so that a test may change what it likes.
 */
#pragma once

#include "usage/mapping.h"

#define SAMPLE_DATE INT64_C(1795421730250)  /* 2026-11-23T08:15:30.250Z */
#define SAMPLE_RATED INT64_C(1795421921007) /* 2026-11-23T08:18:41.007Z */
#define SAMPLE_NOW INT64_C(1795422000000)

#define SAMPLE_ID "01a20779-75ca-882e-8c96-86cbff439931"

static inline struct mapping_settings sample_settings(void)
{
    return (struct mapping_settings){.default_specification_id = "default-1",
                                     .usage_oldest_ms = INT64_C(3650) * 86400000,
                                     .usage_newest_ms = 86400000};
}

static inline struct value sample_text(struct text t)
{
    return (struct value){.kind = VALUE_TEXT, .text = t};
}

static inline struct value sample_integer(int64_t v)
{
    return (struct value){.kind = VALUE_INTEGER, .integer = v};
}

static inline struct value sample_real(double v)
{
    return (struct value){.kind = VALUE_REAL, .real = v};
}

static inline struct value sample_truth(bool v)
{
    return (struct value){.kind = VALUE_TRUTH, .truth = v};
}

static inline struct value sample_json(struct text json)
{
    return (struct value){.kind = VALUE_JSON, .text = json};
}

static inline struct value sample_decimal(int64_t unscaled, int scale)
{
    return (struct value){.kind = VALUE_DECIMAL, .decimal = {unscaled, scale}};
}

static inline struct raw_usage *sample_call(struct arena *a)
{
    struct raw_usage *raw = arena_zero(a, sizeof *raw);
    struct related_party *party = arena_zero(a, sizeof *party);
    struct characteristic *c = arena_zero(a, 6 * sizeof *c);
    raw->source = TEXT("med-gz-02");
    raw->record_id = TEXT("20261123-000417-88231");
    raw->usage_date = SAMPLE_DATE;
    raw->usage_type = TEXT("VOICE");
    raw->status = (struct symbol){STATUS_RECEIVED, TEXT("received")};
    raw->description = TEXT("Outgoing national voice call");
    raw->specification = arena_zero(a, sizeof *raw->specification);
    raw->specification->id = TEXT("voice-cdr-1");
    raw->specification->name = TEXT("VoiceUsageSpecification");
    party->id = TEXT("cust-55810");
    party->role = TEXT("subscriber");
    party->name = TEXT("Example Subscriber");
    raw->parties = (struct list){party, 1};
    c[0].name = TEXT("callingParty");
    c[0].value = sample_text(TEXT("8613800000001"));
    c[1].name = TEXT("durationSeconds");
    c[1].value = sample_integer(187);
    c[2].name = TEXT("volume");
    c[2].value = sample_real(12.25);
    c[3].name = TEXT("roaming");
    c[3].value = sample_truth(false);
    c[4].name = TEXT("endDateTime");
    c[4].value_type = TEXT("date-time");
    c[4].value = sample_text(TEXT("2026-11-23T08:18:37.250Z"));
    c[5].name = TEXT("servingCell");
    c[5].value = sample_json(TEXT("{ \"mcc\": \"460\", \"lac\": 9527 }"));
    raw->characteristics = (struct list){c, 6};
    return raw;
}

static inline struct money *sample_money(struct arena *a, int64_t unscaled, int scale)
{
    struct money *m = arena_zero(a, sizeof *m);
    m->unit = TEXT("CNY");
    m->value = sample_decimal(unscaled, scale);
    return m;
}

static inline struct rating *sample_rating(struct arena *a)
{
    struct rating *r = arena_zero(a, sizeof *r);
    r->rating_date = SAMPLE_RATED;
    r->tax_excluded = sample_money(a, 60, 2);
    r->tax_included = sample_money(a, 636, 3);
    r->tax_rate = sample_integer(6);
    r->is_tax_exempt = r->is_billed = -1;
    r->usage_rating_tag = TEXT("non included usage");
    r->product_ref = arena_zero(a, sizeof *r->product_ref);
    r->product_ref->id = TEXT("prod-7781");
    r->product_ref->name = TEXT("5G Plan 129");
    return r;
}

/* A rated record for the sample call, named by source, recordId and usageDate. */
static inline struct rated_usage *sample_rated(struct arena *a)
{
    struct rated_usage *rated = arena_zero(a, sizeof *rated);
    rated->source = TEXT("med-gz-02");
    rated->record_id = TEXT("20261123-000417-88231");
    rated->usage_date = SAMPLE_DATE;
    rated->status = (struct symbol){STATUS_RATED, TEXT("rated")};
    rated->ratings = (struct list){sample_rating(a), 1};
    return rated;
}
