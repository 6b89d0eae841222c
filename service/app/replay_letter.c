#include "app/replay_letter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "usage/inbound.h"

static const char ours[] = "usaged.";

static bool take_header(const rd_kafka_headers_t *headers, const char *name, char *out, size_t size)
{
    const void *value;
    size_t n;
    out[0] = 0;
    if (!headers || rd_kafka_header_get_last(headers, name, &value, &n) || !value || n >= size)
        return false;
    memcpy(out, value, n);
    out[n] = 0;
    return n > 0;
}

/* Kafka's letters for names of topics; reasons need no others. */
static bool take_name(const rd_kafka_headers_t *headers, const char *name, char *out, size_t size)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return take_header(headers, name, out, size) && out[strspn(out, good)] == 0;
}

/* Among ours, which begin with the last reason: the record's own may be of any name. */
static bool is_bare(const rd_kafka_headers_t *headers)
{
    const char *name;
    const void *value;
    size_t n;
    bool bare = false;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &n); i++)
        if (strcmp(name, "usaged.reason") == 0)
            bare = false;
        else if (strcmp(name, "usaged.key-bytes") == 0)
            bare = true;
    return bare;
}

static bool take_number(const rd_kafka_headers_t *headers, const char *name, int64_t max,
                        int64_t *out)
{
    char text[24];
    *out = 0;
    return take_header(headers, name, text, sizeof text) && units_integer(text, out) && *out >= 0 &&
           *out <= max;
}

static rd_kafka_headers_t *headers_of(rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL; /* the message's */
    return rd_kafka_message_headers(m, &headers) ? NULL : headers;
}

struct replay_letter replay_letter(rd_kafka_message_t *m)
{
    struct replay_letter l = {.lack = LACK_NOTHING};
    int64_t partition, replays;
    const rd_kafka_headers_t *headers = headers_of(m);
    bool origin = take_name(headers, "usaged.topic", l.topic, sizeof l.topic);
    origin &= take_name(headers, "usaged.reason", l.reason, sizeof l.reason);
    origin &= take_number(headers, "usaged.partition", INT32_MAX, &partition);
    origin &= take_number(headers, "usaged.offset", INT64_MAX, &l.offset);
    /* A producer's own header of that name may say anything. */
    l.replays = take_number(headers, INBOUND_REPLAYS, INT32_MAX - 1, &replays) ? (int)replays : 0;
    l.partition = (int)partition;
    if (!origin)
        l.lack = LACK_ORIGIN;
    else if (is_bare(headers))
        l.lack = LACK_KEY;
    else if (!m->payload)
        l.lack = LACK_VALUE;
    return l;
}

/* The record's own, and `replays` behind them. Returns how many. */
static size_t own_headers(const rd_kafka_headers_t *headers, struct producer_header *out,
                          struct text replays)
{
    const char *name;
    const void *value;
    size_t n, count = 0;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &n); i++)
        if (strncmp(name, ours, strlen(ours)) != 0)
            out[count++] = (struct producer_header){text_of(name), {value, n}};
    out[count++] = (struct producer_header){TEXT(INBOUND_REPLAYS), replays};
    return count;
}

bool replay_letter_send(const struct replay_letter *letter, rd_kafka_message_t *m, int partitions,
                        struct producer *p, struct err *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", letter->replays + 1);
    const rd_kafka_headers_t *headers = headers_of(m);
    struct producer_header *own = calloc(rd_kafka_header_cnt(headers) + 1, sizeof *own);
    if (!own)
        abort();
    struct producer_message out = {.topic = letter->topic,
                                   .key = {m->key, m->key_len},
                                   .value = {m->payload, m->len},
                                   .headers = own,
                                   .header_count = own_headers(headers, own, text_of(text)),
                                   .partition =
                                       letter->partition < partitions ? &letter->partition : NULL};
    bool sent = producer_send(p, &out, err);
    free(own);
    return sent;
}
