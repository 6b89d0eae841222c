/* idempotency - the first answer to an Idempotency-Key, given again to every later request with it
 * (HTTP contract section 6), by any instance.
 *
 * A key belongs to the name of the token that came with it. It is kept in the transaction of the
 * write that it names: a refused attempt leaves none.
 */
#pragma once

#include "base/arena.h"
#include "io/db.h"

enum { IDEMPOTENCY_KEY_MAX = 255, IDEMPOTENCY_DIGEST = 32 };

struct idempotency {
    bool given;
    unsigned char key[IDEMPOTENCY_DIGEST], request[IDEMPOTENCY_DIGEST];
};

struct idempotency_answer {
    bool found;
    struct text location, body; /* in the arena */
    int64_t revision;
};

/* `who`: the token's name, absent without one; `path` and `body`: what must be the same again. */
struct idempotency idempotency_of(struct text who, struct text key, struct text path,
                                  struct text body);

/* The first step of the transaction. ERR_DATA with the status in err->code: 409 while the first
 * still runs, 422 when the request is another one. */
bool idempotency_look(struct db *db, const struct idempotency *i, struct arena *a,
                      struct idempotency_answer *out, struct err *err) MUST_CHECK;

/* In the same transaction. */
bool idempotency_keep(struct db *db, const struct idempotency *i,
                      const struct idempotency_answer *answer, int64_t now_ms,
                      struct err *err) MUST_CHECK;

/* Removes answers from before `ms`, some thousands at a time. *more: there are others. */
bool idempotency_expire(struct db *db, int64_t ms, bool *more, struct err *err) MUST_CHECK;
