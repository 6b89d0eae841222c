/* cursor - reads one partition from an offset on, apart from any group: for whoever is behind.
 *
 * All cursors of a `cursors` share one client; they belong to one thread. Only what is committed is
 * read (read_committed). librdkafka's consumer of old, since the new one has one place in a
 * partition and takes it badly to be moved.
 */
#pragma once

#include "io/kafka.h"

struct cursors;
struct cursor;

/* NULL: ERR_FATAL. */
struct cursors *cursors_new(const struct kafka_property *properties, size_t n, struct err *err);
void cursors_free(struct cursors *cs); /* after its cursors; NULL is allowed */

struct cursor *cursor_open(struct cursors *cs, const char *topic, int partition, int64_t offset,
                           struct err *err);
void cursor_close(struct cursor *c); /* NULL is allowed */

/* Does not wait. NULL: none yet, or *end is set to the offset up to which there is nothing more,
 * else -1; ERR_RETRY in err->kind: the offset is no longer there. The caller destroys the message.
 */
rd_kafka_message_t *cursor_next(struct cursor *c, int64_t *end, struct err *err);
