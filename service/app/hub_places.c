/* Where the hub's lanes begin: places that the group has given us, and what became of partitions
 * meanwhile. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub_parts.h"
#include "base/log.h"

enum {
    BOUNDS_MS = 5000,
    NEAR = 1000 /* offsets: who is further behind than that is caught up with apart */
};

/* What is known of all lanes, by listener, topic and partition. */
struct known {
    struct hub_position *all;
    size_t n;
};

/* Which order does not matter, but that nothing is the least. */
static int compare(const void *one, const void *other)
{
    const struct hub_position *a = one, *b = other;
    int by = memcmp(&a->listener, &b->listener, sizeof a->listener);
    if (by == 0)
        by = text_compare(a->topic, b->topic);
    return by != 0 ? by : a->partition - b->partition;
}

static bool read_known(struct hub *h, struct known *known, struct err *err)
{
    if (!hub_store_positions(h->db, h->arena, &known->all, &known->n, err))
        return false;
    qsort(known->all, known->n, sizeof *known->all, compare);
    return true;
}

/* topic NULL, partition -1: any. By halves, since a thousand listeners have as many lanes in each
 * of many places. */
static const struct hub_position *find_position(const struct known *known, const struct listener *l,
                                                const char *topic, int partition)
{
    struct hub_position least = {
        .listener = l->id, .topic = topic ? text_of(topic) : TEXT(""), .partition = partition};
    size_t from = 0, to = known->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare(&known->all[middle], &least) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    const struct hub_position *found = known->all + from;
    bool is_it = from < known->n && memcmp(&found->listener, &l->id, sizeof l->id) == 0 &&
                 (!topic || text_is(found->topic, topic)) &&
                 (partition < 0 || found->partition == partition);
    return is_it ? found : NULL;
}

/* Of a lane that PostgreSQL has never seen: a partition that was added since the listener is there
 * is all its own; a topic that is not the one of its days has nothing for it but what comes. */
static struct hub_position first_position(const struct known *known, const struct listener *l,
                                          const struct place *place, int64_t low, int64_t high)
{
    bool knows_topic = find_position(known, l, place->topic, -1) != NULL;
    int64_t next = knows_topic ? low : high;
    return (struct hub_position){
        .listener = l->id, .next = next, .high = next, .retry_at = INSTANT_NONE};
}

/* Listeners whose place in a partition is not there any more, and the first of these places. */
struct astray {
    int listeners;
    int64_t from;
    bool anew;
};

/* The place in a partition is believed only inside of it. */
static bool adjust(struct hub *h, const struct place *place, int64_t low, int64_t high,
                   struct hub_position *at, struct astray *astray, struct err *err)
{
    bool anew = at->next > high || at->high > high; /* it was read further than it reaches now */
    if (at->next >= low && !anew)
        return true;
    if (astray->listeners++ == 0 || at->next < astray->from)
        astray->from = at->next;
    astray->anew |= anew;
    at->next = low;
    at->high = low;
    at->topic = text_of(place->topic);
    at->partition = place->partition;
    return !anew || hub_store_reset(h->db, at, err);
}

void hub_say_lost(const struct place *place, int64_t from, int64_t to, int listeners,
                  const char *why)
{
    log_line(LOG_ERROR,
             "events are no longer there that listeners have not had: the topic's retention is "
             "too short for them",
             "topic=%s partition=%d from=%" PRId64 " to=%" PRId64 " lost=%" PRId64
             " listeners=%d why=\"%s\"",
             place->topic, place->partition, from, to, to - from, listeners, why);
}

static void say_astray(const struct place *place, const struct astray *a, int64_t low)
{
    if (a->listeners > 0 && a->anew)
        log_line(LOG_ERROR, "a topic was made anew: its listeners get it from its beginning",
                 "topic=%s partition=%d low=%" PRId64 " listeners=%d", place->topic,
                 place->partition, low, a->listeners);
    else if (a->listeners > 0)
        hub_say_lost(place, a->from, low, a->listeners, "the partition begins behind them");
}

static void add_lane(struct hub *h, struct listener *l, struct place *place,
                     const struct hub_position *at, bool kept)
{
    struct lane *lane = hub_lane_new(h, l, place, at);
    lane->dirty = !kept;
}

/* Or suspended, as the next look will tell: it would have a place somewhere. */
static bool is_gone(const struct known *known, const struct listener *l)
{
    return find_position(known, l, NULL, -1) == NULL;
}

/* At a takeover, when nothing is being read: then a broker answers at once. */
static bool take_lane(struct hub *h, struct listener *l, struct place *place, int64_t low,
                      int64_t high, const struct known *known, struct astray *astray,
                      struct err *err)
{
    const struct hub_position *there = find_position(known, l, place->topic, place->partition);
    if (is_gone(known, l))
        return true;
    struct hub_position at = there ? *there : first_position(known, l, place, low, high);
    if (!adjust(h, place, low, high, &at, astray, err))
        return false;
    add_lane(h, l, place, &at, there != NULL);
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
        hub_close_cursor(h, &h->places[i]);
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

/* Of all partitions at once: one by one it would take half a minute while others are read. */
static bool take_places(struct hub *h, rd_kafka_topic_partition_list_t *parts,
                        const struct known *known, struct err *err)
{
    int64_t *low = arena_alloc(h->arena, ((size_t)parts->cnt + 1) * sizeof *low);
    int64_t *high = arena_alloc(h->arena, ((size_t)parts->cnt + 1) * sizeof *high);
    if (!consumer_bounds_all(h->consumer, parts, BOUNDS_MS, low, high, err))
        return false;
    for (int i = 0; i < parts->cnt; i++) {
        struct place *place = &h->places[i];
        struct astray astray = {0};
        for (size_t k = 0; k < h->listener_count; k++)
            if (!take_lane(h, h->listeners[k], place, low[i], high[i], known, &astray, err))
                return false;
        say_astray(place, &astray, low[i]);
        place->front = front_of(h, place, high[i]);
        parts->elems[i].offset = place->front;
    }
    return true;
}

bool hub_take_over(struct hub *h, rd_kafka_topic_partition_list_t *parts, struct err *err)
{
    struct known known;
    hub_drop_places(h);
    arena_reset(h->arena);
    if (!db_open(h->db, err) || !read_known(h, &known, err))
        return false;
    make_places(h, parts);
    if (take_places(h, parts, &known, err))
        return true;
    hub_drop_places(h); /* half of them: what is read meanwhile is for nobody */
    return false;
}

/* A question about offsets waits behind the fetches on its connection, half a second each, in which
 * deliveries go on. */
static bool ask_bounds(struct hub *h, const struct place *place, int64_t *low, int64_t *high,
                       struct err *err)
{
    bool good =
        consumer_bounds(h->consumer, place->topic, place->partition, BOUNDS_MS, low, NULL, err);
    hub_go_on(h);
    good = good &&
           consumer_bounds(h->consumer, place->topic, place->partition, BOUNDS_MS, NULL, high, err);
    hub_go_on(h);
    return good;
}

/* None is asked of a place that is known (it was the end of the partition a moment ago), nor for a
 * listener that has gone since the list was read. */
static bool add_new_lane(struct hub *h, struct listener *l, struct place *place,
                         const struct known *known, struct err *err)
{
    int64_t low, high;
    struct astray astray = {0};
    const struct hub_position *there = find_position(known, l, place->topic, place->partition);
    if (there) {
        add_lane(h, l, place, there, true);
        return true;
    }
    return is_gone(known, l) || (ask_bounds(h, place, &low, &high, err) &&
                                 take_lane(h, l, place, low, high, known, &astray, err));
}

bool hub_add_lanes(struct hub *h, struct err *err)
{
    struct known known = {0};
    for (size_t k = 0; k < h->listener_count; k++)
        for (int i = 0; i < h->place_count; i++) {
            struct listener *l = h->listeners[k];
            if (l->lanes[i])
                continue;
            if (!known.all && !read_known(h, &known, err))
                return false;
            if (!add_new_lane(h, l, &h->places[i], &known, err))
                return false;
        }
    return true;
}
