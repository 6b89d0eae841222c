#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text may hold bytes of a record or of a server: none of them may break a log line. */
static void tame(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == ' ')
        text[--n] = 0;
}

bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->kind = kind;
    err->code = 0;
    err->state[0] = 0;
    err->part = NULL;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    tame(err->text);
    return false;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    char context[256];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    snprintf(err->text, sizeof err->text, "%s: %.*s", context,
             (int)(sizeof err->text - sizeof context - 3), inner);
    tame(err->text);
    return false;
}

void err_clear(struct err *err)
{
    *err = (struct err){.kind = ERR_NONE};
}
