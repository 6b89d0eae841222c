/* registry_answer - what an answer of the schema registry means. Pure: bytes in, verdict out.
 *
 * The rules are those of the wire contract, section 5, `schema-unknown`: only a 404 that is the
 * registry's own says that an id is unknown; whatever else is no schema says that the registry is
 * away, which is waited for.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "io/fetch.h"

enum registry_answer_kind {
    REGISTRY_ANSWER_SCHEMA,      /* `text` is an Avro schema: its JSON */
    REGISTRY_ANSWER_UNSUPPORTED, /* a schema that cannot be read by itself: ERR_DATA says why */
    REGISTRY_ANSWER_ID,          /* of a subject: `id` */
    REGISTRY_ANSWER_UNKNOWN,     /* 404 and a number error_code: `why` has code and message */
    REGISTRY_ANSWER_REFUSED,     /* of a subject: asking again changes nothing; ERR_FATAL */
    REGISTRY_ANSWER_AWAY         /* anything else, ERR_RETRY */
};

struct registry_parsed {
    enum registry_answer_kind kind;
    char *text; /* to be freed by the caller */
    int32_t id;
    struct err why;
};

/* To GET /schemas/ids/{id}. */
struct registry_parsed registry_answer_schema(const struct fetch_answer *answer);

/* To POST /subjects/{subject} and /subjects/{subject}/versions. */
struct registry_parsed registry_answer_subject(const struct fetch_answer *answer);
