/* http_mark - Kafka's side of the source @http (usage/http_source.h): how far it is published.
 *
 * That is the committed offset of (topic.create, 0) in the group `<group>-http`, which has no
 * members: nothing fences a commit of it but the one transactional id, of the same name, under
 * which it is made. Whoever is to commit takes the mark first, which ends and fences the one before
 * (docs/protocol, HttpSource). One thread.
 */
#pragma once

#include "app/settings.h"
#include "io/producer.h"

struct http_mark;

/* `idle`, every few seconds while the broker is waited for, may be NULL. Connects to nothing. */
struct http_mark *http_mark_new(const struct settings *s, void (*idle)(void *arg, int waited_ms),
                                void *arg);
void http_mark_free(struct http_mark *m); /* NULL is allowed */

/* A new producer under the one transactional id. Errors are those of producer_open(). */
bool http_mark_take(struct http_mark *m, struct err *err) MUST_CHECK;
void http_mark_let_go(struct http_mark *m);

/* For what is to be sent with the mark: producer_begin(), producer_send(), http_mark_commit(). */
struct producer *http_mark_producer(const struct http_mark *m);

/* The committed offset, -1 for none, once no open transaction holds it. A right that is missing is
 * ERR_FATAL at the start, and later, or once a position was committed, ERR_RETRY. */
bool http_mark_read(const struct http_mark *m, int64_t *position, struct err *err) MUST_CHECK;

/* Commits the position with the open transaction, or in one of its own. ERR_LOST: somebody else has
 * taken it. */
bool http_mark_commit(struct http_mark *m, int64_t position, struct err *err) MUST_CHECK;
bool http_mark_commit_alone(struct http_mark *m, int64_t position, struct err *err) MUST_CHECK;
