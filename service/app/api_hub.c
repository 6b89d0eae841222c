#include "app/api_hub.h"

#include <stdio.h>

#include "app/api_error.h"
#include "app/api_write.h"
#include "app/hub.h"
#include "base/instant.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "io/admin.h"
#include "io/post.h"
#include "usage/hub_store.h"
#include "usage/id.h"
#include "usage/model.h"
#include "usage/query.h"
#include "usage/query_event.h"

enum { LOOK_MS = 5000, KAFKA_MS = 5000 };

struct api_hub api_hub_of(const struct settings *s, rd_kafka_t *kafka)
{
    struct api_hub hub = {.settings = s, .kafka = kafka};
    for (int i = 0; i < s->hub_networks.count; i++)
        if (network_parse(s->hub_networks.names[i], &hub.networks[hub.network_count]))
            hub.network_count++;
    return hub;
}

static bool refuse(struct http_response *response, int status, const char *message)
{
    api_error(response, status, message);
    return true;
}

/* --- on the threads of HTTP ------------------------------------------------------------------ */

static bool has_query(const struct http_request *request, struct http_response *response)
{
    return request->query.n > 0 &&
           refuse(response, 400, "A registration takes no query parameters");
}

/* Names are looked up, and Kafka is asked where topics end: seconds if one of them is away. */
bool api_hub_take_add(struct http_request *request, struct http_response *response)
{
    request->slow = true;
    return has_query(request, response) || api_write_not_json(request, response);
}

bool api_hub_take_remove(struct text raw_id, struct http_request *request,
                         struct http_response *response)
{
    struct text name;
    struct usage_id *id = arena_alloc(request->arena, sizeof *id);
    bool decoded = query_decode(raw_id, false, request->arena, &name);
    if (has_query(request, response))
        return true;
    if (!decoded || !id_parse(name, id)) {
        api_not_found(response, "No listener with id", decoded ? name : raw_id);
        return true;
    }
    request->state = id;
    return false;
}

/* --- POST ------------------------------------------------------------------------------------- */

static bool bad(struct http_response *response, const char *attribute, struct text value,
                const char *what)
{
    char quoted[TEXT_QUOTED], message[TEXT_QUOTED + 512];
    snprintf(message, sizeof message, "%s: \"%s\" %s", attribute, text_quote(value, quoted), what);
    return refuse(response, 400, message);
}

static void read_body(struct text body, struct arena *a, struct hub_listener *out)
{
    struct jsonr r = jsonr_start(body);
    struct text key;
    if (!jsonr_enter(&r, JSONR_OBJECT))
        return;
    while (jsonr_next_key(&r, a, &key)) {
        if (text_is(key, "callback"))
            jsonr_text(&r, a, &out->callback);
        else if (text_is(key, "query"))
            jsonr_text(&r, a, &out->query);
        else
            jsonr_skip(&r, NULL);
    }
}

static bool not_allowed(const struct api_hub *hub, const char *url, struct text callback,
                        struct http_response *response)
{
    char address[256] = "", what[400];
    switch (post_look(url, hub->networks, hub->network_count, LOOK_MS, address)) {
    case POST_LOOK_GOOD:
        return false;
    case POST_LOOK_FORBIDDEN:
        snprintf(what, sizeof what,
                 "is at %s, which is not public, nor in a network that hub.allow-networks names",
                 address);
        return bad(response, "callback", callback, what);
    case POST_LOOK_UNKNOWN:
        return bad(response, "callback", callback, "has a host whose name cannot be resolved");
    case POST_LOOK_LATE:
        break;
    }
    http_add(response, "Retry-After", "1");
    return refuse(response, 503, "The name of the callback's host could not be resolved in time");
}

/* True: answered, refused. */
static bool judge(const struct api_hub *hub, struct http_request *request, struct hub_listener *out,
                  struct buf *origin, struct http_response *response)
{
    struct err err;
    struct arena *a = request->arena;
    *out = (struct hub_listener){0};
    if (!model_check(MODEL_SUBSCRIPTION, request->body, a, &err))
        return refuse(response, err.code, err.text);
    read_body(request->body, a, out);
    const char *url = arena_copy(a, out->callback.p, out->callback.n);
    if (!post_check_url(url, origin, &err))
        return bad(response, "callback", out->callback, err.text);
    struct query_event *query = query_event_new(out->query, &err);
    if (!query) {
        char message[sizeof err.text + 16];
        snprintf(message, sizeof message, "query: %s", err.text);
        return refuse(response, 400, message);
    }
    query_event_free(query);
    return not_allowed(hub, url, out->callback, response);
}

/* The ends of all partitions at this moment. NULL: answered. */
static struct hub_position *ends(const struct api_hub *hub, struct arena *a, size_t *n,
                                 struct http_response *response)
{
    const char *topics[HUB_TOPICS];
    struct err err;
    hub_topics(hub->settings, topics);
    rd_kafka_topic_partition_list_t *list =
        admin_ends(hub->kafka, topics, HUB_TOPICS, KAFKA_MS, &err);
    if (!list) {
        log_line(LOG_WARNING,
                 "a listener cannot be registered: Kafka does not say where topics end",
                 "why=\"%s\"", err.text);
        http_add(response, "Retry-After", "1");
        refuse(response, 503, "Kafka is away");
        return NULL;
    }
    *n = (size_t)list->cnt;
    struct hub_position *out = arena_zero(a, (*n + 1) * sizeof *out);
    for (int i = 0; i < list->cnt; i++) {
        const char *topic = list->elems[i].topic;
        out[i].topic = text_of(arena_copy(a, topic, strlen(topic)));
        out[i].partition = list->elems[i].partition;
        out[i].next = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return out;
}

static void show(const struct api_hub *hub, const struct hub_listener *l,
                 struct http_response *response)
{
    char id[ID_CHARS];
    struct jsonw w = jsonw_start(&response->body);
    id_print(&l->id, id);
    jsonw_object(&w);
    jsonw_optional(&w, "id", text_of(id));
    jsonw_optional(&w, "callback", l->callback);
    jsonw_optional(&w, "query", l->query);
    jsonw_end(&w);
    response->status = 201;
    response->content_type = api_json;
    http_add(response, "Location", "%s/hub/%s", hub->settings->http_base_url, id);
}

/* The path of a callback may be a secret between the two. */
static void note(const char *what, const char *who, const struct usage_id *id, const char *origin)
{
    char text[ID_CHARS];
    id_print(id, text);
    log_line(LOG_INFO, what, "token=%s listener=%s%s%s", who[0] ? who : "-", text,
             origin[0] ? " host=" : "", origin);
}

/* The connection was lost in the middle: the listener may be stored, and nobody knows its id.
 * False: it is not, or not any more. */
static bool may_be_stored(struct db *db, const struct usage_id *id, const struct err *why)
{
    struct err err;
    bool unknown = !db_is_open(db) || strncmp(why->state, "57P", 3) == 0;
    if (!unknown)
        return false;
    db_close(db);
    return !db_open(db, &err) || !hub_store_forget(db, id, &err);
}

static bool say_id(const struct api_hub *hub, const struct usage_id *id,
                   struct http_response *response)
{
    char text[ID_CHARS], message[1024];
    id_print(id, text);
    snprintf(message, sizeof message,
             "The database was lost: listener %s may be stored, DELETE %.800s/hub/%s removes it",
             text, hub->settings->http_base_url, text);
    log_line(LOG_WARNING, "a listener may be stored whose registration has failed", "listener=%s",
             text);
    http_add(response, "Retry-After", "1");
    return refuse(response, 503, message);
}

static bool add(const struct api_hub *hub, struct db *db, const char *who,
                struct http_request *request, struct buf *origin, struct http_response *response,
                struct err *err)
{
    struct hub_listener l;
    size_t n;
    if (judge(hub, request, &l, origin, response))
        return true;
    if (!db_open(db, err))
        return false;
    const struct hub_position *places = ends(hub, request->arena, &n, response);
    if (!places)
        return true;
    l.id = id_random(instant_now());
    if (!http_keep(request))
        return true; /* one that is stored is told to its client, who could not end it otherwise */
    if (!hub_store_add(db, &l, text_of(who), places, n, err))
        return may_be_stored(db, &l.id, err) && say_id(hub, &l.id, response);
    show(hub, &l, response);
    note("listener registered", who, &l.id, buf_text(origin));
    hub_wake();
    return true;
}

bool api_hub_add(const struct api_hub *hub, struct db *db, const char *who,
                 struct http_request *request, struct http_response *response, struct err *err)
{
    struct buf origin = {0};
    bool answered = add(hub, db, who, request, &origin, response, err);
    buf_fini(&origin);
    return answered;
}

/* --- DELETE ----------------------------------------------------------------------------------- */

bool api_hub_remove(struct db *db, const char *who, struct http_request *request,
                    struct http_response *response, struct err *err)
{
    const struct usage_id *id = request->state;
    bool found;
    char text[ID_CHARS];
    if (!db_open(db, err) || !hub_store_remove(db, id, &found, err))
        return false;
    id_print(id, text);
    if (!found) {
        api_not_found(response, "No listener with id", text_of(text));
        return true;
    }
    response->status = 204;
    note("listener unregistered", who, id, "");
    hub_wake();
    return true;
}
