#include "base/config_take.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/units.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static void write_number(const struct config_setting *s, void *target, int64_t v)
{
    char *at = (char *)target + s->offset;
    if (s->width == sizeof(int64_t)) {
        memcpy(at, &v, sizeof v);
    } else if (s->width == sizeof(int)) {
        int narrow = (int)v;
        memcpy(at, &narrow, sizeof narrow);
    } else {
        assert(s->width == sizeof(bool));
        bool truth = v != 0;
        memcpy(at, &truth, sizeof truth);
    }
}

/* Each of these returns NULL, or what is wrong with the value. */

static const char *take_number(struct arena *a, const struct config_value *v, void *target)
{
    const struct config_setting *s = v->setting;
    bool bare = ends_with(s->name, "-ms");
    char low[UNITS_CHARS], high[UNITS_CHARS];
    int64_t number = 0;
    if (s->type == CONFIG_INTEGER && !units_integer(v->text, &number))
        return "is not a whole number";
    if (s->type == CONFIG_DURATION && !units_duration(v->text, bare, &number))
        return bare ? "is not a number of milliseconds, nor one with ms, s, m, h, d or y"
                    : "is not a number with ms, s, m, h, d or y";
    if (s->type == CONFIG_SIZE && !units_size(v->text, &number))
        return "is not a number of bytes, nor one with KiB, MiB or GiB";
    if (number >= s->min && number <= s->max) {
        write_number(s, target, number);
        return NULL;
    }
    if (s->type == CONFIG_INTEGER || bare)
        return arena_printf(a, "is not in %lld to %lld", (long long)s->min, (long long)s->max);
    const char *(*print)(int64_t, char *) =
        s->type == CONFIG_SIZE ? units_print_size : units_print_duration;
    return arena_printf(a, "is not in %s to %s", print(s->min, low), print(s->max, high));
}

static const char *take_text(struct arena *a, const struct config_value *v, void *target)
{
    const struct config_setting *s = v->setting;
    size_t n = v->text ? strlen(v->text) : 0;
    if (n < (size_t)s->min)
        return v->text ? "is too short" : "has no value and needs one";
    if (n > (size_t)s->max)
        return arena_printf(a, "is longer than %lld bytes", (long long)s->max);
    if (n > 0 && !text_is_utf8(v->text, n))
        return "is not UTF-8";
    for (size_t i = 0; s->type == CONFIG_TEXT && i < n; i++)
        if ((unsigned char)v->text[i] < 0x20 || v->text[i] == 0x7f)
            return "holds a control character";
    const char *text = n > 0 ? v->text : NULL;
    memcpy((char *)target + s->offset, &text, sizeof text);
    return NULL;
}

static const char *take_choice(struct arena *a, const struct config_value *v, void *target)
{
    static const char *const truths[] = {"false", "true", NULL};
    const struct config_setting *s = v->setting;
    const char *const *choices = s->type == CONFIG_TRUTH ? truths : s->choices;
    struct buf all = {0};
    for (int i = 0; choices[i]; i++) {
        if (strcmp(choices[i], v->text) == 0) {
            write_number(s, target, i);
            buf_fini(&all);
            return NULL;
        }
        buf_printf(&all, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
    }
    const char *text = arena_printf(a, "is not %s", buf_text(&all));
    buf_fini(&all);
    return text;
}

char *config_trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = 0;
    return s;
}

static const char *take_list(struct arena *a, const struct config_value *v, void *target)
{
    struct config_list list = {0};
    bool none = v->setting->min == 0 && (!v->text || !*v->text);
    char *rest = none ? NULL : arena_copy(a, v->text, strlen(v->text));
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        const char *name = config_trim(item);
        if (!*name)
            return "has an empty name";
        if (list.count == CONFIG_LIST_MAX)
            return arena_printf(a, "has more than %d names", CONFIG_LIST_MAX);
        for (int i = 0; i < list.count; i++)
            if (strcmp(list.names[i], name) == 0)
                return arena_printf(a, "has the name %s twice", name);
        list.names[list.count++] = name;
    }
    memcpy((char *)target + v->setting->offset, &list, sizeof list);
    return NULL;
}

const char *config_take(struct arena *a, const struct config_value *v, void *target)
{
    switch (v->setting->type) {
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        return take_text(a, v, target);
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        return take_number(a, v, target);
    case CONFIG_TRUTH:
    case CONFIG_CHOICE:
        return take_choice(a, v, target);
    case CONFIG_LIST:
        return take_list(a, v, target);
    case CONFIG_OPEN:
        break;
    }
    return NULL;
}
