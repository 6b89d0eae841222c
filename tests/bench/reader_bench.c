/* ns a record of reader_read(), for a record like mediation's (about 350 bytes). Run alone, built
 * with -O2. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "io/reader.h"
#include "io/writer.h"
#include "raw_shape.h"

enum { RECORDS = 1000, ROUNDS = 500, RUNS = 7 };

static void write_trait(struct buf *b, const char *name, int branch, int64_t number,
                        const char *text)
{
    writer_text(b, text_of(name));
    writer_branch(b, branch);
    if (branch == 0)
        writer_text(b, text_of(text));
    else if (branch == 1)
        writer_long(b, number);
    else if (branch == 2)
        writer_double(b, (double)number / 8);
    else
        writer_truth(b, number != 0);
    writer_branch(b, 0);
}

static void write_record(struct buf *b, int i)
{
    char id[64];
    snprintf(id, sizeof id, "20261123-000417-%05d", i);
    writer_text(b, TEXT("med-gz-02"));
    writer_text(b, text_of(id));
    writer_long(b, 1795421730250 + i);
    writer_text(b, TEXT("VOICE"));
    writer_long(b, 0);
    writer_branch(b, 0);
    writer_branch(b, 1);
    writer_text(b, TEXT("voice-domestic-v3"));
    writer_optional_text(b, TEXT("Domestic voice call"));
    writer_branch(b, 0);
    writer_array(b, 2);
    for (int k = 0; k < 2; k++) {
        snprintf(id, sizeof id, "customer-%08d", i * 7 + k);
        writer_text(b, text_of(id));
        writer_optional_text(b, k == 0 ? TEXT("subscriber") : TEXT("payer"));
        writer_branch(b, 0);
        writer_text(b, TEXT("Customer"));
    }
    writer_array_end(b);
    writer_array(b, 7);
    write_trait(b, "duration", 1, 60 + i % 977, NULL);
    write_trait(b, "originatingNumber", 0, 0, "+8613800138000");
    write_trait(b, "destinationNumber", 0, 0, "+8613900139000");
    write_trait(b, "unit", 0, 0, "second");
    write_trait(b, "roaming", 3, i % 2, NULL);
    write_trait(b, "signalQuality", 2, i, NULL);
    write_trait(b, "cellId", 0, 0, "460-00-1234-56789");
    writer_array_end(b);
}

static double run(const struct plan *plan, const struct buf *records, struct arena *a)
{
    struct timespec from, to;
    struct raw raw;
    struct err err;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < RECORDS; i++)
            if (!reader_read(plan, records[i].data, records[i].len, a, &raw, &err)) {
                fprintf(stderr, "%s\n", err.text);
                exit(1);
            }
        arena_reset(a);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    return ns / ROUNDS / RECORDS;
}

int main(void)
{
    static struct buf records[RECORDS];
    char schema[4096];
    struct err err;
    size_t bytes = 0;
    schema_text(RAW_SCHEMA, schema, sizeof schema);
    struct plan *plan = plan_new(schema, strlen(schema), raw_shapes, &err);
    if (!plan) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < RECORDS; i++) {
        write_record(&records[i], i);
        bytes += records[i].len;
    }
    struct arena *a = arena_new(4 << 20);
    printf("%zu bytes a record;", bytes / RECORDS);
    for (int i = 0; i < RUNS; i++)
        printf(" %.0f", run(plan, records, a));
    printf(" ns a record\n");
    for (int i = 0; i < RECORDS; i++)
        buf_fini(&records[i]);
    arena_free(a);
    plan_free(plan);
    return 0;
}
