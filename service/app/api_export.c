#include "app/api_export.h"

#include <stdio.h>

#include "app/api_error.h"
#include "io/http_accept.h"

/* What the first part leaves for the others. */
struct task {
    struct api_exporter *exporter;
    struct query query;
    struct export export;
};

static const char *const content_types[EXPORT_FORMATS] = {
    [EXPORT_CSV] = "text/csv;charset=utf-8", [EXPORT_NDJSON] = "application/x-ndjson"};

void api_exporter_init(struct api_exporter *e, const struct settings *s)
{
    e->settings = s;
    e->limits = export_limits(s->http_base_url, s->indexed_characteristics.names,
                              s->indexed_characteristics.count);
    atomic_init(&e->streams, 0);
}

enum export_format api_export_format(const struct http_request *request)
{
    return (enum export_format)http_accept(request, export_media_types, EXPORT_FORMATS);
}

bool api_export_take(struct api_exporter *e, struct http_request *request,
                     struct http_response *response)
{
    struct err err;
    struct task *task = arena_zero(request->arena, sizeof *task);
    task->exporter = e;
    request->state = task;
    if (export_query(request->query, &e->limits, request->arena, &task->query, &err))
        return false;
    api_error(response, err.code, err.text);
    return true;
}

static void over(void *app, struct http_request *request)
{
    (void)app;
    struct task *task = request->state;
    export_fini(&task->export);
    atomic_fetch_sub(&task->exporter->streams, 1);
}

static void too_many(struct http_response *response)
{
    char message[100];
    snprintf(message, sizeof message, "%d exports are running, which is as many as may",
             (int)API_EXPORTS_MAX);
    api_error(response, 503, message);
    http_add(response, "Retry-After", "10");
}

static void render_first(struct task *task, struct http_response *response)
{
    response->status = 200;
    response->content_type = content_types[task->export.format];
    http_add(response, "Vary", "Accept");
    if (!export_is_over(&task->export))
        response->over = over;
}

bool api_export_answer(struct api_exporter *e, struct db *db, struct http_request *request,
                       struct http_response *response, struct err *err)
{
    struct task *task = request->state;
    bool room = atomic_fetch_add(&e->streams, 1) < API_EXPORTS_MAX, ok = true;
    export_init(&task->export, api_export_format(request), e->settings->http_base_url,
                &task->query);
    if (!room)
        too_many(response);
    else if (export_piece(&task->export, db, &response->body, err))
        render_first(task, response);
    else if (err->kind == ERR_DATA)
        api_error(response, err->code, err->text);
    else
        ok = false;
    if (!response->over)
        over(NULL, request);
    return ok;
}

bool api_export_next(struct db *db, struct http_request *request, struct buf *piece, bool *last,
                     struct err *err)
{
    struct task *task = request->state;
    bool ok = export_piece(&task->export, db, piece, err);
    *last = ok && export_is_over(&task->export);
    return ok;
}

void api_export_shrink(struct http_request *request)
{
    struct task *task = request->state;
    read_slices_shrink(&task->export.slices);
}

int64_t api_export_rows(const struct http_request *request)
{
    const struct task *task = request->state;
    return task->export.rows;
}
