/* framing - what stands in front of Avro binary in Kafka: a byte 00 and a schema id of four bytes.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

enum { FRAMING_BYTES = 5 };

/* The id of a framed value; the record's bytes stand behind FRAMING_BYTES. ERR_DATA: it is not
 * framed (no value: p is NULL); the text shows how it begins and, where it looks like one, names
 * the framing: what whoever wrote it must be told. */
bool framing_read(struct text value, int32_t *schema_id, struct err *err) MUST_CHECK;
