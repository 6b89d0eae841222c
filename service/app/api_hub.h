/* api_hub - POST and DELETE of listeners: a callback is judged, and its places in the outbound
 * topics are fixed, before its 201, so that it gets every event that is committed after that. */
#pragma once

#include "app/settings.h"
#include "io/db.h"
#include "io/http.h"
#include "io/network.h"

/* One for all threads. */
struct api_hub {
    const struct settings *settings;
    rd_kafka_t *kafka; /* asked for the ends of topics */
    struct network networks[CONFIG_LIST_MAX];
    size_t network_count;
};

struct api_hub api_hub_of(const struct settings *s, rd_kafka_t *kafka);

/* True: answered, refused. On HTTP's thread, before the body is read. `raw_id` as it stands in the
 * path. */
bool api_hub_take_add(struct http_request *request, struct http_response *response);
bool api_hub_take_remove(struct text raw_id, struct http_request *request,
                         struct http_response *response);

/* On a thread that may wait. `who`: the token's name, "" without one. False: the database failed,
 * nothing is answered. */
bool api_hub_add(const struct api_hub *hub, struct db *db, const char *who,
                 struct http_request *request, struct http_response *response,
                 struct err *err) MUST_CHECK;
bool api_hub_remove(struct db *db, const char *who, struct http_request *request,
                    struct http_response *response, struct err *err) MUST_CHECK;
