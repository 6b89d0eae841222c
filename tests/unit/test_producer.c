/* The time-out of transactions, and who may make a handle anew, against librdkafka's own broker of
 * straw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "io/producer.h"

/* A transaction is young for so long, however slow the machine is; and the API's key. */
enum { TIMEOUT_MS = 2000, END_TXN = 26 };

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *broker;
static struct consumer_member *group;
static struct kafka_property properties[2] = {{"bootstrap.servers", NULL}, {"log_level", "0"}};

static int set_up(void **state)
{
    (void)state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    broker = rd_kafka_mock_cluster_new(host, 1);
    rd_kafka_mock_topic_create(broker, "out", 1, 1);
    properties[0].value = rd_kafka_mock_cluster_bootstraps(broker);
    group = consumer_member_outside("group");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    consumer_member_drop(group);
    rd_kafka_mock_cluster_destroy(broker);
    rd_kafka_destroy(host);
    return 0;
}

static struct producer *producer(bool shared)
{
    return producer_new(&(struct producer_options){.properties = properties,
                                                   .property_count = 2,
                                                   .transactional_id = "id",
                                                   .transaction_timeout_ms = TIMEOUT_MS,
                                                   .shared = shared});
}

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static bool commit(struct producer *p, struct err *err)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, "out", 0)->offset = 1;
    bool ok = producer_commit(p, offsets, group, err);
    rd_kafka_topic_partition_list_destroy(offsets);
    return ok;
}

static bool send_one(struct producer *p, struct err *err)
{
    return producer_send(p, &(struct producer_message){.topic = "out", .value = TEXT("x")}, err);
}

/* A transaction, with a message or of an offset alone; `age_ms` old when it is committed, which the
 * broker answers with `answer`. */
static bool transaction(struct producer *p, bool message, int age_ms, rd_kafka_resp_err_t answer,
                        struct err *err)
{
    if (!producer_begin(p, err) || (message && !send_one(p, err)))
        return false;
    sleep_ms(age_ms);
    if (answer)
        rd_kafka_mock_push_request_errors(broker, END_TXN, 1, answer);
    return commit(p, err);
}

/* What the broker was told when the handle was made. */
static int timeout_of(struct producer *p)
{
    char text[16];
    size_t size = sizeof text;
    assert_int_equal(RD_KAFKA_CONF_OK, rd_kafka_conf_get(rd_kafka_conf(producer_client(p)),
                                                         "transaction.timeout.ms", text, &size));
    return atoi(text);
}

static void take_over(struct producer *p)
{
    struct err err;
    producer_drop(p);
    assert_true(producer_open(p, &err));
}

/* How the broker says that it has ended the transaction. Of a fence only its age tells it from
 * another process. */
static void fail_by_time(struct producer *p, rd_kafka_resp_err_t answer)
{
    struct err err = {0};
    int age_ms = answer == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ? timeout_of(p) + 50 : 0;
    assert_false(transaction(p, true, age_ms, answer, &err));
}

static void a_batch_is_as_large_as_a_topic_takes_unless_the_setting_is_lower(void **state)
{
    (void)state;
    static const struct {
        const char *set, *is;
        int64_t wanted;
    } cases[] = {{NULL, "1000000", 0},
                 {NULL, "70000", 70000},
                 {NULL, "1000000", 2000000},
                 {"500", "500", 70000},
                 {"100000", "70000", 70000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kafka_property all[3] = {properties[0], properties[1], {"batch.size", cases[i].set}};
        char text[16];
        size_t size = sizeof text;
        struct err err = {0};
        struct producer *p =
            producer_new(&(struct producer_options){.properties = all,
                                                    .property_count = cases[i].set ? 3 : 2,
                                                    .transactional_id = "id",
                                                    .transaction_timeout_ms = TIMEOUT_MS,
                                                    .batch_bytes = cases[i].wanted});
        assert_true(producer_open(p, &err));
        assert_int_equal(RD_KAFKA_CONF_OK, rd_kafka_conf_get(rd_kafka_conf(producer_client(p)),
                                                             "batch.size", text, &size));
        assert_string_equal(text, cases[i].is);
        producer_free(p);
    }
}

static void a_transaction_that_was_too_old_is_tried_again_with_twice_the_time(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t answers[] = {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
                                                  RD_KAFKA_RESP_ERR_INVALID_TXN_STATE};
    for (int shared = 0; shared < 2; shared++)
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            struct err err = {0};
            struct producer *p = producer(shared);
            assert_true(producer_open(p, &err));
            assert_int_equal(TIMEOUT_MS, timeout_of(p));

            fail_by_time(p, answers[i]);
            assert_false(commit(p, &err)); /* the same again */

            if (shared)
                take_over(p);
            else
                assert_true(producer_settle(p, &err));
            assert_int_equal(2 * TIMEOUT_MS, timeout_of(p));
            producer_free(p);
        }
}

static void a_fence_of_a_young_transaction_says_nothing_of_its_time(void **state)
{
    (void)state;
    struct err err = {0};
    struct producer *p = producer(true);
    take_over(p);

    assert_false(transaction(p, true, 0, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &err));

    assert_int_equal(ERR_LOST, err.kind);
    take_over(p);
    assert_int_equal(TIMEOUT_MS, timeout_of(p));
    producer_free(p);
}

/* What is told by the age is told by that of the handle: 2050 ms are no age for 4000. */
static void twice_the_time_is_measured_by_what_the_handle_has(void **state)
{
    (void)state;
    struct err err = {0};
    struct producer *p = producer(true);
    take_over(p);
    fail_by_time(p, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    take_over(p);

    assert_false(
        transaction(p, true, TIMEOUT_MS + 50, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &err));
    take_over(p);
    assert_int_equal(2 * TIMEOUT_MS, timeout_of(p));

    fail_by_time(p, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    take_over(p);
    assert_int_equal(4 * TIMEOUT_MS, timeout_of(p));
    producer_free(p);
}

static void the_time_has_an_end(void **state)
{
    (void)state;
    struct producer *p = producer(true);
    take_over(p);
    for (int i = 0; i < 6; i++) {
        fail_by_time(p, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
        take_over(p);
    }
    assert_int_equal(16 * TIMEOUT_MS, timeout_of(p));
    producer_free(p);
}

/* A takeover commits an offset alone before the messages that were too late are sent again. */
static void the_short_time_comes_back_with_a_commit_of_messages(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct err err = {0};
        struct producer *p = producer(shared);
        assert_true(producer_open(p, &err));
        fail_by_time(p, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
        take_over(p);

        assert_true(transaction(p, false, 0, 0, &err));
        assert_false(producer_is_long(p));
        take_over(p);
        assert_int_equal(2 * TIMEOUT_MS, timeout_of(p));

        assert_true(transaction(p, true, 0, 0, &err));
        assert_true(producer_is_long(p));
        assert_true(transaction(p, true, 0, 0, &err));
        /* A shared one waits for the takeover. */
        assert_int_equal(shared, producer_is_long(p));
        assert_int_equal(shared ? 2 * TIMEOUT_MS : TIMEOUT_MS, timeout_of(p));
        take_over(p);
        assert_int_equal(TIMEOUT_MS, timeout_of(p));
        producer_free(p);
    }
}

static void a_shared_producer_is_made_anew_by_nothing_but_a_takeover(void **state)
{
    (void)state;
    struct err err = {0};
    struct producer *p = producer(true);
    assert_false(producer_begin(p, &err));
    assert_int_equal(ERR_LOST, err.kind);
    take_over(p);
    assert_false(transaction(p, true, 0, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &err));
    err = (struct err){0};

    assert_false(producer_begin(p, &err));

    assert_int_equal(ERR_LOST, err.kind);
    take_over(p);
    assert_true(transaction(p, true, 0, 0, &err));
    producer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_as_large_as_a_topic_takes_unless_the_setting_is_lower),
        cmocka_unit_test(a_transaction_that_was_too_old_is_tried_again_with_twice_the_time),
        cmocka_unit_test(a_fence_of_a_young_transaction_says_nothing_of_its_time),
        cmocka_unit_test(twice_the_time_is_measured_by_what_the_handle_has),
        cmocka_unit_test(the_time_has_an_end),
        cmocka_unit_test(the_short_time_comes_back_with_a_commit_of_messages),
        cmocka_unit_test(a_shared_producer_is_made_anew_by_nothing_but_a_takeover),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
