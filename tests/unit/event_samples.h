/* A rated usage, and an event of it. After cmocka. */
#pragma once

#include "usage/event.h"
#include "usage/mapping.h"
#include "usage_samples.h"

static inline struct usage *sample_usage(struct arena *a)
{
    struct mapping_settings settings = sample_settings();
    struct rated_usage *rated = sample_rated(a);
    struct change change;
    struct err err;
    rated->usage = sample_call(a);
    assert_true(mapping_rated(&settings, rated, -1, SAMPLE_NOW, a, &change, &err));
    change.usage->revision = 3;
    return change.usage;
}

static inline struct event sample_event(enum event_type type, const struct usage *u)
{
    return (struct event){.type = type,
                          .schema_id = 258,
                          .usage = u,
                          .base_url = "https://bss.example.net/v4",
                          .event_time = SAMPLE_NOW,
                          .occurred = SAMPLE_RATED,
                          .source = TEXT("med-gz-02"),
                          .record_id = TEXT("20261123-000417-88231"),
                          .previous = STATUS_GUIDED,
                          .field_path = "ratedProductUsage"};
}
