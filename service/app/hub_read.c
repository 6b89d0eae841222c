/* Reading the outbound topics: at the front for those that keep up, and apart for those that are
 * behind. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub_parts.h"
#include "base/instant.h"
#include "base/log.h"
#include "io/framing.h"
#include "usage/trace.h"

enum {
    FRONT_TURN = 500, /* messages, before others have their turn */
    CURSOR_TURN = 200,
    TURN_MS = 50, /* or so long */
    BOUNDS_MS = 5000,
    FAR = 5000, /* offsets: a cursor that reads through so many wastes what a new one costs */
    SCHEMA_MS = 500,
    SCHEMA_AGAIN_MS = 500,
    PATIENCE_MS = 5000,
    SAY_AGAIN_MS = 60000
};

/* --- one message ---------------------------------------------------------------------------- */

/* Nobody but us should write there; what is not ours is no event that anybody has subscribed to. */
static void say_passed(struct hub *h, const struct place *place, const rd_kafka_message_t *m,
                       const char *why)
{
    int64_t now = instant_ticks();
    if (h->said_passed != 0 && now - h->said_passed < SAY_AGAIN_MS)
        return;
    h->said_passed = now;
    log_line(LOG_WARNING, "a message that is no event is passed over by the hub",
             "topic=%s partition=%d offset=%" PRId64 " why=\"%s\"", place->topic, place->partition,
             m->offset, why);
}

/* A header of the message, as one of HTTP's, at the end of `b`. False: it is not there, or is not
 * well formed. */
static bool add_header(const rd_kafka_headers_t *headers, const char *name,
                       bool (*is_good)(struct text), struct buf *b)
{
    const void *value;
    size_t n;
    if (rd_kafka_header_get_last(headers, name, &value, &n) || !is_good((struct text){value, n}))
        return false;
    buf_printf(b, "%s: ", name);
    buf_add(b, value, n);
    buf_byte(b, 0);
    return true;
}

/* Without a parent a state says nothing. */
static struct payload *payload_of(struct buf *b, enum hub_event_type type,
                                  const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    size_t n = b->len;
    bool traced = !rd_kafka_message_headers(m, &headers) &&
                  add_header(headers, "traceparent", trace_is_parent, b);
    size_t state = b->len;
    bool stated = traced && add_header(headers, "tracestate", trace_is_state, b);
    struct payload *p = malloc(sizeof *p + b->len);
    if (!p)
        abort();
    *p = (struct payload){.count = 1, .type = type, .n = n};
    memcpy(p->json, b->data, b->len);
    p->trace[0] = traced ? p->json + n : NULL;
    p->trace[1] = stated ? p->json + state : NULL;
    return p;
}

enum decoded { DECODED, NO_EVENT, NO_SCHEMA_YET };

static enum decoded decode(struct hub *h, const rd_kafka_message_t *m, int wait_ms,
                           struct payload **out, struct err *err)
{
    int32_t id;
    const struct registry_schema *schema = NULL;
    enum hub_event_type type;
    struct text value = {m->payload, m->len};
    if (!framing_read(value, &id, err))
        return NO_EVENT;
    switch (registry_find(h->registry, id, instant_ticks(), wait_ms, &schema, err)) {
    case REGISTRY_FOUND:
        break;
    case REGISTRY_UNKNOWN:
        err_set(err, ERR_DATA, "the registry knows no schema %" PRIu32, (uint32_t)id);
        return NO_EVENT;
    case REGISTRY_NOT_YET:
    case REGISTRY_AWAY:
        return NO_SCHEMA_YET;
    }
    if (!schema->plan) {
        *err = schema->why;
        return NO_EVENT;
    }
    buf_reset(&h->text);
    if (!hub_event_render(schema->plan, value.p + FRAMING_BYTES, value.n - FRAMING_BYTES,
                          h->settings->http_base_url, h->scratch, &type, &h->text, err))
        return NO_EVENT;
    *out = payload_of(&h->text, type, m);
    return DECODED;
}

/* What the regular expressions of all listeners may cost for one event, some seconds (pattern.h):
 * a listener whose query is dear does not stop the others, nor do many of them. */
enum { STEPS_MAX = 100000000, LISTENER_STEPS_MAX = 5000000, LISTENER_STEPS_LEAST = 50000 };

static bool wants(struct hub *h, const struct listener *l, const struct payload *payload,
                  int64_t *left)
{
    int64_t given = *left > LISTENER_STEPS_MAX ? LISTENER_STEPS_MAX : LISTENER_STEPS_LEAST;
    int64_t steps = given;
    bool wanted =
        query_event_matches(l->query, (struct text){payload->json, payload->n}, h->scratch, &steps);
    *left -= given - steps;
    return wanted;
}

/* Shows a message to all lanes that need it, where `from` is the end of the one before. False: its
 * schema is not to be had yet, and nobody has taken it. */
static bool offer(struct hub *h, struct place *place, const rd_kafka_message_t *m, int64_t from,
                  int wait_ms)
{
    struct payload *payload = NULL;
    struct err err;
    bool looked = false;
    int64_t steps = STEPS_MAX;
    arena_reset(h->scratch);
    for (size_t i = 0; i < h->listener_count; i++) {
        struct lane *lane = h->listeners[i]->lanes[place->number];
        if (!lane || lane->need < from || lane->need > m->offset || !hub_lane_has_room(lane))
            continue;
        if (!looked) {
            enum decoded how = decode(h, m, wait_ms, &payload, &err);
            if (how == NO_SCHEMA_YET)
                return false;
            if (how == NO_EVENT)
                say_passed(h, place, m, err.text);
            looked = true;
        }
        bool wanted = payload && wants(h, h->listeners[i], payload, &steps);
        hub_lane_take(h, lane, m->offset, wanted ? payload : NULL);
        hub_go_on(h);
    }
    if (payload && --payload->count == 0)
        free(payload);
    return true;
}

static struct place *find_place(struct hub *h, const char *topic, int partition)
{
    for (int i = 0; i < h->place_count; i++)
        if (h->places[i].partition == partition && strcmp(h->places[i].topic, topic) == 0)
            return &h->places[i];
    return NULL;
}

/* --- the front ------------------------------------------------------------------------------ */

/* A schema that is new is waited for a little; while the registry is away that would hold up all
 * deliveries, so then the lanes fall behind, and the place is read again for them. */
static void pass_front(struct hub *h, struct place *place, const rd_kafka_message_t *m)
{
    bool patient = instant_ticks() >= h->next_patience;
    if (!offer(h, place, m, place->front, patient ? SCHEMA_MS : 0) && patient)
        h->next_patience = instant_ticks() + PATIENCE_MS;
    place->front = m->offset + 1;
}

/* There is no message from `from` to `to`: whoever waits there need not. */
static void nothing_between(struct hub *h, struct place *place, int64_t from, int64_t to)
{
    for (size_t i = 0; i < h->listener_count; i++) {
        struct lane *lane = h->listeners[i]->lanes[place->number];
        if (lane && lane->need >= from && lane->need < to)
            hub_lane_take(h, lane, to - 1, NULL);
    }
}

/* Markers of transactions, our own ones mostly: a place in front of them would be lost one day. */
static void pass_end(struct hub *h, struct place *place, int64_t end)
{
    nothing_between(h, place, place->front, end);
    place->front = end;
}

/* The error that matters most of two: a position that is gone is to be mended. */
static void note_error(struct err *err, const struct err *another)
{
    if (err->kind == ERR_NONE || another->kind == ERR_FATAL || hub_position_is_gone(another))
        *err = *another;
}

bool hub_position_is_gone(const struct err *err)
{
    return err->kind == ERR_RETRY && !err->code;
}

/* Errors do not end it: each partition of a topic that was made anew has one, and a takeover mends
 * all. */
bool hub_read_front(struct hub *h, struct err *err)
{
    struct err one;
    int64_t end = instant_ticks() + TURN_MS;
    err_clear(err);
    for (int i = 0; i < FRONT_TURN && instant_ticks() < end; i++) {
        rd_kafka_message_t *m = consumer_poll(h->consumer, 0, &one);
        if (!m && one.kind == ERR_NONE)
            return false;
        if (!m) {
            note_error(err, &one);
            continue;
        }
        struct place *place = find_place(h, rd_kafka_topic_name(m->rkt), m->partition);
        if (place && consumer_is_end(m) && m->offset > place->front)
            pass_end(h, place, m->offset);
        else if (place && !consumer_is_end(m) && m->offset >= place->front)
            pass_front(h, place, m);
        rd_kafka_message_destroy(m);
    }
    return true;
}

/* --- those that are behind ------------------------------------------------------------------ */

static bool is_behind(const struct lane *lane)
{
    return lane && lane->need < lane->place->front && hub_lane_has_room(lane);
}

/* Is there a lane for which the cursor will come by soon? */
static bool is_useful(const struct hub *h, const struct place *place)
{
    for (size_t i = 0; i < h->listener_count; i++) {
        const struct lane *lane = h->listeners[i]->lanes[place->number];
        if (is_behind(lane) && lane->need >= place->cursor_at &&
            lane->need <= place->cursor_at + FAR)
            return true;
    }
    return false;
}

/* Where to read for those that are behind, and have room for more than a few; -1: nowhere. They
 * take turns, or the last one would get all that it can take before the others get anything; who
 * stands within reach of the one whose turn it is is served with it. */
static int64_t wanted_from(const struct hub *h, struct place *place)
{
    int64_t chosen = -1, least = -1;
    size_t next = place->turn;
    for (size_t k = 0; k < h->listener_count; k++) {
        size_t i = (place->turn + k) % h->listener_count;
        const struct lane *lane = h->listeners[i]->lanes[place->number];
        if (!is_behind(lane) || lane->count > HUB_QUEUE_MAX / 2)
            continue;
        if (chosen < 0) {
            chosen = least = lane->need;
            next = i + 1;
        }
        if (lane->need < least && lane->need + FAR >= chosen)
            least = lane->need;
    }
    place->turn = next;
    return least;
}

void hub_close_cursor(struct hub *h, struct place *place)
{
    if (!place->cursor)
        return;
    if (place->held)
        rd_kafka_message_destroy(place->held);
    place->held = NULL;
    cursor_close(place->cursor);
    place->cursor = NULL;
    h->cursor_count--;
}

static void open_cursor(struct hub *h, struct place *place, int64_t from)
{
    struct err err;
    if (!h->cursors)
        h->cursors = cursors_new(h->settings->kafka, (size_t)h->settings->kafka_count, &err);
    if (h->cursors)
        place->cursor = cursor_open(h->cursors, place->topic, place->partition, from, &err);
    if (!place->cursor) {
        log_line(LOG_WARNING, "the hub cannot read for listeners that are behind",
                 "topic=%s partition=%d why=\"%s\"", place->topic, place->partition, err.text);
        return;
    }
    place->cursor_at = from;
    h->cursor_count++;
}

static void nothing_until(struct hub *h, struct place *place, int64_t to)
{
    nothing_between(h, place, place->cursor_at, to);
    place->cursor_at = to;
}

static int count_below(const struct hub *h, const struct place *place, int64_t offset)
{
    int count = 0;
    for (size_t i = 0; i < h->listener_count; i++) {
        const struct lane *lane = h->listeners[i]->lanes[place->number];
        count += lane && lane->need < offset;
    }
    return count;
}

/* What was not delivered in time is gone from the topic. */
static void skip_lost(struct hub *h, struct place *place, const char *why)
{
    int64_t low;
    struct err err;
    if (!consumer_bounds(h->consumer, place->topic, place->partition, BOUNDS_MS, &low, NULL, &err))
        return;
    if (low <= place->cursor_at) { /* it stands behind the end: the topic was made anew */
        h->must_take_over = h->assigned != NULL;
        return;
    }
    hub_say_lost(place, place->cursor_at, low, count_below(h, place, low), why);
    place->cursor_at = 0;
    nothing_until(h, place, low < place->front ? low : place->front);
}

/* True: it has shown a message. */
static bool step_cursor(struct hub *h, struct place *place)
{
    int64_t end = -1;
    struct err err = {0};
    rd_kafka_message_t *m = place->held;
    if (m && instant_ticks() < place->held_until)
        return false;
    if (!m)
        m = cursor_next(place->cursor, &end, &err);
    place->held = NULL;
    if (!m && err.kind != ERR_NONE) {
        skip_lost(h, place, err.text);
        hub_close_cursor(h, place);
    } else if (!m && end >= 0) {
        nothing_until(h, place, end < place->front ? end : place->front);
    }
    if (!m)
        return false;
    if (m->offset >= place->front) {
        nothing_until(h, place, place->front);
    } else if (!offer(h, place, m, place->cursor_at, 0)) {
        place->held = m;
        place->held_until = instant_ticks() + SCHEMA_AGAIN_MS;
        return false;
    } else {
        place->cursor_at = m->offset + 1;
    }
    rd_kafka_message_destroy(m);
    return true;
}

/* Reads on for as long as somebody takes it. */
static bool catch_up(struct hub *h, struct place *place)
{
    bool shown = false;
    int64_t end = instant_ticks() + TURN_MS;
    if (place->cursor && !is_useful(h, place))
        hub_close_cursor(h, place);
    if (!place->cursor && h->cursor_count < HUB_CURSORS_MAX) {
        int64_t from = wanted_from(h, place);
        if (from >= 0)
            open_cursor(h, place, from);
    }
    for (int i = 0; i < CURSOR_TURN && place->cursor && is_useful(h, place); i++) {
        if (!step_cursor(h, place))
            break;
        shown = true;
        if (instant_ticks() >= end)
            break;
    }
    return shown;
}

bool hub_catch_up(struct hub *h)
{
    bool shown = false;
    for (int i = 0; i < h->place_count; i++) /* each of them is the first at times */
        shown |= catch_up(h, &h->places[(h->first_place + i) % h->place_count]);
    h->first_place = h->place_count > 0 ? (h->first_place + 1) % h->place_count : 0;
    return shown;
}
