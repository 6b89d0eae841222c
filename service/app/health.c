#include "app/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/stop.h"

enum { HEALTH_TEXT = 401 };

static const char *const key_names[HEALTH_KEYS] = {"kafka",  "postgres",   "registry",
                                                   "topics", "assignment", "partitions"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static char texts[HEALTH_KEYS][HEALTH_OWNERS_MAX][HEALTH_TEXT];
static bool waits[HEALTH_KEYS][HEALTH_OWNERS_MAX];

static atomic_int_fast64_t beats[HEALTH_OWNERS_MAX];
static atomic_int limits[HEALTH_OWNERS_MAX]; /* ms; 0: not watched */

static bool in_range(int owner)
{
    return owner >= 0 && owner < HEALTH_OWNERS_MAX;
}

/* At most 400 bytes, cut between characters; texts of libraries may be no UTF-8, and JSON must be.
 */
static void keep(char *to, const char *text)
{
    size_t n = strlen(text);
    if (n > HEALTH_TEXT - 1) {
        n = HEALTH_TEXT - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(to, text, n);
    to[n] = 0;
    if (text_is_utf8(to, n))
        return;
    for (; *to; to++)
        if ((unsigned char)*to >= 0x80)
            *to = '?';
}

bool health_wait(enum health_key key, int owner, const char *text)
{
    if (!in_range(owner))
        return false;
    pthread_mutex_lock(&lock);
    bool is_new = !waits[key][owner];
    waits[key][owner] = true;
    keep(texts[key][owner], text);
    pthread_mutex_unlock(&lock);
    return is_new;
}

bool health_go(enum health_key key, int owner)
{
    if (!in_range(owner))
        return false;
    pthread_mutex_lock(&lock);
    bool waited = waits[key][owner];
    waits[key][owner] = false;
    pthread_mutex_unlock(&lock);
    return waited;
}

/* With the lock held. */
static bool anyone_waits(int key)
{
    for (int i = 0; i < HEALTH_OWNERS_MAX; i++)
        if (waits[key][i])
            return true;
    return false;
}

static bool is_ready(void)
{
    for (int key = 0; key < HEALTH_KEYS; key++)
        if (anyone_waits(key))
            return false;
    return true;
}

bool health_ready(void)
{
    pthread_mutex_lock(&lock);
    bool ready = is_ready();
    pthread_mutex_unlock(&lock);
    return ready;
}

bool health_waits(enum health_key key)
{
    pthread_mutex_lock(&lock);
    bool waiting = anyone_waits((int)key);
    pthread_mutex_unlock(&lock);
    return waiting;
}

/* Several threads that wait for one thing mostly say the same: once is enough. */
static bool said_before(int key, int owner)
{
    for (int i = 0; i < owner; i++)
        if (waits[key][i] && strcmp(texts[key][i], texts[key][owner]) == 0)
            return true;
    return false;
}

static void join_texts(int key, struct buf *b)
{
    for (int i = 0; i < HEALTH_OWNERS_MAX; i++) {
        if (!waits[key][i] || said_before(key, i))
            continue;
        if (b->len > 0)
            buf_str(b, "; ");
        buf_str(b, texts[key][i]);
    }
}

void health_render(struct buf *b)
{
    struct buf joined = {0};
    struct jsonw w = jsonw_start(b);
    pthread_mutex_lock(&lock);
    jsonw_object(&w);
    jsonw_key(&w, "ready");
    jsonw_truth(&w, is_ready());
    jsonw_key(&w, "waiting");
    jsonw_object(&w);
    for (int key = 0; key < HEALTH_KEYS; key++) {
        if (!anyone_waits(key))
            continue;
        buf_reset(&joined);
        join_texts(key, &joined);
        jsonw_key(&w, key_names[key]);
        jsonw_text(&w, (struct text){joined.data, joined.len});
    }
    jsonw_end(&w);
    jsonw_end(&w);
    pthread_mutex_unlock(&lock);
    buf_fini(&joined);
}

void health_end(const struct err *err)
{
    if (stop_now(1))
        log_line(LOG_ERROR, "cannot go on", "why=\"%s\"", err->text);
}

void health_beat(int owner)
{
    if (in_range(owner))
        atomic_store_explicit(&beats[owner], instant_ticks(), memory_order_relaxed);
}

int64_t health_still_ms(int owner)
{
    if (!in_range(owner))
        return 0;
    return instant_ticks() - (int64_t)atomic_load_explicit(&beats[owner], memory_order_relaxed);
}

void health_watch(int owner, int limit_ms)
{
    if (!in_range(owner))
        return;
    health_beat(owner);
    atomic_store(&limits[owner], limit_ms);
}

void health_unwatch(int owner)
{
    if (in_range(owner))
        atomic_store(&limits[owner], 0);
}

bool health_alive(struct buf *b)
{
    bool alive = true;
    int64_t now = instant_ticks();
    for (int i = 0; i < HEALTH_OWNERS_MAX; i++) {
        int limit = atomic_load(&limits[i]);
        int64_t still = now - (int64_t)atomic_load_explicit(&beats[i], memory_order_relaxed);
        if (limit == 0 || still <= limit)
            continue;
        alive = false;
        buf_printf(b, "thread %d has not moved for %lld ms, its limit is %d ms\n", i,
                   (long long)still, limit);
    }
    return alive;
}
