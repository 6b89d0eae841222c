/* outbox - messages to publish, as bytes of one outbox row (format 1): what a crash between the two
 * commits leaves.
 *
 * A message is: topic (1 byte: enum event_type, or one of those below), key, number of headers,
 * then name and value of each, value. Lengths are varints, one more than the length, 0 for none.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "usage/event.h"

enum {
    OUTBOX_FORMAT = 1,
    OUTBOX_DEAD = EVENT_TYPES, /* the numbers are stored: new topics go behind */
    OUTBOX_SPECIFICATION,
    OUTBOX_TOPICS,
    OUTBOX_HEADERS_MAX = 1000
};

struct outbox_header {
    struct text name, value;
};

/* Everything of a message but its value, then the value by outbox_value_begin/end (so that an event
 * is written in place) or outbox_value. */
void outbox_begin(struct buf *b, int topic, struct text key, const struct outbox_header *headers,
                  size_t count);
void outbox_value(struct buf *b, struct text value);
size_t outbox_value_begin(struct buf *b);            /* returns a mark */
size_t outbox_value_end(struct buf *b, size_t mark); /* returns the value's length */

struct outbox_message {
    int topic;
    struct text key, value;
    size_t header_count;
    struct outbox_header headers[OUTBOX_HEADERS_MAX];
};

/* The next message at *at; texts point into `bytes`. False at the end; ERR_FATAL (err->kind) when
 * the bytes are not of our format. */
bool outbox_next(struct text bytes, size_t *at, struct outbox_message *m, struct err *err);
