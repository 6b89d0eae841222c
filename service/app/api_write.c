#include "app/api_write.h"

#include <inttypes.h>
#include <strings.h>

#include "app/api_error.h"
#include "app/counts.h"
#include "app/keeper.h"
#include "base/log.h"
#include "usage/http_write.h"
#include "usage/id.h"
#include "usage/query.h"

/* What the first part leaves for the second. */
struct task {
    enum api_write_kind kind;
    bool specification;
    struct usage_id id; /* of a usage */
    struct text name;   /* the id, decoded */
    struct text if_match, key;
};

static const char patch_types[] = "application/merge-patch+json, application/json";

/* --- a thread's stores ----------------------------------------------------------------------- */

void api_write_store_init(const struct api_writer *w, const char *application_name,
                          struct api_write_store *out)
{
    const struct settings *s = w->settings;
    out->db = db_new(&(struct db_options){.url = s->database_url,
                                          .application_name = application_name,
                                          .deadline_ms = s->http_statement_timeout_ms + 1500,
                                          .statement_timeout_ms = s->http_statement_timeout_ms});
    out->usages = store_http_new(&(struct store_http_settings){.db = out->db,
                                                               .interval = settings_interval(s),
                                                               .changes = w->changes,
                                                               .mapping = &w->mapping});
    out->specifications = specification_store_new(
        &(struct specification_store_settings){.db = out->db,
                                               .base_url = s->http_base_url,
                                               .event_max = s->event_max_bytes,
                                               .schema_id = w->specification_schema});
}

void api_write_store_fini(struct api_write_store *s)
{
    store_http_free(s->usages);
    specification_store_free(s->specifications);
    db_free(s->db);
}

/* --- on the threads of HTTP: before the body is read ------------------------------------------ */

static bool refuse(struct http_response *response, int status, const char *message)
{
    api_error(response, status, message);
    if (status == 503)
        http_add(response, "Retry-After", "1");
    return true;
}

bool api_write_is_type(struct text header, const char *type)
{
    size_t n = strlen(type);
    while (header.n > 0 && (*header.p == ' ' || *header.p == '\t'))
        header = (struct text){header.p + 1, header.n - 1};
    return header.n >= n && strncasecmp(header.p, type, n) == 0 &&
           (header.n == n || strchr("; \t", header.p[n]));
}

bool api_write_is_packed(const struct http_request *request)
{
    struct text coding = http_header(request, "Content-Encoding");
    return coding.n > 0 && !(coding.n == 8 && strncasecmp(coding.p, "identity", 8) == 0);
}

static bool is_packed(const struct http_request *request, struct http_response *response)
{
    return api_write_is_packed(request) &&
           refuse(response, 415, "Content-Encoding: bodies are taken as they are, not packed");
}

bool api_write_not_json(const struct http_request *request, struct http_response *response)
{
    return is_packed(request, response) ||
           (!api_write_is_type(http_header(request, "Content-Type"), "application/json") &&
            refuse(response, 415, "Content-Type: must be application/json"));
}

static bool wrong_type(const struct task *t, const struct http_request *request,
                       struct http_response *response)
{
    struct text type = http_header(request, "Content-Type");
    if (is_packed(request, response))
        return true;
    if (t->kind == API_DELETE || api_write_is_type(type, "application/json"))
        return false;
    if (t->kind == API_CREATE)
        return refuse(response, 415,
                      t->specification ? "Content-Type: must be application/json"
                                       : "Content-Type: must be application/json, or "
                                         "application/x-ndjson for a stream of usages");
    if (api_write_is_type(type, "application/merge-patch+json"))
        return false;
    http_add(response, "Accept-Patch", "%s", patch_types);
    return refuse(response, 415,
                  "Content-Type: must be application/merge-patch+json or application/json, which "
                  "both mean a JSON Merge Patch (RFC 7396)");
}

static bool wrong_key(struct task *t, const struct http_request *request,
                      struct http_response *response)
{
    t->key = http_header(request, "Idempotency-Key");
    if (!t->key.p || t->kind != API_CREATE)
        return false;
    if (t->key.n == 0 || t->key.n > IDEMPOTENCY_KEY_MAX)
        return refuse(response, 400, "Idempotency-Key: must have 1 to 255 bytes");
    return false;
}

static bool no_such_id(struct task *t, struct text raw_id, struct http_request *request,
                       struct http_response *response)
{
    bool decoded = query_decode(raw_id, false, request->arena, &t->name);
    const char *what = t->specification ? "No usageSpecification with id" : "No usage with id";
    bool possible = decoded && (t->specification ? text_is_utf8(t->name.p, t->name.n)
                                                 : id_parse(t->name, &t->id));
    if (!possible)
        api_not_found(response, what, decoded ? t->name : raw_id);
    return !possible;
}

bool api_write_take(const struct api_writer *w, enum api_write_kind kind, bool specification,
                    struct text raw_id, struct http_request *request,
                    struct http_response *response)
{
    struct task *t = arena_zero(request->arena, sizeof *t);
    t->kind = kind;
    t->specification = specification;
    t->if_match = http_header(request, "If-Match");
    if (request->query.n > 0)
        return refuse(response, 400, "A change takes no query parameters");
    if ((kind != API_CREATE && no_such_id(t, raw_id, request, response)) ||
        wrong_type(t, request, response) || wrong_key(t, request, response))
        return true;
    if (!atomic_load(&w->open))
        return refuse(response, 503,
                      "The service is starting and takes no changes yet; /readyz says what it "
                      "waits for");
    if (keeper_refuses())
        return refuse(response, 503, http_write_refused);
    request->state = t;
    return false;
}

/* --- on the threads of the database ----------------------------------------------------------- */

static bool create(struct api_write_store *s, const struct task *t, const struct http_request *r,
                   const char *who, struct store_http_answer *out, struct err *err)
{
    struct idempotency key = {0};
    if (t->key.p)
        key = idempotency_of(text_of(who), t->key, r->path, r->body);
    if (!t->specification)
        return store_http_create(s->usages, r->body, &key, out, err);
    struct specification_answer made = {0};
    bool ok = specification_create(s->specifications, r->body, &key, &made, err);
    *out = (struct store_http_answer){made.json, made.href, made.revision, NULL};
    return ok;
}

static bool patch(struct api_write_store *s, const struct task *t, struct text body,
                  struct store_http_answer *out, struct err *err)
{
    if (!t->specification)
        return store_http_patch(s->usages, &t->id, body, t->if_match, out, err);
    struct specification_answer made = {0};
    bool ok = specification_patch(s->specifications, t->name, body, t->if_match, &made, err);
    *out = (struct store_http_answer){made.json, made.href, made.revision, NULL};
    return ok;
}

static bool erase(struct api_write_store *s, const struct task *t, struct err *err)
{
    return t->specification ? specification_delete(s->specifications, t->name, t->if_match, err)
                            : store_http_delete(s->usages, &t->id, t->if_match, err);
}

static void show(const struct task *t, const struct store_http_answer *a,
                 struct http_response *response)
{
    response->status = t->kind == API_CREATE ? 201 : t->kind == API_PATCH ? 200 : 204;
    if (t->kind == API_DELETE)
        return;
    response->content_type = api_json;
    buf_add(&response->body, a->json.p, a->json.n);
    http_add(response, "ETag", "\"%" PRId64 "\"", a->revision);
    if (t->kind == API_CREATE)
        http_add(response, "Location", "%.*s", TEXT_ARGS(a->href));
}

static void note(const struct task *t, const char *who, const struct store_http_answer *a,
                 int status)
{
    static const char *const methods[] = {"POST", "PATCH", "DELETE"};
    char quoted[TEXT_QUOTED];
    struct text id = t->kind == API_CREATE ? a->href : t->name;
    for (size_t i = id.n; t->kind == API_CREATE && i > 0; i--)
        if (id.p[i - 1] == '/') {
            id = (struct text){id.p + i, id.n - i};
            break;
        }
    log_line(LOG_INFO, "written over HTTP", "token=%s method=%s resource=%s id=%s status=%d",
             who[0] ? who : "-", methods[t->kind],
             t->specification ? "usageSpecification" : "usage", text_quote(id, quoted), status);
}

bool api_write_answer(const struct api_writer *w, struct api_write_store *s, const char *who,
                      struct http_request *request, struct http_response *response, struct err *err)
{
    (void)w;
    const struct task *t = request->state;
    struct store_http_answer answer = {0};
    bool ok = t->kind == API_CREATE  ? create(s, t, request, who, &answer, err)
              : t->kind == API_PATCH ? patch(s, t, request->body, &answer, err)
                                     : erase(s, t, err);
    if (!ok && err->kind != ERR_DATA)
        return false;
    if (ok) {
        if (answer.created)
            counts_parked(answer.created);
        keeper_wake();
        show(t, &answer, response);
        note(t, who, &answer, response->status);
        return true;
    }
    return refuse(response, err->code, err->text);
}
