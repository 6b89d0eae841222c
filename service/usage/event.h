/* event - the four usage events as Avro, in the order of schemas/Usage*Event.avsc (wire contract
 * section 1.4). */
#pragma once

#include "base/buf.h"
#include "usage/usage.h"

enum event_type {
    EVENT_CREATE,
    EVENT_STATE_CHANGE,
    EVENT_ATTRIBUTE_CHANGE,
    EVENT_DELETE,
    EVENT_TYPES
};

extern const char *const event_type_names[EVENT_TYPES];   /* "UsageCreateEvent", ... */
extern const char *const event_schema_files[EVENT_TYPES]; /* "UsageCreateEvent.avsc", ... */

struct event {
    enum event_type type;
    int32_t schema_id;             /* the registry's */
    const struct usage *usage;     /* after the change */
    const char *base_url;          /* for href */
    int64_t event_time, occurred;  /* ms */
    struct text source, record_id; /* correlationId "source/recordId"; absent: null */
    enum usage_status previous;    /* STATE_CHANGE */
    const char *field_path;        /* ATTRIBUTE_CHANGE */
};

/* More bytes than event_write() will take. */
size_t event_bytes_max(const struct event *e);

/* Framing and Avro binary, at the end of `b`. Never fails: what the entity holds was checked by the
 * mapping. */
void event_write(struct buf *b, const struct event *e);
