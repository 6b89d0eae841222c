/* fenced - a producer that another one has put out is let go while the broker has yet to refuse
 * most of what it has sent, for test_producer.py.
 *
 *   fenced BOOTSTRAP TOPIC TIMES      TOPIC has four partitions; prints how often it was put out
 *
 * Large messages for three partitions are under way when the small one that went before is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "io/kafka.h"
#include "io/producer.h"

enum { PARTITIONS = 4, LARGE = 900000, STEP = 41000, PATIENCE_US = 20000000, STEP_US = 100 };

static _Noreturn void die(const struct err *err)
{
    fprintf(stderr, "fenced: %s\n", err->text);
    exit(1);
}

static bool put(struct producer *p, const char *topic, int partition, size_t bytes, struct err *err)
{
    static const char value[LARGE];
    const struct producer_header header = {TEXT("n"), TEXT("1")};
    return producer_send(p,
                         &(struct producer_message){.topic = topic,
                                                    .value = {value, bytes},
                                                    .headers = &header,
                                                    .header_count = 1,
                                                    .partition = &partition},
                         err);
}

static struct producer *open_one(const struct kafka_property *bootstrap)
{
    struct err err = {0};
    struct producer *p = producer_new(&(struct producer_options){.properties = bootstrap,
                                                                 .property_count = 1,
                                                                 .transactional_id = "fenced",
                                                                 .transaction_timeout_ms = 60000,
                                                                 .shared = true});
    if (!producer_open(p, &err))
        die(&err);
    return p;
}

/* All partitions are the transaction's, and each has taken a message. */
static void begin(struct producer *p, const char *topic)
{
    struct err err = {0};
    if (!producer_begin(p, &err))
        die(&err);
    for (int i = 0; i < PARTITIONS; i++)
        if (!put(p, topic, i, 10, &err))
            die(&err);
    if (rd_kafka_flush(producer_client(p), PATIENCE_US / 1000)) {
        err_set(&err, ERR_RETRY, "the first messages do not go");
        die(&err);
    }
}

/* Until the first refusal is known. */
static bool is_put_out(struct producer *p, const char *topic, size_t large)
{
    struct err err = {0};
    for (int i = 0; i < 2 * PARTITIONS; i++)
        if (!put(p, topic, i % PARTITIONS, i == 0 ? 10 : large, &err))
            return true;
    for (int waited = 0; waited < PATIENCE_US; waited += STEP_US) {
        char why[512];
        if (rd_kafka_fatal_error(producer_client(p), why, sizeof why))
            return true;
        usleep(STEP_US);
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const struct kafka_property bootstrap = {"bootstrap.servers", argv[1]};
    log_set_level(LOG_DEBUG); /* librdkafka tells of a producer that ends with messages under way */
    int times = atoi(argv[3]), out = 0;
    struct producer *p = open_one(&bootstrap);
    for (int i = 0; i < times; i++) {
        begin(p, argv[2]);
        struct producer *next = open_one(&bootstrap);
        out += is_put_out(p, argv[2], LARGE - (size_t)(i * STEP % LARGE));
        producer_free(p);
        p = next;
    }
    producer_free(p);
    printf("%d\n", out);
    return 0;
}
