#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/units.h"

static bool is_bare(const struct config_setting *s)
{
    size_t n = strlen(s->name);
    return s->type == CONFIG_INTEGER || (n > 3 && strcmp(s->name + n - 3, "-ms") == 0);
}

/* "1 to 100000", "64 KiB to 64 MiB", "true or false", "hour, day or month"; nothing for a text. */
static const char *range(const struct config_setting *s, struct buf *b)
{
    char low[UNITS_CHARS], high[UNITS_CHARS];
    buf_reset(b);
    if (s->type == CONFIG_TRUTH)
        buf_str(b, "true or false");
    else if (s->type == CONFIG_LIST)
        buf_str(b, "names between commas");
    else if (s->type == CONFIG_INTEGER || (s->type == CONFIG_DURATION && is_bare(s)))
        buf_printf(b, "%" PRId64 " to %" PRId64, s->min, s->max);
    else if (s->type == CONFIG_DURATION)
        buf_printf(b, "%s to %s", units_print_duration(s->min, low),
                   units_print_duration(s->max, high));
    else if (s->type == CONFIG_SIZE)
        buf_printf(b, "%s to %s", units_print_size(s->min, low), units_print_size(s->max, high));
    for (int i = 0; s->type == CONFIG_CHOICE && s->choices[i]; i++)
        buf_printf(b, "%s%s", i == 0 ? "" : s->choices[i + 1] ? ", " : " or ", s->choices[i]);
    return buf_text(b);
}

static const char *fallback(const struct config_setting *s)
{
    return s->fallback ? s->fallback : s->derived ? s->derived : "none";
}

/* Texts are written for Markdown; a terminal needs no backquotes. */
static void plain(const char *text, FILE *out)
{
    for (; *text; text++)
        if (*text != '`')
            fputc(*text, out);
}

void config_help(const struct config_setting *table, size_t count, FILE *out)
{
    struct buf b = {0};
    for (size_t i = 0; i < count; i++) {
        const struct config_setting *s = &table[i];
        const char *values = range(s, &b);
        fprintf(out, "  %-40s ", s->name);
        plain(fallback(s), out);
        fputs("\n      ", out);
        plain(s->help, out);
        fprintf(out, "%s%s\n", *values ? ": " : "", values);
    }
    buf_fini(&b);
}

void config_markdown(const struct config_setting *table, size_t count, FILE *out)
{
    struct buf b = {0};
    fprintf(out, "| setting | default | values | what it is |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < count; i++) {
        const struct config_setting *s = &table[i];
        const char *quote = s->fallback ? "`" : "";
        fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", s->name, quote, fallback(s), quote,
                range(s, &b), s->help);
    }
    buf_fini(&b);
}
