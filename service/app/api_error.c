#include "app/api_error.h"

#include <stdio.h>

#include "base/jsonw.h"

const char api_json[] = "application/json;charset=utf-8";

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{400, "Bad Request"},           {404, "Not Found"},
                 {405, "Method Not Allowed"},    {414, "URI Too Long"},
                 {500, "Internal Server Error"}, {501, "Not Implemented"},
                 {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Error";
}

void api_error(struct http_response *response, int status, const char *message)
{
    char number[16], code[32];
    snprintf(number, sizeof number, "%d", status);
    snprintf(code, sizeof code, "ERR%d", status);
    response->status = status;
    response->content_type = api_json;
    buf_reset(&response->body);
    struct jsonw w = jsonw_start(&response->body);
    jsonw_object(&w);
    jsonw_optional(&w, "code", text_of(code));
    jsonw_optional(&w, "reason", text_of(reason_of(status)));
    jsonw_optional(&w, "message", text_of(message));
    jsonw_optional(&w, "status", text_of(number));
    jsonw_optional(&w, "@type", TEXT("Error"));
    jsonw_end(&w);
}
