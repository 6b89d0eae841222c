#include "app/api_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/api_error.h"
#include "app/api_write.h"
#include "app/tokens.h"
#include "base/failpoint.h"
#include "base/jsonw.h"
#include "base/lines.h"
#include "base/log.h"
#include "base/spool.h"

enum {
    BATCH = 1000, /* lines that are on their way to Kafka at once */
    ARENA = 256 * 1024,
    MEMORY = 64 * 1024, /* of the answer; the rest is in a file */
    PIECE = 128 * 1024
};

static const char ndjson[] = "application/x-ndjson";

struct task {
    struct api_imports *imports;
    char who[TOKENS_NAME];
    struct lines lines;
    struct importer_line batch[BATCH];
    size_t count;
    struct arena *arena; /* of the batch */
    struct spool spool;
    uint64_t queued, refused, failed;
    bool away; /* Kafka has not taken a line: no more is tried */
    bool answered;
};

bool api_import_is(const struct http_request *request)
{
    return api_write_is_type(http_header(request, "Content-Type"), ndjson);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void over(void *app, struct http_request *request)
{
    (void)app;
    struct task *t = request->taking;
    log_line(LOG_INFO, "imported over HTTP",
             "token=%s lines=%" PRIu64 " queued=%" PRIu64 " refused=%" PRIu64 " failed=%" PRIu64
             " ended=%s",
             t->who[0] ? t->who : "-", t->lines.number, t->queued, t->refused, t->failed,
             t->answered ? "answered" : "early");
    atomic_fetch_sub(&t->imports->streams, 1);
    lines_fini(&t->lines);
    spool_fini(&t->spool);
    arena_free(t->arena);
    free(t);
}

/* --- on the threads of HTTP ------------------------------------------------------------------- */

static bool refuse(struct http_response *response, int status, const char *message)
{
    api_error(response, status, message);
    if (status == 503)
        http_add(response, "Retry-After", "1");
    return true;
}

bool api_import_take(struct api_imports *i, struct http_request *request,
                     struct http_response *response)
{
    char message[100];
    if (request->query.n > 0)
        return refuse(response, 400, "A change takes no query parameters");
    if (api_write_is_packed(request))
        return refuse(response, 415, "Content-Encoding: bodies are taken as they are, not packed");
    if (atomic_fetch_add(&i->streams, 1) >= API_IMPORTS_MAX) {
        atomic_fetch_sub(&i->streams, 1);
        snprintf(message, sizeof message, "%d imports are running, which is as many as may",
                 (int)API_IMPORTS_MAX);
        return refuse(response, 503, message);
    }
    struct task *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->imports = i;
    t->lines.max = importer_line_max(i->settings);
    t->arena = arena_new(ARENA);
    t->spool.memory_max = MEMORY;
    request->taking = t;
    request->over = over;
    return false;
}

/* --- on the threads of the pool --------------------------------------------------------------- */

static void write_answer(struct buf *b, const struct importer_line *l)
{
    char id[ID_CHARS];
    int status = l->status == IMPORTER_REFUSED ? 400 : 503;
    struct jsonw w = jsonw_start(b);
    jsonw_object(&w);
    jsonw_key(&w, "line");
    jsonw_integer(&w, (int64_t)l->number);
    jsonw_key(&w, "status");
    if (l->status == IMPORTER_QUEUED) {
        id_print(&l->id, id);
        jsonw_text(&w, TEXT("queued"));
        jsonw_optional(&w, "id", text_of(id));
    } else {
        jsonw_text(&w, status == 400 ? TEXT("400") : TEXT("503"));
        jsonw_key(&w, "error");
        api_error_write(&w, status, l->why);
    }
    jsonw_end(&w);
    buf_byte(b, '\n');
}

/* There is one. */
static const struct importer_line *first_failed(const struct task *t)
{
    const struct importer_line *l = t->batch;
    while (l->status != IMPORTER_FAILED)
        l++;
    return l;
}

/* Nothing was taken yet, so the whole may be sent again. */
static bool refuse_whole(const struct task *t, struct http_response *response)
{
    refuse(response, 503, first_failed(t)->why);
    return false;
}

static bool spool_failed(struct http_response *response, const struct err *err)
{
    log_line(LOG_ERROR, "the answer to an import has no room", "reason=\"%s\"", err->text);
    refuse(response, 500,
           "The service has no room for so long an answer, its log says where: send fewer lines at "
           "a time. What was sent before may be queued, which importing it again does not harm");
    return false;
}

/* False: answered. */
static bool send_batch(struct task *t, struct http_response *response)
{
    struct err err;
    if (t->count == 0)
        return true;
    bool was_away = t->away;
    importer_send(t->imports->importer, t->batch, t->count, false, &t->away, t->arena);
    failpoint("import-queued");
    if (t->away && !was_away)
        log_line(LOG_WARNING, "lines of an import are not taken", "reason=\"%s\"",
                 first_failed(t)->why);
    for (size_t i = 0; i < t->count; i++) {
        enum importer_status s = t->batch[i].status;
        *(s == IMPORTER_QUEUED    ? &t->queued
          : s == IMPORTER_REFUSED ? &t->refused
                                  : &t->failed) += 1;
        write_answer(&t->spool.memory, &t->batch[i]);
    }
    if (t->away && t->queued == 0)
        return refuse_whole(t, response);
    t->count = 0;
    arena_reset(t->arena);
    return spool_write(&t->spool, &err) || spool_failed(response, &err);
}

static bool take_lines(struct task *t, struct http_response *response)
{
    struct text line;
    for (enum lines_found found; (found = lines_next(&t->lines, &line)) != LINES_NONE;) {
        if (found == LINES_LINE && lines_is_blank(line))
            continue;
        t->batch[t->count++] = (struct importer_line){
            .number = t->lines.number, .text = found == LINES_LINE ? line : (struct text){0}};
        if (t->count == BATCH && !send_batch(t, response))
            return false;
    }
    return send_batch(t, response); /* its texts are those of this piece */
}

static bool begin(struct task *t, const char *who, struct http_response *response)
{
    struct err err = {0};
    snprintf(t->who, sizeof t->who, "%s", who);
    if (importer_ready(t->imports->importer, &err))
        return true;
    log_line(LOG_WARNING, "an import is refused", "reason=\"%s\"", err.text);
    refuse(response, 503,
           "Kafka, or the schema registry, cannot take an import now; the service's "
           "log says why");
    return false;
}

bool api_import_piece(const char *who, struct http_request *request, struct text piece,
                      struct http_response *response)
{
    struct task *t = request->taking;
    if (!piece.p)
        return begin(t, who, response);
    lines_add(&t->lines, piece.p, piece.n);
    return take_lines(t, response);
}

static enum http_piece next(void *app, void *context, struct http_request *request,
                            struct buf *piece)
{
    (void)app;
    (void)context;
    struct task *t = request->taking;
    struct err err;
    if (!spool_read(&t->spool, piece, PIECE, &err)) {
        log_line(LOG_ERROR, "the answer to an import is cut off", "reason=\"%s\"", err.text);
        return HTTP_PIECE_BROKEN;
    }
    return piece->len > 0 ? HTTP_PIECE_MORE : HTTP_PIECE_LAST;
}

void api_import_answer(struct http_request *request, struct http_response *response)
{
    struct task *t = request->taking;
    lines_end(&t->lines);
    if (!take_lines(t, response))
        return;
    t->answered = true;
    response->status = 200;
    response->content_type = ndjson;
    response->next = next;
}
