/* replay_letter - a dead letter as `usaged replay` sees it: where its record stood, and what goes
 * back there. One thread.
 */
#pragma once

#include "io/producer.h"

enum { REPLAY_TOPIC_CHARS = 250, REPLAY_REASON_CHARS = 64 };

/* Why a dead letter cannot be sent back at all. */
enum replay_lack {
    LACK_NOTHING,
    LACK_ORIGIN, /* it does not say where from: not one of ours */
    LACK_VALUE,  /* the record was too large to be kept, or had no value */
    LACK_KEY     /* key and headers were too large to be kept */
};

struct replay_letter {
    char reason[REPLAY_REASON_CHARS], topic[REPLAY_TOPIC_CHARS]; /* of the record */
    int partition;
    int64_t offset;
    int replays; /* how often the record was sent back before */
    enum replay_lack lack;
};

/* The last header of a name counts: those that the record itself had stand before ours. */
struct replay_letter replay_letter(rd_kafka_message_t *m);

/* Sends the record back: its own key, bytes and headers, with `usaged.replays` one higher in the
 * place of all `usaged.*`. Into the partition that it stood in if `partitions`, those of its topic,
 * are so many, since the order by key is then right whatever its producer goes by; else by its key.
 * Begin a transaction first. */
bool replay_letter_send(const struct replay_letter *letter, rd_kafka_message_t *m, int partitions,
                        struct producer *p, struct err *err) MUST_CHECK;
