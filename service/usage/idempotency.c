#include "usage/idempotency.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/embed.h"

enum { EXPIRE_ROWS = 5000 };

/* Each text with its length before it, so that no two have one form. */
static void digest(const struct text *texts, size_t n, unsigned char out[IDEMPOTENCY_DIGEST])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL);
    for (size_t i = 0; i < n; i++) {
        uint64_t length = texts[i].n;
        ok = ok && EVP_DigestUpdate(c, &length, sizeof length) &&
             EVP_DigestUpdate(c, texts[i].n > 0 ? texts[i].p : "", texts[i].n);
    }
    if (!ok || !EVP_DigestFinal_ex(c, out, NULL))
        abort(); /* no request can cause this */
    EVP_MD_CTX_free(c);
}

struct idempotency idempotency_of(struct text who, struct text key, struct text path,
                                  struct text body)
{
    struct idempotency i = {.given = true};
    digest((struct text[]){who, key}, 2, i.key);
    digest((struct text[]){path, body}, 2, i.request);
    return i;
}

static bool refuse(struct err *err, int status, const char *text)
{
    err_set(err, ERR_DATA, "%s", text);
    err->code = status;
    return false;
}

static bool compare(const struct idempotency *i, const struct db_rows *rows, struct arena *a,
                    struct idempotency_answer *out, struct err *err)
{
    if (rows->count == 0)
        return true;
    struct text request = db_text(rows, 0, 0), location = db_text(rows, 0, 1),
                body = db_text(rows, 0, 3);
    if (!text_eq(request, (struct text){(const char *)i->request, sizeof i->request}))
        return refuse(err, 422, "Idempotency-Key: was given before, with another request");
    *out =
        (struct idempotency_answer){.found = true,
                                    .location = {arena_copy(a, location.p, location.n), location.n},
                                    .revision = db_int8(rows, 0, 2),
                                    .body = {arena_copy(a, body.p, body.n), body.n}};
    return true;
}

bool idempotency_look(struct db *db, const struct idempotency *i, struct arena *a,
                      struct idempotency_answer *out, struct err *err)
{
    struct db_params p = {0};
    struct db_rows lock = {0}, rows = {0};
    *out = (struct idempotency_answer){0};
    if (!i->given)
        return true;
    db_param_bytes(&p, i->key, sizeof i->key);
    struct db_call calls[] = {
        {.sql = embed_text(embed_sql, "idempotency_lock.sql"), .params = &p, .rows = &lock},
        {.sql = "SELECT request, location, revision, body FROM idempotency WHERE key = $1::bytea",
         .params = &p,
         .rows = &rows}};
    bool ok = db_pipe(db, calls, 2, NULL, err);
    if (ok && !db_truth(&lock, 0, 0))
        ok = refuse(err, 409, "Idempotency-Key: the first request with it is still being answered");
    ok = ok && compare(i, &rows, a, out, err);
    db_rows_fini(&lock);
    db_rows_fini(&rows);
    db_params_fini(&p);
    return ok;
}

bool idempotency_keep(struct db *db, const struct idempotency *i,
                      const struct idempotency_answer *answer, int64_t now_ms, struct err *err)
{
    struct db_params p = {0};
    if (!i->given)
        return true;
    db_param_bytes(&p, i->key, sizeof i->key);
    db_param_bytes(&p, i->request, sizeof i->request);
    db_param_time(&p, now_ms);
    db_param_text(&p, answer->location);
    db_param_int8(&p, answer->revision);
    db_param_text(&p, answer->body);
    bool ok = db_query(db,
                       "INSERT INTO idempotency (key, request, created_at, location, revision, "
                       "body) VALUES ($1::bytea, $2::bytea, $3::timestamptz, $4::text, $5::bigint, "
                       "$6::text)",
                       &p, NULL, err);
    db_params_fini(&p);
    return ok;
}

bool idempotency_expire(struct db *db, int64_t ms, bool *more, struct err *err)
{
    struct db_params p = {0};
    db_param_time(&p, ms);
    db_param_int4(&p, EXPIRE_ROWS);
    struct db_call call = {.sql = embed_text(embed_sql, "idempotency_expire.sql"), .params = &p};
    bool ok = db_pipe(db, &call, 1, NULL, err);
    *more = ok && call.affected == EXPIRE_ROWS;
    db_params_fini(&p);
    return ok;
}
