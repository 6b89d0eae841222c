#include "app/api_read.h"

#include <inttypes.h>

#include "app/api_error.h"
#include "app/api_link.h"
#include "usage/id.h"

/* What the first part leaves for the second. */
struct task {
    const struct query_resource *resource;
    bool one;                    /* GET .../{id}; else the list */
    struct text id;              /* of one, decoded */
    struct usage_id usage_id;    /* of a usage */
    struct render_fields fields; /* of one */
    struct query query;          /* of the list */
};

struct api_reader api_reader_of(const struct settings *s)
{
    return (struct api_reader){.settings = s,
                               .limits = {.limit_default = s->http_limit_default,
                                          .limit_max = s->http_limit_max,
                                          .base_url = s->http_base_url,
                                          .indexed = s->indexed_characteristics.names,
                                          .indexed_count = s->indexed_characteristics.count}};
}

/* --- on the threads of HTTP ------------------------------------------------------------------ */

static bool refused(const struct err *err, struct http_response *response)
{
    api_error(response, err->code, err->text);
    return true;
}

static bool take_list(const struct api_reader *reader, const struct query_resource *resource,
                      struct http_request *request, struct http_response *response)
{
    struct err err;
    struct task *task = arena_zero(request->arena, sizeof *task);
    task->resource = resource;
    if (!query_parse(request->query, resource, &reader->limits, request->arena, &task->query, &err))
        return refused(&err, response);
    request->state = task;
    return false;
}

static void no_such(const struct task *task, struct http_response *response)
{
    api_not_found(response,
                  task->resource == &query_usages ? "No usage with id"
                                                  : "No usageSpecification with id",
                  task->id);
}

/* False: nothing can have such an id. */
static bool take_id(struct task *task, struct text raw_id, struct arena *a)
{
    struct text id;
    task->id = raw_id;
    if (!query_decode(raw_id, false, a, &id))
        return false;
    task->id = id;
    return task->resource->uuid ? id_parse(id, &task->usage_id) : text_is_utf8(id.p, id.n);
}

static bool take_one(const struct query_resource *resource, struct text raw_id,
                     struct http_request *request, struct http_response *response)
{
    struct err err;
    struct task *task = arena_zero(request->arena, sizeof *task);
    task->resource = resource;
    task->one = true;
    if (!query_parse_fields(request->query, request->arena, &task->fields, &err))
        return refused(&err, response);
    if (!take_id(task, raw_id, request->arena)) {
        no_such(task, response);
        return true;
    }
    request->state = task;
    return false;
}

bool api_read_list(const struct api_reader *reader, struct http_request *request,
                   struct http_response *response)
{
    return take_list(reader, &query_usages, request, response);
}

bool api_read_specifications(const struct api_reader *reader, struct http_request *request,
                             struct http_response *response)
{
    return take_list(reader, &query_specifications, request, response);
}

bool api_read_one(const struct api_reader *reader, struct text raw_id, struct http_request *request,
                  struct http_response *response)
{
    (void)reader;
    return take_one(&query_usages, raw_id, request, response);
}

bool api_read_specification(const struct api_reader *reader, struct text raw_id,
                            struct http_request *request, struct http_response *response)
{
    (void)reader;
    return take_one(&query_specifications, raw_id, request, response);
}

/* --- on the threads of the database: one ----------------------------------------------------- */

static void render_one(const struct api_reader *reader, const struct task *task,
                       const struct db_rows *rows, struct http_response *response)
{
    const char *base_url = reader->settings->http_base_url;
    if (rows->count == 0) {
        no_such(task, response);
        return;
    }
    if (task->resource == &query_usages)
        read_render_usage(rows, base_url, &task->fields, &response->body);
    else
        read_render_specification(rows, base_url, &task->fields, &response->body);
    response->status = 200;
    response->content_type = api_json;
    http_add(response, "ETag", "\"%" PRId64 "\"", read_revision(rows));
}

static bool answer_one(const struct api_reader *reader, struct db *db, const struct task *task,
                       struct http_response *response, struct err *err)
{
    struct db_rows rows = {0};
    bool ok = task->resource == &query_usages ? read_usage(db, &task->usage_id, &rows, err)
                                              : read_specification(db, task->id, &rows, err);
    if (ok)
        render_one(reader, task, &rows, response);
    db_rows_fini(&rows);
    return ok;
}

/* --- on the threads of the database: the list ------------------------------------------------ */

/* Rows in front of the page; behind a token as far as it knows. */
static int64_t position(const struct read_page *page)
{
    const struct query *q = page->query;
    int64_t from_token = q->token.position - page->count;
    if (q->after)
        return q->token.position + 1;
    if (q->before)
        return !page->more ? 0 : from_token > 0 ? from_token : 1;
    return q->offset;
}

static struct text token_of(const struct read_page *page, int i, struct arena *a)
{
    struct query_token token = read_page_token(page, i, position(page) + i, a);
    return query_token_write(&token, query_sort_name(page->query, a), a);
}

static void add_link(const struct api_reader *reader, const struct http_request *request,
                     const struct read_page *page, const struct read_total *total,
                     struct http_response *response)
{
    const struct query *q = page->query;
    struct api_page p = {.resource = q->resource->name,
                         .offset = position(page),
                         .limit = (int)q->limit, /* http.limit-max is an int */
                         .count = page->count,
                         .total = total->count,
                         .estimated = total->estimated};
    struct buf link = {0};
    p.previous = q->before ? page->more : q->after || q->offset > 0;
    p.next = q->before || page->more;
    if (page->count > 0) {
        p.before = token_of(page, 0, request->arena);
        p.after = token_of(page, page->count - 1, request->arena);
    }
    if (api_link(reader->settings->http_base_url, request->query, &p, request->arena, &link))
        http_add(response, "Link", "%s", buf_text(&link));
    buf_fini(&link);
}

static void render_list(const struct api_reader *reader, const struct http_request *request,
                        const struct read_page *page, const struct read_total *total,
                        struct http_response *response)
{
    struct buf *b = &response->body;
    buf_byte(b, '[');
    for (int i = 0; i < page->count; i++) {
        if (i > 0)
            buf_byte(b, ',');
        read_render(page, i, reader->settings->http_base_url, b);
    }
    buf_byte(b, ']');
    response->status = 200;
    response->content_type = api_json;
    if (page->query->resource == &query_usages)
        http_add(response, "Vary", "Accept"); /* see app/api_export.h */
    http_add(response, "X-Total-Count", "%" PRId64, total->count);
    http_add(response, "X-Result-Count", "%d", page->count);
    if (total->estimated)
        http_add(response, "X-Total-Count-Estimated", "true");
    add_link(reader, request, page, total, response);
}

/* Behind the last page of an offset the total is known without counting. */
static bool find_total(const struct api_reader *reader, struct db *db, const struct read_page *page,
                       struct read_total *total, struct err *err)
{
    const struct query *q = page->query;
    int64_t seen = page->count + page->more;
    bool by_token = q->after || q->before;
    if (!by_token && page->count > 0)
        seen += q->offset;
    *total = (struct read_total){.count = seen};
    if (!by_token && q->limit > 0 && !page->more && (page->count > 0 || q->offset == 0))
        return true;
    return read_count(db, q, reader->settings->http_count_timeout_ms, seen, total, err);
}

static bool answer_list(const struct api_reader *reader, struct db *db,
                        const struct http_request *request, const struct query *q,
                        struct http_response *response, struct err *err)
{
    struct read_page page;
    struct read_total total;
    bool ok = read_page(db, q, &page, err) && !http_unwanted(request) &&
              find_total(reader, db, &page, &total, err);
    if (ok)
        render_list(reader, request, &page, &total, response);
    else if (err->kind == ERR_DATA)
        ok = refused(err, response);
    read_page_fini(&page);
    return ok;
}

bool api_read_answer(const struct api_reader *reader, struct db *db, struct http_request *request,
                     struct http_response *response, struct err *err)
{
    const struct task *task = request->state;
    return task->one ? answer_one(reader, db, task, response, err)
                     : answer_list(reader, db, request, &task->query, response, err);
}
