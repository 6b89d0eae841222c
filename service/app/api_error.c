#include "app/api_error.h"

#include <stdio.h>

const char api_json[] = "application/json;charset=utf-8";

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {431, "Request Header Fields Too Large"},
                 {422, "Unprocessable Content"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Error";
}

void api_error_write(struct jsonw *w, int status, const char *message)
{
    char number[16], code[32];
    snprintf(number, sizeof number, "%d", status);
    snprintf(code, sizeof code, "ERR%d", status);
    jsonw_object(w);
    jsonw_optional(w, "code", text_of(code));
    jsonw_optional(w, "reason", text_of(reason_of(status)));
    jsonw_optional(w, "message", text_of(message));
    jsonw_optional(w, "status", text_of(number));
    jsonw_optional(w, "@type", TEXT("Error"));
    jsonw_end(w);
}

void api_error(struct http_response *response, int status, const char *message)
{
    response->status = status;
    response->content_type = api_json;
    buf_reset(&response->body);
    struct jsonw w = jsonw_start(&response->body);
    api_error_write(&w, status, message);
}

void api_not_found(struct http_response *response, const char *what, struct text name)
{
    char quoted[TEXT_QUOTED], message[TEXT_QUOTED + 64];
    snprintf(message, sizeof message, "%s %s", what, text_quote(name, quoted));
    api_error(response, 404, message);
}
