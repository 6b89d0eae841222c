#include "app/replay_select.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/instant.h"
#include "base/units.h"
#include "usage/reason.h"

enum { MAX_REPLAYS = 3, MAX_REPLAYS_MAX = 1000 };

/* --- lists ---------------------------------------------------------------------------------- */

static bool is_all(const char *list)
{
    return strcmp(list, "*") == 0;
}

/* The next name of a list; false at its end. An empty name is one too. */
static bool next_name(const char **list, struct text *name)
{
    if (!*list)
        return false;
    size_t n = strcspn(*list, ",");
    *name = (struct text){*list, n};
    *list = (*list)[n] ? *list + n + 1 : NULL;
    return true;
}

bool replay_list_has(const char *list, struct text name)
{
    if (is_all(list))
        return true;
    for (struct text one; next_name(&list, &one);)
        if (text_eq(one, name))
            return true;
    return false;
}

static bool list_within(const char *inner, const char *outer)
{
    if (is_all(outer))
        return true;
    if (is_all(inner))
        return false;
    for (struct text one; next_name(&inner, &one);)
        if (!replay_list_has(outer, one))
            return false;
    return true;
}

bool replay_selects(const struct replay_selection *what, struct text reason, struct text topic,
                    int replays)
{
    return replays < what->max && replay_list_has(what->reasons, reason) &&
           replay_list_has(what->topics, topic);
}

bool replay_is_within(const struct replay_selection *inner, const struct replay_selection *outer)
{
    return inner->max <= outer->max && list_within(inner->reasons, outer->reasons) &&
           list_within(inner->topics, outer->topics);
}

bool replay_is_same(const struct replay_selection *a, const struct replay_selection *b)
{
    return replay_is_within(a, b) && replay_is_within(b, a);
}

/* --- options -------------------------------------------------------------------------------- */

/* The names that may stand in a list. */
struct names {
    const char
        *all[SETTINGS_INBOUND_MAX > (int)REASON_COUNT ? SETTINGS_INBOUND_MAX : (int)REASON_COUNT];
    size_t count;
};

static struct names reasons(void)
{
    struct names n = {.count = 0};
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        n.all[n.count++] = reason_name((enum reason)i);
    return n;
}

static struct names topics_in(const struct settings *s)
{
    struct names n = {.count = 0};
    enum settings_inbound kind;
    for (int i = 0; i < settings_inbound_count(s); i++)
        n.all[n.count++] = settings_inbound_topic(s, i, &kind);
    return n;
}

static bool is_known(const struct names *known, struct text name)
{
    for (size_t i = 0; i < known->count; i++)
        if (text_is(name, known->all[i]))
            return true;
    return false;
}

static bool refuse(const char *option, struct text value, const char *what, FILE *errors)
{
    char quoted[TEXT_QUOTED];
    fprintf(errors, "usaged: option --%s: \"%s\" %s\n", option, text_quote(value, quoted), what);
    return false;
}

static bool refuse_name(const char *option, struct text name, const struct names *known,
                        FILE *errors)
{
    char quoted[TEXT_QUOTED];
    fprintf(errors, "usaged: option --%s: \"%s\" is none of", option, text_quote(name, quoted));
    for (size_t i = 0; i < known->count; i++)
        fprintf(errors, "%s %s", i ? "," : "", known->all[i]);
    fprintf(errors, "\n");
    return false;
}

/* Names are put into the order of `known`, so that a selection has one way to be written. */
static bool take_list(const char *option, const char *given, const struct names *known,
                      struct arena *a, const char **list, FILE *errors)
{
    struct buf b = {0};
    *list = "*";
    if (!given)
        return true;
    const char *rest = given;
    for (struct text one; next_name(&rest, &one);)
        if (!is_known(known, one))
            return refuse_name(option, one, known, errors);
    for (size_t i = 0; i < known->count; i++)
        if (replay_list_has(given, text_of(known->all[i])))
            buf_printf(&b, "%s%s", b.len ? "," : "", known->all[i]);
    *list = arena_copy(a, b.data, b.len);
    buf_fini(&b);
    return true;
}

static bool take_time(const char *option, const char *given, int64_t *ms, FILE *errors)
{
    if (!given || instant_parse_date(text_of(given), ms))
        return true;
    return refuse(option, text_of(given),
                  "is no time such as 2026-11-23T08:15:30Z, nor a date such as 2026-11-23", errors);
}

static bool take_number(const char *option, const char *given, int64_t max, int64_t *out,
                        FILE *errors)
{
    char what[64];
    int64_t number;
    if (!given)
        return true;
    snprintf(what, sizeof what, "is not in 1 to %lld", (long long)max);
    if (!units_integer(given, &number) || number < 1 || number > max)
        return refuse(option, text_of(given), what, errors);
    *out = number;
    return true;
}

bool replay_select(const struct replay_options *options, const struct settings *s, struct arena *a,
                   struct replay_wish *wish, FILE *errors)
{
    struct names all_reasons = reasons(), all_topics = topics_in(s);
    int64_t max = MAX_REPLAYS;
    *wish = (struct replay_wish){
        .from_ms = INT64_MIN, .to_ms = INT64_MAX, .limit = INT64_MAX, .dry_run = options->dry_run};
    bool good = take_list("reason", options->reasons, &all_reasons, a, &wish->what.reasons, errors);
    good &= take_list("topic", options->topics, &all_topics, a, &wish->what.topics, errors);
    good &= take_time("from", options->from, &wish->from_ms, errors);
    good &= take_time("to", options->to, &wish->to_ms, errors);
    good &= take_number("limit", options->limit, 1000000000000, &wish->limit, errors);
    good &= take_number("max-replays", options->max_replays, MAX_REPLAYS_MAX, &max, errors);
    wish->what.max = (int)max;
    if (good && wish->from_ms >= wish->to_ms)
        return refuse("to", text_of(options->to ? options->to : ""), "is not later than --from",
                      errors);
    return good;
}
