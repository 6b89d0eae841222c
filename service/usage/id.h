/* id - identities of usages and events (wire contract section 2). Any thread. */
#pragma once

#include <stdbool.h>

#include "usage/usage.h"

enum { ID_CHARS = 37, ID_DIGEST_CHARS = 65 };

/* Version 8: usageDate in ms, then SHA-256(source 00 recordId). `usage_date` is 0 to 2^48-1. */
struct usage_id id_of_record(struct text source, struct text record_id, int64_t usage_date);

/* Version 8: SHA-256(id, revision as 8 bytes big-endian). */
struct usage_id id_of_event(const struct usage_id *usage, int64_t revision);

/* Version 8: SHA-256(id of the specification in UTF-8, 00, revision as 8 bytes big-endian). */
struct usage_id id_of_specification_event(struct text specification, int64_t revision);

/* Version 7 at `ms`, random behind (HTTP POST without natural key). */
struct usage_id id_random(int64_t ms);

/* SHA-256 in lower-case hex, ends with 0: the recordId of a line without natural key. */
void id_digest(struct text t, char out[ID_DIGEST_CHARS]);

void id_print(const struct usage_id *id, char out[ID_CHARS]); /* lower case, ends with 0 */
bool id_parse(struct text t, struct usage_id *out);           /* the 36-character form, any case */

int id_compare(const struct usage_id *a, const struct usage_id *b); /* as PostgreSQL orders uuid */
int64_t id_milliseconds(const struct usage_id *id);                 /* its first 48 bits */
int id_version(const struct usage_id *id);                          /* 0 to 15 */

/* The least id of that millisecond: bounds of partitions and date windows. */
struct usage_id id_floor(int64_t ms);
