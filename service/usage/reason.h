/* reason - why a record became a dead letter: one table for code, header, metric label, README.
 *
 * The order is that of the wire contract, section 5: when several apply, the first counts. An
 * ERR_DATA of this layer has its reason in err->code.
 */
#pragma once

#define REASONS(X)                                                                                 \
    X(TOO_LARGE, "too-large",                                                                      \
      "the value is longer than `record.max-bytes`, or key or headers than 64 KiB")                \
    X(FRAMING, "framing",                                                                          \
      "no registry framing: a byte 00, a schema id of four bytes, Avro binary")                    \
    X(SCHEMA_UNKNOWN, "schema-unknown", "the registry does not know the schema id")                \
    X(SCHEMA_UNSUPPORTED, "schema-unsupported",                                                    \
      "the schema does not parse or cannot be matched with ours")                                  \
    X(MALFORMED, "malformed", "the bytes are not of the schema that they name")                    \
    X(TEXT, "text", "a string is not UTF-8 or holds NUL")                                          \
    X(MISSING, "missing", "a needed value is absent or empty")                                     \
    X(VALUE, "value", "a value is out of its range or form")                                       \
    X(DATE, "date", "`usageDate` is outside the window of `usage.oldest` and `usage.newest`")      \
    X(STATUS, "status", "a status that this kind of record may not carry")                         \
    X(INCOMPLETE, "incomplete", "rated without what a rating needs")                               \
    X(TRANSITION, "transition", "the states do not allow it")                                      \
    X(CONFLICT, "conflict", "the same identity with another content")                              \
    X(PARKED_EXPIRED, "parked-expired", "the rating's usage did not come within `parked.max-age`") \
    X(EVENT_TOO_LARGE, "event-too-large", "its event would be longer than `event.max-bytes`")      \
    X(DATABASE, "database", "PostgreSQL refuses this record's data")

enum reason {
    REASON_NONE,
#define REASON_ENUM(symbol, name, help) REASON_##symbol,
    REASONS(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};

const char *reason_name(enum reason r); /* "too-large" */
const char *reason_help(enum reason r);
