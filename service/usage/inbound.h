/* inbound - a record as it stood in its topic: what a dead letter must give back byte for byte. */
#pragma once

#include "base/buf.h"
#include "base/text.h"
#include "usage/outbox.h"
#include "usage/reason.h"

struct inbound {
    const char *topic;
    int partition;
    int64_t offset;
    int64_t timestamp; /* ms, -1: none */
    struct text key, value;
    const struct outbox_header *headers;
    size_t header_count;
};

/* The first headers of these names, absent if there are none: they go on with the events of the
 * record. One with which the two have more than INBOUND_TRACE_MAX bytes is left out: beside
 * event.max-bytes a message has 64 KiB, and its key and what Kafka adds must fit there too. */
enum { INBOUND_TRACE_MAX = 60 * 1024 };
struct inbound_trace {
    struct outbox_header headers[2]; /* traceparent, tracestate */
    size_t count;
};
struct inbound_trace inbound_trace(const struct inbound *r);

/* The limits count the producer's headers. The one by which `usaged replay` counts is not among
 * them, or a record that has just enough would be too large once it was sent back. */
enum { INBOUND_KEY_MAX = 65536, INBOUND_HEADERS_BYTES_MAX = 65536 };
#define INBOUND_REPLAYS "usaged.replays"
struct inbound_own {
    size_t headers, header_bytes;
};
struct inbound_own inbound_own(const struct inbound *r);

/* One dead letter at the end of an outbox row's bytes (wire contract section 5). `event_max`:
 * event.max-bytes. */
void inbound_dead_letter(struct buf *b, const struct inbound *r, enum reason reason,
                         const char *text, int64_t event_max);

/* Headers as bytes of a parked rating's row, and back (into the arena; false: not ours). */
void inbound_pack_headers(struct buf *b, const struct inbound *r);
bool inbound_unpack_headers(struct text bytes, struct arena *a, struct inbound *r);
