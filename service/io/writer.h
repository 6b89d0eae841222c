/* writer - Avro binary, written piece by piece into a buf. The caller keeps the schema's order. */
#pragma once

#include "base/buf.h"
#include "base/decimal.h"
#include "base/text.h"

/* The registry's framing: 00 and the schema id, big-endian. */
void writer_frame(struct buf *b, int32_t schema_id);

void writer_long(struct buf *b, int64_t v);
void writer_double(struct buf *b, double v);
void writer_truth(struct buf *b, bool v);
void writer_text(struct buf *b, struct text t); /* string and bytes; absent writes "" */
void writer_branch(struct buf *b, int branch);  /* of a union */

/* union {null, string}: null when absent. */
void writer_optional_text(struct buf *b, struct text t);

/* bytes/decimal at exactly `scale` places. False, nothing written: it does not fit. */
bool writer_decimal(struct buf *b, struct decimal d, int scale);

/* Array block of `count` items; the caller writes them, then writer_array_end(). count 0: writes
 * nothing. */
void writer_array(struct buf *b, size_t count);
void writer_array_end(struct buf *b);
