/* hub_parts - what the files of the hub share. Private to hub*.c; all of it is the hub's one
 * thread's.
 *
 * A *place* is a partition that the group has given to us; a *lane* is the way of one listener
 * through it. A lane needs the message at `need` next; its queue holds what was read and is not
 * delivered yet. A place is read once, at its front, for all lanes that keep up: those need `front`
 * or more. A lane whose queue is full does not take what comes by, and so falls behind: it needs
 * less than `front`. Those are read for apart (hub_read.c), so that nobody waits for them.
 */
#pragma once

#include <pthread.h>
#include <sys/queue.h>

#include "app/hub.h"
#include "io/consumer.h"
#include "io/cursor.h"
#include "io/db.h"
#include "io/post.h"
#include "io/registry.h"
#include "usage/hub_event.h"
#include "usage/hub_store.h"
#include "usage/query_event.h"

enum {
    HUB_QUEUE_MAX = 256,          /* events in a lane's queue */
    HUB_QUEUE_BYTES = 4 << 20,    /* of a listener's queues together; one event always fits */
    HUB_POSTS_MAX = 8,            /* deliveries to a listener at once, each of another partition */
    HUB_RETRY_MAX_MS = 60 * 1000, /* the back-off doubles up to here, or hub.retry-ms if that is
                                     more */
    HUB_CURSORS_MAX = 8           /* partitions that are read at once for lanes behind */
};

/* The body of an event, shared by the queues it stands in. */
struct payload {
    int count;
    enum hub_event_type type;
    const char *trace[2]; /* headers of the request: traceparent, tracestate; NULL: none */
    size_t n;
    char json[]; /* n bytes, and what `trace` points to */
};

struct queued {
    int64_t offset;
    struct payload *payload;
};

struct lane {
    struct listener *listener;
    struct place *place;
    int64_t need;
    struct queued *queue; /* a ring */
    int head, count, room;
    struct post *post; /* of the queue's head, under way */
    int failures;      /* of the queue's head, in a row */
    int64_t retry_at;  /* ticks, while there are any */
    bool ready;        /* in its listener's list */
    bool waiting;      /* in the hub's `retrying`: it has failures, and nothing under way */
    bool dirty;        /* not in PostgreSQL as it is */
    int64_t kept_high;
    TAILQ_ENTRY(lane) link; /* of the listener's `ready`, or of the hub's `retrying` */
};

TAILQ_HEAD(lanes, lane);

struct listener {
    struct usage_id id;
    char *callback, *origin;
    struct query_event *query;
    struct lane **lanes; /* by the number of the place; NULL: none yet */
    struct lanes ready;  /* may be sent to, but for HUB_POSTS_MAX */
    int posts, failing;  /* lanes with a post, with failures */
    size_t bytes;        /* in its queues */
    bool seen;           /* in the list that was read last */
};

struct place {
    int number;
    const char *topic; /* of the settings */
    int partition;
    int64_t front; /* all before was read */
    struct cursor *cursor;
    int64_t cursor_at;
    size_t turn;              /* the listener that the next cursor looks at first */
    rd_kafka_message_t *held; /* the cursor's, whose schema is not to be had yet */
    int64_t held_until;       /* ticks */
};

struct hub {
    pthread_t thread;
    const struct settings *settings;
    int owner;
    struct db *db;
    struct arena *arena, *scratch; /* of one look at PostgreSQL; of one message */
    struct buf text;
    struct poster *poster;
    struct network networks[CONFIG_LIST_MAX];
    struct registry *registry; /* NULL until the first listener; as the next three */
    struct consumer *consumer;
    struct cursors *cursors;
    rd_kafka_queue_t *queue;                   /* the consumer's: wakes us */
    rd_kafka_topic_partition_list_t *assigned; /* NULL: nothing */
    bool is_begun;                             /* what is assigned is being read */
    bool must_take_over;
    struct listener **listeners;
    size_t listener_count;
    struct place *places;
    int place_count, cursor_count, first_place;
    struct lanes retrying;
    int64_t next_look, next_take_over, next_catch_up, next_patience; /* ticks */
    int64_t deliveries_at;                                           /* ticks: when they were looked
                                                                        at last */
    int64_t said_passed, said_unread;                                /* ticks */
    bool away;                                                       /* said so in the log */
    int64_t away_at;                                                 /* ticks: the last error's */
    bool ending;                                                     /* nothing more is sent */
};

/* --- hub.c ------------------------------------------------------------------------------------ */

/* On the way of what may take long: looks at deliveries if nobody did for some time. */
void hub_go_on(struct hub *h);

/* --- hub_lanes.c ------------------------------------------------------------------------------ */

struct listener *hub_listener_new(struct hub *h, const struct hub_listener *from);
void hub_listener_free(struct hub *h, struct listener *l); /* with its lanes */

struct lane *hub_lane_new(struct hub *h, struct listener *l, struct place *place,
                          const struct hub_position *at);
void hub_lanes_drop(struct hub *h, struct listener *l); /* all of its lanes */

/* May it take one more event? */
bool hub_lane_has_room(const struct lane *lane);

/* The event at `offset`, or, with payload NULL, that there is nothing for it there. */
void hub_lane_take(struct hub *h, struct lane *lane, int64_t offset, struct payload *payload);

/* What is done, and what is due again. */
void hub_lanes_results(struct hub *h);
void hub_lanes_retry(struct hub *h);
int64_t hub_lanes_next_retry(const struct hub *h); /* ticks; INT64_MAX: none */

/* Writes down how far all are. */
bool hub_lanes_keep(struct hub *h, struct err *err) MUST_CHECK;

/* --- hub_places.c ----------------------------------------------------------------------------- */

/* The partitions of `parts` become the places, each with its lanes and its first offset. */
bool hub_take_over(struct hub *h, rd_kafka_topic_partition_list_t *parts,
                   struct err *err) MUST_CHECK;
void hub_drop_places(struct hub *h); /* with all lanes */

/* Lanes for listeners that have come since. */
bool hub_add_lanes(struct hub *h, struct err *err) MUST_CHECK;

/* Events between two offsets are gone from the topic. */
void hub_say_lost(const struct place *place, int64_t from, int64_t to, int listeners,
                  const char *why);

/* --- hub_read.c ------------------------------------------------------------------------------- */

/* True: there is more to be read at once. An error of the consumer is in `err`, the one that
 * matters most of several. */
bool hub_read_front(struct hub *h, struct err *err);
bool hub_position_is_gone(const struct err *err); /* it says so: a takeover finds another */

/* Reads for those that are behind. True: there is more. */
bool hub_catch_up(struct hub *h);
void hub_close_cursor(struct hub *h, struct place *place); /* if it has one */
