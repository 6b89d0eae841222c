/* Listeners and their lanes: what waits to be delivered, deliveries, back-off. */
#include <stdlib.h>
#include <string.h>

#include "app/hub_parts.h"
#include "base/failpoint.h"
#include "base/instant.h"
#include "base/log.h"
#include "usage/id.h"

enum { QUEUE_FIRST = 8 };

/* --- lanes ---------------------------------------------------------------------------------- */

static struct queued *at(struct lane *lane, int i)
{
    return &lane->queue[(lane->head + i) % lane->room];
}

static void payload_drop(struct payload *p)
{
    if (--p->count == 0)
        free(p);
}

/* All before is delivered, or none of its business. */
static int64_t position_of(const struct lane *lane)
{
    return lane->count > 0 ? lane->queue[lane->head].offset : lane->need;
}

/* Forgets what is queued behind the first `left`: it is read again. */
static void cut_queue(struct lane *lane, int left)
{
    while (lane->count > left) {
        struct queued *last = at(lane, --lane->count);
        lane->need = last->offset;
        lane->listener->bytes -= last->payload->n;
        payload_drop(last->payload);
    }
}

static void wait_for_retry(struct hub *h, struct lane *lane)
{
    lane->waiting = true;
    TAILQ_INSERT_TAIL(&h->retrying, lane, link);
}

static void wait_no_more(struct hub *h, struct lane *lane)
{
    lane->waiting = false;
    TAILQ_REMOVE(&h->retrying, lane, link);
}

static int64_t most_backoff_ms(const struct hub *h)
{
    int64_t ms = h->settings->hub_retry_ms;
    return ms > HUB_RETRY_MAX_MS ? ms : HUB_RETRY_MAX_MS;
}

struct lane *hub_lane_new(struct hub *h, struct listener *l, struct place *place,
                          const struct hub_position *from)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        abort();
    *lane = (struct lane){.listener = l,
                          .place = place,
                          .need = from->next,
                          .failures = from->failures,
                          .kept_high = from->high};
    if (lane->failures > 0) {
        int64_t left = from->retry_at == INSTANT_NONE ? 0 : from->retry_at - instant_now();
        int64_t most = most_backoff_ms(h); /* clocks differ */
        lane->retry_at = instant_ticks() + (left < 0 ? 0 : left > most ? most : left);
        l->failing++;
        wait_for_retry(h, lane);
    }
    l->lanes[place->number] = lane;
    return lane;
}

static void drop_lane(struct hub *h, struct lane *lane)
{
    struct listener *l = lane->listener;
    if (lane->post) {
        poster_drop(h->poster, lane->post);
        l->posts--;
    }
    if (lane->waiting)
        wait_no_more(h, lane);
    if (lane->failures > 0)
        l->failing--;
    if (lane->ready)
        TAILQ_REMOVE(&l->ready, lane, link);
    cut_queue(lane, 0);
    free(lane->queue);
    free(lane);
}

void hub_lanes_drop(struct hub *h, struct listener *l)
{
    for (int i = 0; i < h->place_count; i++)
        if (l->lanes[i])
            drop_lane(h, l->lanes[i]);
    free(l->lanes);
    l->lanes = NULL;
}

/* --- listeners ------------------------------------------------------------------------------ */

static char *copy(struct text t)
{
    char *p = malloc(t.n + 1);
    if (!p)
        abort();
    memcpy(p, t.p, t.n);
    p[t.n] = 0;
    return p;
}

/* What is stored was judged before it was. */
struct listener *hub_listener_new(struct hub *h, const struct hub_listener *from)
{
    struct err err;
    struct buf origin = {0};
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->id = from->id;
    l->callback = copy(from->callback);
    for (size_t n = strlen(l->callback); n > 0 && l->callback[n - 1] == '/'; n--)
        l->callback[n - 1] = 0;
    l->origin =
        copy(post_check_url(l->callback, &origin, &err) ? text_of(buf_text(&origin)) : TEXT("?"));
    buf_fini(&origin);
    l->query = query_event_new(from->query, &err);
    if (!l->query) {
        free(l->callback);
        free(l->origin);
        free(l);
        return NULL;
    }
    TAILQ_INIT(&l->ready);
    l->lanes = calloc((size_t)h->place_count + 1, sizeof *l->lanes);
    if (!l->lanes)
        abort();
    return l;
}

void hub_listener_free(struct hub *h, struct listener *l)
{
    if (l->lanes)
        hub_lanes_drop(h, l);
    query_event_free(l->query);
    free(l->callback);
    free(l->origin);
    free(l);
}

/* --- deliveries ----------------------------------------------------------------------------- */

static void deliver(struct hub *h, struct lane *lane)
{
    const struct payload *p = at(lane, 0)->payload;
    buf_reset(&h->text);
    buf_str(&h->text, lane->listener->callback);
    buf_str(&h->text, hub_event_paths[p->type]);
    lane->post = poster_send(h->poster,
                             &(struct post_request){.url = buf_text(&h->text),
                                                    .body = p->json,
                                                    .n = p->n,
                                                    .more = {p->trace[0], p->trace[1]}},
                             lane);
    lane->listener->posts++;
}

/* Sends what may be sent to the listener. */
static void go_on(struct hub *h, struct listener *l)
{
    struct lane *lane;
    while (!h->ending && l->posts < HUB_POSTS_MAX && (lane = TAILQ_FIRST(&l->ready)) != NULL) {
        TAILQ_REMOVE(&l->ready, lane, link);
        lane->ready = false;
        deliver(h, lane);
    }
}

static void make_ready(struct hub *h, struct lane *lane)
{
    if (!lane->ready && !lane->post && lane->count > 0) {
        lane->ready = true;
        TAILQ_INSERT_TAIL(&lane->listener->ready, lane, link);
        go_on(h, lane->listener);
    }
}

bool hub_lane_has_room(const struct lane *lane)
{
    if (lane->count == 0)
        return true;
    return lane->failures == 0 && lane->count < HUB_QUEUE_MAX &&
           lane->listener->bytes < HUB_QUEUE_BYTES;
}

static void grow(struct lane *lane)
{
    int room = lane->room ? 2 * lane->room : QUEUE_FIRST;
    struct queued *queue = calloc((size_t)room, sizeof *queue);
    if (!queue)
        abort();
    for (int i = 0; i < lane->count; i++)
        queue[i] = *at(lane, i);
    free(lane->queue);
    lane->queue = queue;
    lane->head = 0;
    lane->room = room;
}

void hub_lane_take(struct hub *h, struct lane *lane, int64_t offset, struct payload *payload)
{
    lane->need = offset + 1;
    lane->dirty = true;
    if (!payload)
        return;
    if (lane->count == lane->room)
        grow(lane);
    payload->count++;
    *at(lane, lane->count++) = (struct queued){offset, payload};
    lane->listener->bytes += payload->n;
    if (lane->failures == 0)
        make_ready(h, lane);
}

static void note(enum log_level level, const char *what, const struct listener *l, const char *why)
{
    char id[ID_CHARS];
    id_print(&l->id, id);
    log_line(level, what, "listener=%s host=%s%s%s%s", id, l->origin, why ? " why=\"" : "",
             why ? why : "", why ? "\"" : "");
}

static void delivered(struct hub *h, struct lane *lane)
{
    struct listener *l = lane->listener;
    struct queued *head = at(lane, 0);
    failpoint("hub-delivered");
    l->bytes -= head->payload->n;
    payload_drop(head->payload);
    lane->head = (lane->head + 1) % lane->room;
    lane->count--;
    lane->dirty = true;
    if (lane->failures > 0) {
        lane->failures = 0;
        if (--l->failing == 0)
            note(LOG_INFO, "listener takes events again", l, NULL);
    }
    make_ready(h, lane);
}

static int64_t backoff_ms(const struct hub *h, int failures)
{
    int64_t ms = h->settings->hub_retry_ms, most = most_backoff_ms(h);
    for (int i = 1; i < failures && ms < most; i++)
        ms *= 2;
    return ms < most ? ms : most;
}

/* One that fails holds the one event that it fails at, and no memory besides. */
static void failed(struct hub *h, struct lane *lane, const char *why)
{
    struct listener *l = lane->listener;
    if (lane->failures == 0 && l->failing++ == 0)
        note(LOG_WARNING, "listener fails, its events wait", l, why);
    if (lane->failures < 1000)
        lane->failures++;
    lane->retry_at = instant_ticks() + backoff_ms(h, lane->failures);
    lane->dirty = true;
    cut_queue(lane, 1);
    wait_for_retry(h, lane);
}

void hub_lanes_results(struct hub *h)
{
    struct post_result result;
    while (poster_done(h->poster, &result)) {
        struct lane *lane = result.arg;
        lane->post = NULL;
        lane->listener->posts--;
        if (result.status >= 200 && result.status < 300)
            delivered(h, lane);
        else
            failed(h, lane, result.text);
        go_on(h, lane->listener);
    }
}

int64_t hub_lanes_next_retry(const struct hub *h)
{
    const struct lane *lane;
    int64_t next = INT64_MAX;
    TAILQ_FOREACH(lane, &h->retrying, link)
    if (lane->retry_at < next && lane->count > 0)
        next = lane->retry_at;
    return next;
}

/* What is due stands in line with its listener's other lanes: were it to wait for a post that is
 * free, these would always be quicker, for as long as they have events. */
void hub_lanes_retry(struct hub *h)
{
    struct lane *next;
    int64_t now = instant_ticks();
    for (struct lane *lane = TAILQ_FIRST(&h->retrying); lane; lane = next) {
        next = TAILQ_NEXT(lane, link);
        if (lane->retry_at > now || lane->count == 0)
            continue;
        wait_no_more(h, lane);
        make_ready(h, lane);
    }
}

/* --- PostgreSQL ----------------------------------------------------------------------------- */

static struct hub_position kept_form(const struct lane *lane)
{
    int64_t next = position_of(lane);
    int64_t left = lane->retry_at - instant_ticks();
    return (struct hub_position){
        .listener = lane->listener->id,
        .topic = text_of(lane->place->topic),
        .partition = lane->place->partition,
        .next = next,
        .high = lane->place->front > next ? lane->place->front : next,
        .failures = lane->failures,
        .retry_at = lane->failures > 0 ? instant_now() + (left > 0 ? left : 0) : INSTANT_NONE};
}

/* What moves while PostgreSQL is waited for is dirty again. */
static void mark_kept(struct lane **lanes, const struct hub_position *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lanes[i]->dirty = false;
        lanes[i]->kept_high = all[i].high;
    }
}

bool hub_lanes_keep(struct hub *h, struct err *err)
{
    size_t most = h->listener_count * (size_t)h->place_count, n = 0;
    struct hub_position *all = arena_alloc(h->arena, (most + 1) * sizeof *all);
    struct lane **lanes = arena_alloc(h->arena, (most + 1) * sizeof *lanes);
    for (size_t i = 0; i < h->listener_count; i++)
        for (int k = 0; k < h->place_count; k++) {
            struct lane *lane = h->listeners[i]->lanes ? h->listeners[i]->lanes[k] : NULL;
            if (!lane)
                continue;
            all[n] = kept_form(lane);
            if (lane->dirty || all[n].high != lane->kept_high)
                lanes[n++] = lane;
        }
    failpoint("hub-before-keep");
    mark_kept(lanes, all, n);
    if (n == 0 || hub_store_keep(h->db, all, n, err))
        return true;
    for (size_t i = 0; i < n; i++)
        lanes[i]->dirty = true;
    return false;
}
