/* usage_bench - nanoseconds a record takes in service/usage: the least of many rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "usage/digest.h"
#include "usage/event.h"
#include "usage/id.h"
#include "usage/render.h"
#include "usage_samples.h"

enum { ROUNDS = 100, TIMES = 10000 }; /* short rounds: the least one is rarely disturbed */

static struct mapping_settings settings;
static struct arena *records, *scratch;
static struct raw_usage *raw;
static struct rated_usage *rated;
static struct usage *usage;
static struct event event;
static struct render_row row;
static struct buf out, kept[2];

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void bench(const char *name, void (*one)(void))
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();
        for (int i = 0; i < TIMES; i++) {
            one();
            if (i % 1000 == 0)
                arena_reset(scratch);
        }
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    printf("%-28s %6.0f ns\n", name, best / TIMES * 1e9);
}

static void map_raw(void)
{
    struct change c;
    struct err err;
    must(mapping_raw(&settings, raw, -1, SAMPLE_NOW, scratch, &c, &err), err.text);
}

static void map_rated(void)
{
    struct change c;
    struct err err;
    must(mapping_rated(&settings, rated, -1, SAMPLE_NOW, scratch, &c, &err), err.text);
}

static void make_id(void)
{
    id_of_record(raw->source, raw->record_id, raw->usage_date);
}

static void make_digest(void)
{
    digest_raw(raw, scratch);
}

static void make_rated_digest(void)
{
    digest_rated(STATUS_RATED, &usage->ratings, usage->description);
}

static void write_document(void)
{
    buf_reset(&out);
    render_document(&out, usage);
}

static void write_ratings(void)
{
    buf_reset(&out);
    render_ratings(&out, &usage->ratings);
}

static void write_usage(void)
{
    buf_reset(&out);
    render_usage(&out, &row, event.base_url, NULL);
}

static void read_usage(void)
{
    struct usage u = {0};
    struct err err;
    must(render_read(&row, scratch, &u, &err), err.text);
}

static void write_event(void)
{
    buf_reset(&out);
    event_write(&out, &event);
}

static void set_up(void)
{
    struct change c;
    struct err err;
    records = arena_new(1 << 16);
    scratch = arena_new(1 << 22);
    settings = sample_settings();
    raw = sample_call(records);
    rated = sample_rated(records);
    rated->usage = raw;
    must(mapping_rated(&settings, rated, -1, SAMPLE_NOW, records, &c, &err), err.text);
    rated->usage = NULL;
    usage = c.usage;
    event = (struct event){.type = EVENT_STATE_CHANGE,
                           .schema_id = 1,
                           .usage = usage,
                           .base_url = "https://bss.example.net/v4",
                           .event_time = SAMPLE_NOW,
                           .occurred = SAMPLE_NOW,
                           .source = raw->source,
                           .record_id = raw->record_id};
    render_document(&kept[0], usage);
    render_ratings(&kept[1], &usage->ratings);
    row = (struct render_row){.id = usage->id,
                              .status = TEXT("rated"),
                              .description = usage->description,
                              .ratings = {kept[1].data, kept[1].len},
                              .document = {kept[0].data, kept[0].len}};
}

int main(void)
{
    set_up();
    bench("mapping_raw (id, digest)", map_raw);
    bench("mapping_rated (id, digest)", map_rated);
    bench("id_of_record", make_id);
    bench("digest_raw", make_digest);
    bench("digest_rated", make_rated_digest);
    bench("render_document", write_document);
    bench("render_ratings", write_ratings);
    bench("render_usage", write_usage);
    bench("render_read", read_usage);
    bench("event_write (with a rating)", write_event);
    usage->ratings.count = 0;
    bench("event_write (without)", write_event);
    printf("%-28s %6zu bytes, event %zu bytes\n", "document", kept[0].len, out.len);
    return 0;
}
