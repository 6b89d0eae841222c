/* Reading the outbound topics: at the front for those that keep up, and apart for those that are
 * behind; and where all of them begin. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub_parts.h"
#include "base/instant.h"
#include "base/log.h"
#include "io/framing.h"

enum {
    FRONT_TURN = 500, /* messages, before others have their turn */
    CURSOR_TURN = 200,
    BOUNDS_MS = 3000,
    NEAR = 1000, /* offsets: who is further behind than that is caught up with apart */
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

static struct payload *payload_of(const struct buf *b, enum hub_event_type type)
{
    struct payload *p = malloc(sizeof *p + b->len);
    if (!p)
        abort();
    *p = (struct payload){.count = 1, .type = type, .n = b->len};
    memcpy(p->json, b->data, b->len);
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
    switch (registry_find(h->registry, id, wait_ms, &schema, err)) {
    case REGISTRY_FOUND:
        break;
    case REGISTRY_UNKNOWN:
        err_set(err, ERR_DATA, "the registry knows no schema %d", (int)id);
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
    *out = payload_of(&h->text, type);
    return DECODED;
}

/* Shows a message to all lanes that need it, where `from` is the end of the one before. False: its
 * schema is not to be had yet, and nobody has taken it. */
static bool offer(struct hub *h, struct place *place, const rd_kafka_message_t *m, int64_t from,
                  int wait_ms)
{
    struct payload *payload = NULL;
    struct err err;
    bool looked = false;
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
        bool wanted =
            payload && query_event_matches(h->listeners[i]->query,
                                           (struct text){payload->json, payload->n}, h->scratch);
        hub_lane_take(h, lane, m->offset, wanted ? payload : NULL);
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

bool hub_read_front(struct hub *h, struct err *err)
{
    for (int i = 0; i < FRONT_TURN; i++) {
        rd_kafka_message_t *m = consumer_poll(h->consumer, 0, err);
        if (!m)
            return false;
        struct place *place = find_place(h, rd_kafka_topic_name(m->rkt), m->partition);
        if (place && m->offset >= place->front)
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

/* Is there a lane for which the cursor will come by? */
static bool is_useful(const struct hub *h, const struct place *place)
{
    for (size_t i = 0; i < h->listener_count; i++) {
        const struct lane *lane = h->listeners[i]->lanes[place->number];
        if (is_behind(lane) && lane->need >= place->cursor_at)
            return true;
    }
    return false;
}

/* Where to read for those that are behind, and have room for more than a few; -1: nowhere. */
static int64_t wanted_from(const struct hub *h, const struct place *place)
{
    int64_t least = -1;
    for (size_t i = 0; i < h->listener_count; i++) {
        const struct lane *lane = h->listeners[i]->lanes[place->number];
        if (is_behind(lane) && lane->count <= HUB_QUEUE_MAX / 2 &&
            (least < 0 || lane->need < least))
            least = lane->need;
    }
    return least;
}

static void close_cursor(struct hub *h, struct place *place)
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

/* There is no message between the cursor and `to`: whoever waits there need not. */
static void nothing_until(struct hub *h, struct place *place, int64_t to)
{
    for (size_t i = 0; i < h->listener_count; i++) {
        struct lane *lane = h->listeners[i]->lanes[place->number];
        if (lane && lane->need >= place->cursor_at && lane->need < to)
            hub_lane_take(h, lane, to - 1, NULL);
    }
    place->cursor_at = to;
}

/* What was not delivered in time is gone from the topic. */
static void skip_lost(struct hub *h, struct place *place, const char *why)
{
    int64_t low, high;
    struct err err;
    if (!consumer_bounds(h->consumer, place->topic, place->partition, BOUNDS_MS, &low, &high, &err))
        return;
    log_line(LOG_ERROR,
             "events are no longer there that listeners have not had: the topic's retention is "
             "too short for them",
             "topic=%s partition=%d from=%" PRId64 " to=%" PRId64 " why=\"%s\"", place->topic,
             place->partition, place->cursor_at, low, why);
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
        close_cursor(h, place);
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
    if (place->cursor && !is_useful(h, place))
        close_cursor(h, place);
    if (!place->cursor && h->cursor_count < HUB_CURSORS_MAX) {
        int64_t from = wanted_from(h, place);
        if (from >= 0)
            open_cursor(h, place, from);
    }
    for (int i = 0; i < CURSOR_TURN && place->cursor && is_useful(h, place); i++) {
        if (!step_cursor(h, place))
            break;
        shown = true;
    }
    return shown;
}

bool hub_catch_up(struct hub *h)
{
    bool shown = false;
    for (int i = 0; i < h->place_count; i++) /* each of them is the first at times */
        shown |= catch_up(h, &h->places[(h->first_place + i) % h->place_count]);
    h->first_place++;
    return shown;
}

/* --- where they begin ----------------------------------------------------------------------- */

/* topic NULL, partition -1: any. */
static const struct hub_position *find_position(const struct hub_position *all, size_t n,
                                                const struct listener *l, const char *topic,
                                                int partition)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&all[i].listener, &l->id, sizeof l->id) == 0 &&
            (!topic || text_is(all[i].topic, topic)) &&
            (partition < 0 || all[i].partition == partition))
            return &all[i];
    return NULL;
}

/* Of a lane that PostgreSQL has never seen: a partition that was added since the listener is there
 * is all its own; a topic that is not the one of its days has nothing for it but what comes. */
static struct hub_position first_position(const struct hub_position *all, size_t n,
                                          const struct listener *l, const struct place *place,
                                          int64_t low, int64_t high)
{
    bool knows_topic = find_position(all, n, l, place->topic, -1) != NULL;
    int64_t next = knows_topic ? low : high;
    return (struct hub_position){
        .listener = l->id, .next = next, .high = next, .retry_at = INSTANT_NONE};
}

/* The place in a partition is believed only inside of it. */
static bool adjust(struct hub *h, const struct place *place, int64_t low, int64_t high,
                   struct hub_position *at, struct err *err)
{
    if (at->next >= low && at->next <= high)
        return true;
    bool anew = at->next > high;
    log_line(LOG_ERROR,
             anew ? "a topic was made anew: its listeners get it from its beginning"
                  : "events are no longer there that a listener has not had: the topic's retention "
                    "is too short for it",
             "topic=%s partition=%d position=%" PRId64 " low=%" PRId64 " high=%" PRId64,
             place->topic, place->partition, at->next, low, high);
    at->next = low;
    at->high = low;
    at->topic = text_of(place->topic);
    at->partition = place->partition;
    return !anew || hub_store_reset(h->db, at, err);
}

static void add_lane(struct hub *h, struct listener *l, struct place *place,
                     const struct hub_position *at, bool known)
{
    struct lane *lane = hub_lane_new(h, l, place, at);
    lane->dirty = !known;
}

/* At a takeover, when nothing is being read: then a broker answers at once. */
static bool take_lane(struct hub *h, struct listener *l, struct place *place, int64_t low,
                      int64_t high, const struct hub_position *all, size_t n, struct err *err)
{
    const struct hub_position *known = find_position(all, n, l, place->topic, place->partition);
    if (!find_position(all, n, l, NULL, -1)) /* gone or suspended, as the next look will tell */
        return true;
    struct hub_position at = known ? *known : first_position(all, n, l, place, low, high);
    if (!adjust(h, place, low, high, &at, err))
        return false;
    add_lane(h, l, place, &at, known != NULL);
    return true;
}

/* Not at the least position: one listener that is far behind would let all others wait. */
static int64_t front_of(const struct hub *h, const struct place *place, int64_t high)
{
    int64_t most = -1, front = -1;
    for (size_t i = 0; i < h->listener_count; i++)
        if (h->listeners[i]->lanes[place->number] &&
            h->listeners[i]->lanes[place->number]->need > most)
            most = h->listeners[i]->lanes[place->number]->need;
    for (size_t i = 0; i < h->listener_count; i++) {
        const struct lane *lane = h->listeners[i]->lanes[place->number];
        if (lane && lane->need >= most - NEAR && (front < 0 || lane->need < front))
            front = lane->need;
    }
    return front < 0 ? high : front;
}

void hub_drop_places(struct hub *h)
{
    for (size_t i = 0; i < h->listener_count; i++)
        if (h->listeners[i]->lanes)
            hub_lanes_drop(h, h->listeners[i]);
    for (int i = 0; i < h->place_count; i++)
        close_cursor(h, &h->places[i]);
    free(h->places);
    h->places = NULL;
    h->place_count = 0;
    for (size_t i = 0; i < h->listener_count; i++)
        if (!(h->listeners[i]->lanes = calloc(1, sizeof(struct lane *))))
            abort();
}

static const char *own_name(const struct hub *h, const char *topic)
{
    const char *topics[HUB_TOPICS];
    hub_topics(h->settings, topics);
    for (int i = 0; i < HUB_TOPICS; i++)
        if (strcmp(topics[i], topic) == 0)
            return topics[i];
    abort(); /* we have subscribed to these only */
}

static void make_places(struct hub *h, const rd_kafka_topic_partition_list_t *parts)
{
    h->places = calloc((size_t)parts->cnt + 1, sizeof *h->places);
    if (!h->places)
        abort();
    h->place_count = parts->cnt;
    for (int i = 0; i < parts->cnt; i++)
        h->places[i] = (struct place){.number = i,
                                      .topic = own_name(h, parts->elems[i].topic),
                                      .partition = parts->elems[i].partition};
    for (size_t i = 0; i < h->listener_count; i++) {
        free(h->listeners[i]->lanes);
        h->listeners[i]->lanes = calloc((size_t)parts->cnt + 1, sizeof(struct lane *));
        if (!h->listeners[i]->lanes)
            abort();
    }
}

static bool bounds_of(struct hub *h, const struct place *place, int64_t *low, int64_t *high,
                      struct err *err)
{
    return consumer_bounds(h->consumer, place->topic, place->partition, BOUNDS_MS, low, high, err);
}

bool hub_take_over(struct hub *h, rd_kafka_topic_partition_list_t *parts, struct err *err)
{
    struct hub_position *all;
    size_t n;
    hub_drop_places(h);
    arena_reset(h->arena);
    if (!db_open(h->db, err) || !hub_store_positions(h->db, h->arena, &all, &n, err))
        return false;
    make_places(h, parts);
    for (int i = 0; i < parts->cnt; i++) {
        struct place *place = &h->places[i];
        int64_t low, high;
        if (!bounds_of(h, place, &low, &high, err))
            return false;
        for (size_t k = 0; k < h->listener_count; k++)
            if (!take_lane(h, h->listeners[k], place, low, high, all, n, err))
                return false;
        place->front = front_of(h, place, high);
        parts->elems[i].offset = place->front;
    }
    return true;
}

/* A question about offsets waits behind the fetches on its connection, half a second each, so none
 * is asked of a place that is known: it was the end of the partition a moment ago. */
static bool add_new_lane(struct hub *h, struct listener *l, struct place *place,
                         const struct hub_position *all, size_t n, struct err *err)
{
    int64_t low, high;
    const struct hub_position *known = find_position(all, n, l, place->topic, place->partition);
    if (known)
        add_lane(h, l, place, known, true);
    return known || (bounds_of(h, place, &low, &high, err) &&
                     take_lane(h, l, place, low, high, all, n, err));
}

bool hub_add_lanes(struct hub *h, struct err *err)
{
    struct hub_position *all = NULL;
    size_t n = 0;
    for (size_t k = 0; k < h->listener_count; k++)
        for (int i = 0; i < h->place_count; i++) {
            struct listener *l = h->listeners[k];
            if (l->lanes[i])
                continue;
            if (!all && !hub_store_positions(h->db, h->arena, &all, &n, err))
                return false;
            if (!add_new_lane(h, l, &h->places[i], all, n, err))
                return false;
        }
    return true;
}
